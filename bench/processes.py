"""A program watched from outside: the CPU and the memory of its process tree."""

import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

STOP_SECONDS = 15.0


QUIET_SECONDS = 2.0
_QUIET_CPU = 0.10
_POLL_SECONDS = 0.2
_LIST_SECONDS = 3.0


def used_by(root: psutil.Process, children: Sequence[psutil.Process] | None = None) -> tuple[float, float]:
    """CPU-seconds of a process tree so far, ended children included, and its resident memory in MiB."""
    used = rss = 0.0
    for process in (root, *(root.children(recursive=True) if children is None else children)):
        try:
            times = process.cpu_times()
            rss += process.memory_info().rss
        except psutil.NoSuchProcess:
            continue
        used += times.user + times.system + times.children_user + times.children_system
    return used, rss / 2**20


class Watched:
    """A started process and what its tree has used so far."""

    def __init__(self, command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None) -> None:
        self.started = time.monotonic()
        with log.open("ab") as out:
            self._child = subprocess.Popen(command, stdout=out, stderr=out, env=environment)
        self._process = psutil.Process(self._child.pid)
        self._log = log
        self._children: list[psutil.Process] = []
        self._listed = 0.0
        self.peak_rss_mib = 0.0

    def __enter__(self) -> "Watched":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def seconds(self) -> float:
        """Wall time since its start."""
        return time.monotonic() - self.started

    def cpu(self) -> float:
        """CPU-seconds of the tree so far; notes its memory.

        Raises:
            RuntimeError: it ended; the message has the end of its log.
        """
        if self._child.poll() is not None:
            raise RuntimeError(f"it ended with {self._child.returncode}: {self._log.read_text()[-2000:]}")
        if self.seconds - self._listed > _LIST_SECONDS:  # it looks at every process of the machine
            self._children, self._listed = self._process.children(recursive=True), self.seconds
        used, rss = used_by(self._process, self._children)
        self.peak_rss_mib = max(self.peak_rss_mib, rss)
        return used

    def idle_cpu(self) -> float:
        """CPU-seconds until it has nothing more to do: what a start costs where no input waits."""
        samples = [(self.seconds, self.cpu())]
        while True:
            time.sleep(_POLL_SECONDS)
            samples.append((self.seconds, self.cpu()))
            now, used = samples[-1]
            earlier = [cpu for moment, cpu in samples if moment <= now - QUIET_SECONDS]
            if now > 3 * QUIET_SECONDS and earlier and used - earlier[-1] < _QUIET_CPU:
                return used
            if now > 15 * QUIET_SECONDS:
                return used

    def stop(self) -> None:
        """End it: SIGTERM, then SIGKILL."""
        self._child.terminate()
        try:
            self._child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
