"""One run of one contender: a process, watched from outside."""

import contextlib
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from .broker import Broker
from .contenders.options import Options
from .workload import Oracle

POLL_SECONDS = 0.2
LIMIT_SECONDS = 900.0
QUIET_SECONDS = 2.0
QUIET_CPU = 0.10


@dataclass(frozen=True, slots=True)
class Contender:
    """A program: its module, its share of the records, whether it uses transactions."""

    name: str
    module: str
    label: str
    transactions: bool = False
    share: float = 1.0


CONTENDERS = (
    Contender("loop", "handwritten", "hand-written loop"),
    Contender("loop-txn", "handwritten", "hand-written loop, transactions", transactions=True),
    Contender("ours", "ours", "moodtape engine", transactions=True),
    Contender("faust", "stock_faust", "stock Faust take(500), tuned", share=0.2),
)


@dataclass(frozen=True, slots=True)
class Run:
    """What one run took. CPU is of the whole life of the process tree up to the last commit, start included."""

    contender: str
    round: int
    records: int
    cpu_seconds: float
    wall_seconds: float
    records_per_second: float
    peak_rss_mib: float
    correct: bool


class Watched:
    """A started process and what its tree has used."""

    def __init__(self, contender: Contender, options: Options, log: Path) -> None:
        command = [sys.executable, "-m", f"bench.engine.contenders.{contender.module}", options.text()]
        self.started = time.monotonic()
        with log.open("ab") as out:
            self._child = subprocess.Popen(command, stdout=out, stderr=out)
        self._process = psutil.Process(self._child.pid)
        self._log = log
        self.peak_rss = 0.0

    def cpu(self) -> float:
        """CPU-seconds of the tree so far; notes its memory."""
        if self._child.poll() is not None:
            raise RuntimeError(f"the contender ended with {self._child.returncode}: {self._log.read_text()[-2000:]}")
        tree = [self._process, *self._process.children(recursive=True)]
        times = [process.cpu_times() for process in tree]
        self.peak_rss = max(self.peak_rss, sum(process.memory_info().rss for process in tree) / 2**20)
        return sum(t.user + t.system for t in times) + sum(t.children_user + t.children_system for t in times[:1])

    def stop(self) -> None:
        """End it: SIGTERM, then SIGKILL."""
        self._child.terminate()
        try:
            self._child.wait(15)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()


def measure(broker: Broker, contender: Contender, options: Options, number: int, oracle: Oracle, log: Path) -> Run:
    """Run a contender over the whole input; its outputs are compared with the oracle's."""
    total = sum(tp.offset for tp in broker.ends(options.input))
    watcher = broker.watcher(options.group)
    watched = Watched(contender, options, log)
    try:
        cpu, rate = _until_done(broker, watcher, watched, options.input, total)
        wall = time.monotonic() - watched.started
    finally:
        watched.stop()
        watcher.close()
    correct = broker.outcome(options.output) == oracle
    return Run(contender.name, number, total, cpu, wall, rate, watched.peak_rss, correct)


def _until_done(broker: Broker, watcher: object, watched: Watched, topic: str, total: int) -> tuple[float, float]:
    """CPU until the last commit, and the rate after the first one that was seen."""
    first: tuple[float, int] | None = None
    while True:
        done, now = broker.committed(watcher, topic), time.monotonic()
        cpu = watched.cpu()
        if done >= total:
            began, before = first or (watched.started, 0)
            return cpu, (total - before) / max(now - began, 1e-9)
        if done and first is None:
            first = (now, done)
        if now - watched.started > LIMIT_SECONDS:
            raise RuntimeError(f"not done after {LIMIT_SECONDS:.0f} s: {done} of {total}")
        time.sleep(POLL_SECONDS)


def measure_idle(contender: Contender, options: Options, log: Path) -> float:
    """CPU-seconds of a start with nothing to do: the group stands at the end already."""
    watched = Watched(contender, options, log)
    with contextlib.closing(_Stopper(watched)):
        samples = [(time.monotonic(), watched.cpu())]
        while True:
            time.sleep(POLL_SECONDS)
            samples.append((time.monotonic(), watched.cpu()))
            now, used = samples[-1]
            earlier = [cpu for moment, cpu in samples if moment <= now - QUIET_SECONDS]
            if now - watched.started > 3 * QUIET_SECONDS and earlier and used - earlier[-1] < QUIET_CPU:
                return used
            if now - watched.started > 30.0:
                return used


@dataclass(frozen=True, slots=True)
class _Stopper:
    watched: Watched

    def close(self) -> None:
        """Stop the process."""
        self.watched.stop()
