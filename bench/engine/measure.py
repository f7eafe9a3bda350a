"""One run of one contender: a process, watched from outside."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.processes import Watched

from .broker import Broker
from .contenders.options import Options
from .extras import ROOT
from .lineup import Contender
from .workload import Oracle

POLL_SECONDS = 0.1
LIMIT_SECONDS = 900.0


@dataclass(frozen=True, slots=True)
class Run:
    """What one run took.

    ``cpu_seconds`` is of the whole life of the process tree up to the last commit, ``idle_cpu_seconds`` of a start
    with nothing to do, ``start_seconds`` wall time from the start of the process to its first output in the log.
    """

    workload: str
    contender: str
    round: int
    records: int
    cpu_seconds: float
    idle_cpu_seconds: float
    wall_seconds: float
    start_seconds: float
    records_per_second: float
    peak_rss_mib: float
    correct: bool

    @property
    def cost(self) -> float:
        """CPU-seconds per million records: the whole life less an idle start."""
        return (self.cpu_seconds - self.idle_cpu_seconds) / self.records * 1e6


def measure(broker: Broker, contender: Contender, options: Options, number: int, oracle: Oracle, log: Path) -> Run:
    """Run a contender over the whole input; its outputs are compared with the oracle's."""
    total = sum(tp.offset for tp in broker.ends(options.input))
    with (
        broker.watching(options.group, options.input, options.output) as look,
        _start(contender, options, log) as watched,
    ):
        cpu, first, last = _until_done(watched, look.committed, look.has_output, total)
    correct = broker.outcome(options.output) == oracle
    # The group stands at the end already.
    with _start(contender, options, log) as again:
        idle = again.idle_cpu()
    return Run(
        workload=options.workload,
        contender=contender.name,
        round=number,
        records=total,
        cpu_seconds=round(cpu, 2),
        idle_cpu_seconds=round(idle, 2),
        wall_seconds=round(last - watched.started, 2),
        start_seconds=round(first - watched.started, 2),
        records_per_second=round(total / (last - first)),
        peak_rss_mib=round(watched.peak_rss_mib, 1),
        correct=correct,
    )


def _start(contender: Contender, options: Options, log: Path) -> Watched:
    return Watched(contender.command(options), log, {**os.environ, "PYTHONPATH": str(ROOT)})


def _until_done(
    watched: Watched, committed: Callable[[], int], has_output: Callable[[], bool], total: int
) -> tuple[float, float, float]:
    """CPU until the last commit, and the moments of the first output and of the last commit."""
    first: float | None = None
    while True:
        if first is None and has_output():
            first = time.monotonic()
        done, cpu, now = committed(), watched.cpu(), time.monotonic()
        if done >= total and first is not None:
            return cpu, first, now
        if now - watched.started > LIMIT_SECONDS:
            raise RuntimeError(f"not done after {LIMIT_SECONDS:.0f} s: {done} of {total}")
        time.sleep(POLL_SECONDS)
