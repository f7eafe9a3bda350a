"""Processes of ours, told apart from strangers that got their number later."""

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass

import psutil

# Start times are derived from the boot time, which may be stepped a little by time synchronisation.
_SAME_START_SECONDS = 2.0
_POLL_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class ProcessId:
    """A process: its number and, as numbers are used again, when it started (seconds since 1970)."""

    pid: int
    started: float

    @classmethod
    def of(cls, pid: int) -> "ProcessId | None":
        """The process that has this number now, or None; a zombie is none."""
        try:
            process = psutil.Process(pid)
            if process.status() == psutil.STATUS_ZOMBIE:
                _reap(pid)
                return None
            return cls(pid, process.create_time())
        except psutil.NoSuchProcess:
            return None
        except psutil.AccessDenied:
            return cls(pid, 0.0)

    def alive(self) -> bool:
        """Whether this very process still runs."""
        now = ProcessId.of(self.pid)
        return now is not None and abs(now.started - self.started) < _SAME_START_SECONDS

    def stop(self, first: signal.Signals, grace_seconds: float) -> None:
        """Send ``first``, wait, and kill what has not ended after ``grace_seconds``."""
        for number, seconds in ((first, grace_seconds), (signal.SIGKILL, 10.0)):
            if not self._send(number) or self.wait(seconds):
                return

    def wait(self, seconds: float) -> bool:
        """Wait until the process has ended; False when it runs on after ``seconds``."""
        deadline = time.monotonic() + seconds
        while self.alive():
            if time.monotonic() >= deadline:
                return False
            time.sleep(_POLL_SECONDS)
        return True

    def _send(self, number: signal.Signals) -> bool:
        if not self.alive():
            return False
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            return False
        return True


def find_by_argument(argument: str) -> Iterator[ProcessId]:
    """Processes that were started with exactly this argument."""
    for process in psutil.process_iter(["cmdline", "create_time", "status"]):
        info = process.info
        if argument in (info["cmdline"] or ()) and info["status"] != psutil.STATUS_ZOMBIE:
            yield ProcessId(process.pid, info["create_time"])


def find_by_folder(folder: str) -> Iterator[ProcessId]:
    """Processes whose working folder is ``folder``."""
    for process in psutil.process_iter(["cwd", "create_time", "status"]):
        info = process.info
        if info["cwd"] == folder and info["status"] != psutil.STATUS_ZOMBIE:
            yield ProcessId(process.pid, info["create_time"])


def usable_cores() -> int:
    """Processor cores that this process may use; all of the machine's where the system does not tell."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _reap(pid: int) -> None:
    """Take a dead child of ours from the process table, so that its number means nothing any more."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return
