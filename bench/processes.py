"""A program watched from outside: the CPU and the memory of its process tree."""

import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

STOP_SECONDS = 15.0


class Watched:
    """A started process and what its tree has used so far."""

    def __init__(self, command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None) -> None:
        self.started = time.monotonic()
        with log.open("ab") as out:
            self._child = subprocess.Popen(command, stdout=out, stderr=out, env=environment)
        self._process = psutil.Process(self._child.pid)
        self._log = log
        self.peak_rss_mib = 0.0

    def cpu(self) -> float:
        """CPU-seconds of the tree so far, ended children included; notes its memory.

        Raises:
            RuntimeError: it ended; the message has the end of its log.
        """
        if self._child.poll() is not None:
            raise RuntimeError(f"it ended with {self._child.returncode}: {self._log.read_text()[-2000:]}")
        tree = [self._process, *self._process.children(recursive=True)]
        used = rss = 0.0
        for process in tree:
            try:
                times = process.cpu_times()
                rss += process.memory_info().rss
            except psutil.NoSuchProcess:
                continue
            used += times.user + times.system + times.children_user + times.children_system
        self.peak_rss_mib = max(self.peak_rss_mib, rss / 2**20)
        return used

    def stop(self) -> None:
        """End it: SIGTERM, then SIGKILL."""
        self._child.terminate()
        try:
            self._child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
