"""``python -m bench.latency``: quotes through the price flow at half of its maximum rate, probes among them timed."""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
from confluent_kafka import Producer

from bench.market import raw_quotes
from bench.pipeline import ORIGIN, Pipeline, Step, committed_by, fill
from bench.report import RESULTS, Report
from bench.servers import note, servers
from infra.clock import now_micros, to_rfc3339
from infra.endpoints import Endpoints
from infra.kafka import producer_config
from infra.settings import Settings
from schemas.clocks import Clock
from schemas.codec import codec_for
from schemas.records import RawQuote
from schemas.topics import BARS, PARTITIONS, QUOTES, RAW_QUOTES

from .probes import Timing, on_delivery, probe_symbols, watching

STEPS = (
    Step(("stream", "quotes"), "moodtape.quotes", [RAW_QUOTES]),
    Step(("stream", "bars"), "moodtape.bars", [QUOTES]),
    Step(("sink", "timescale"), "moodtape.sink.timescale", [QUOTES, BARS]),
    Step(("sink", "latest"), "moodtape.sink.latest", [QUOTES]),
)
SLOT_SECONDS = 0.01
PROBE_SECONDS = 0.05
WARM_SECONDS = 5.0
DRAIN_SECONDS = 60.0
HEADS = ("from append to", "quotes/s", "commit every, ms", "probes", "p50, ms", "p90, ms", "p99, ms", "largest, ms")
BESIDE = ", beside a replay"
LABELS = {"stored": "row visible in PostgreSQL", "told": "message on the channel `updates`"}


def main() -> int:
    """Parse the command line, measure, report; exit code 1 if a probe never arrived."""
    parser = argparse.ArgumentParser(prog="python -m bench.latency", description=__doc__)
    parser.add_argument("--seconds", type=float, default=40.0, help="of timing, after the warm-up")
    parser.add_argument("--backlog", type=int, default=60_000, help="quotes drained to find the maximum rate")
    parser.add_argument("--rate", type=float, help="quotes a second; unset = half of the maximum that is measured")
    parser.add_argument("--replay", action="store_true", help="then once more beside a replay of the backlog")
    parser.add_argument("--commit-ms", type=int, default=100, help="MOODTAPE_COMMIT_INTERVAL_MS of the stages")
    parser.add_argument("--results", type=Path, default=RESULTS)
    args = parser.parse_args()
    command = f"python -m bench.latency --seconds {args.seconds:g} --commit-ms {args.commit_ms}"
    command += f" --rate {args.rate:g}" if args.rate else ""
    command += f" --backlog {args.backlog}" + (" --replay" if args.replay else "")
    report = Report("latency-replay" if args.replay else "latency", "From append to the stores", command)
    with servers() as (settings, endpoints):
        run = measure(settings, endpoints, args)
    rows = [
        (label + beside, f"{run['rate' + beside]:,.0f}", args.commit_ms, *percentiles(run[name + beside]))
        for beside in ("", BESIDE)[: 1 + args.replay]
        for name, label in LABELS.items()
    ]
    text = report.write(args.results, [run], [(HEADS, rows)])
    sys.stdout.write(text + "\n")
    return 1 if run["missing"] else 0


def measure(settings: Settings, endpoints: Endpoints, args: argparse.Namespace) -> dict[str, Any]:
    """Find the maximum rate, then time probes at half of it."""
    environment = {"MOODTAPE_COMMIT_INTERVAL_MS": str(args.commit_ms)}
    pipeline = Pipeline(settings, endpoints, STEPS, environment=environment)
    maximum = None
    if args.rate is None:
        maximum = maximum_rate(pipeline, endpoints, args.backlog)
        note(f"maximum rate: {maximum:,.0f} quotes/s")
    elif args.replay:
        fill(endpoints.kafka, raw_quotes(args.backlog), end=False)
    rate = args.rate or maximum / 2  # type: ignore[operator]  # one of them is set
    stored, told = Timing(), Timing()
    run: dict[str, Any] = {"maximum_rate": maximum and round(maximum)}
    with pipeline.started(), watching(endpoints.database, endpoints.redis, stored, told):
        feeder = Feeder(endpoints.kafka, (stored, told))
        run |= timed(feeder, rate, args.seconds, stored, told)
        if args.replay:
            with pipeline.start(replay_of(args.backlog)) as replaying:
                beside = timed(feeder, rate, args.seconds, stored, told)
                replaying.cpu()  # raises where it ended before
            run |= {name + BESIDE: beside[name] for name in (*LABELS, "rate")}
            run["missing"] += beside["missing"]
    return run


def timed(feeder: "Feeder", rate: float, seconds: float, stored: Timing, told: Timing) -> dict[str, Any]:
    """Feed for so long; milliseconds of each probe."""
    feeder.run(rate, WARM_SECONDS)
    drain(stored, told)  # the processes are still starting: what waited for them says nothing
    stored.forget()
    told.forget()
    achieved = feeder.run(rate, seconds)
    drain(stored, told)
    return {
        "rate": round(achieved),
        "missing": stored.missing() + told.missing(),
        "stored": [round(1000 * value, 1) for value in stored.seconds],
        "told": [round(1000 * value, 1) for value in told.seconds],
    }


def replay_of(backlog: int) -> Step:
    """A replay of the backlog's quotes."""
    first, *_, last = (quote.event_time for quote in raw_quotes(backlog))
    span = ("--from", to_rfc3339(first), "--to", to_rfc3339(last + 1))
    return Step(("replay", *span, "--into", "bench"), "", ())


def drain(*timings: Timing) -> None:
    """Wait until every probe was seen, but not for ever."""
    deadline = time.monotonic() + DRAIN_SECONDS
    while any(timing.missing() for timing in timings) and time.monotonic() < deadline:
        time.sleep(0.1)


def maximum_rate(pipeline: Pipeline, endpoints: Endpoints, count: int) -> float:
    """Quotes a second through all processes, from a backlog; the first fifth is left out, as starts differ."""
    fill(endpoints.kafka, raw_quotes(count), end=False)
    seen: list[tuple[float, int]] = []
    with pipeline.started() as running, ExitStack() as stack:
        asked = [stack.enter_context(committed_by(endpoints.kafka, step.group)) for step in STEPS[2:]]
        parts = [(QUOTES, partition) for partition in range(PARTITIONS)]
        while not seen or seen[-1][1] < count:
            time.sleep(0.1)
            # Clocks and markers count as well, so the slower sink's sum of offsets reaches the facts early.
            done = min(sum(committed(parts).values()) for committed in asked)
            if done > count / 5:
                seen.append((time.monotonic(), done))
            for watched in running.values():
                watched.cpu()
    (first, before), (last, after) = seen[0], seen[-1]
    return (after - before) / max(last - first, 0.1)


def percentiles(milliseconds: Sequence[float]) -> tuple[str, ...]:
    """How many, median, 90th and 99th percentile, the largest."""
    if not milliseconds:
        return ("0", "-", "-", "-", "-")
    some = np.percentile(milliseconds, (50, 90, 99, 100))
    return (f"{len(milliseconds):,}", *(f"{value:.0f}" for value in some))


class Feeder:
    """A live producer: ordinary quotes at a steady rate, a probe every 50 ms, a clock a second."""

    def __init__(self, bootstrap: str, timings: tuple[Timing, ...]) -> None:
        self._producer = Producer(producer_config(bootstrap))
        self._encode = codec_for(RAW_QUOTES).encode
        self._quotes = self._endless()
        self._probes = cycle(probe_symbols())
        self._timings = timings

    def run(self, rate: float, seconds: float) -> float:
        """Produce for so long; returns the rate that was kept up."""
        began = time.monotonic()
        sent, probed, clocked = 0, 0.0, 0.0
        while (now := time.monotonic() - began) < seconds:
            while sent < now * rate:
                self._send(next(self._quotes))
                sent += 1
            if now >= probed:
                probed += PROBE_SECONDS
                self._send(RawQuote(source="bench", symbol=next(self._probes), event_time=0, price=1.0), timed=True)
            if now >= clocked:
                clocked += 1.0
                self._clock()
            self._producer.poll(0)
            time.sleep(SLOT_SECONDS)
        self._producer.flush(30)
        return sent / (time.monotonic() - began)

    @staticmethod
    def _endless() -> Iterator[RawQuote]:
        while True:
            yield from raw_quotes(100_000)

    def _send(self, quote: RawQuote, *, timed: bool = False) -> None:
        moment = now_micros()
        live = RawQuote(
            source=quote.source, symbol=quote.symbol, event_time=moment, ingest_time=moment, price=quote.price
        )
        noted = on_delivery(moment, self._timings) if timed else None
        self._produce(value=self._encode(live), key=quote.symbol.encode(), on_delivery=noted)

    def _clock(self) -> None:
        headers = Clock(kind="time", origin=ORIGIN, time=now_micros() - 1_000_000).headers()
        for partition in range(PARTITIONS):
            self._produce(partition=partition, headers=headers)

    def _produce(self, **record: Any) -> None:
        """Wait where the broker takes less than the rate; what is kept up is told."""
        while True:
            try:
                self._producer.produce(RAW_QUOTES, **record)
            except BufferError:
                self._producer.poll(0.1)
            else:
                return


if __name__ == "__main__":
    sys.exit(main())
