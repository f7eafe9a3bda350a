"""``python -m bench.growth``: the quotes stage with more symbols, workers, records; longer windows of correlations."""

import argparse
import json
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from bench.correlation.cost import cost
from bench.market import raw_quotes
from bench.pipeline import Pipeline, Step, fill
from bench.report import RESULTS, Report
from bench.servers import note, servers
from infra.offsets import read_to_end
from infra.settings import Settings
from schemas.topics import RAW_QUOTES, state_topic

STEP = Step(("stream", "quotes"), "moodtape.quotes", [RAW_QUOTES])
RESTORE_LIMIT_SECONDS = 120.0
# The state keeps two hours: so much of them has a long topic that all of it is state.
LONG_MICROSECONDS = 7_000 * 1_000_000
STEP_MICROSECONDS = 2_000
WINDOW_SYMBOLS = 20
HEADS = ("symbols", "workers", "records", "CPU-s per million: median", "each round", "x first line", "peak MiB")
WINDOW_HEADS = ("bars in the window", "us per closed bar", "x first line")
RESTORE_HEADS = ("symbols", "state, MB", "restored in, s", "s per GB")


@dataclass(frozen=True, slots=True)
class Case:
    """What the quotes stage is given."""

    symbols: int
    workers: int
    records: int


@dataclass(frozen=True, slots=True)
class Run:
    """One run: CPU-seconds net of idle starts, and the restore of the state that it left behind."""

    symbols: int
    workers: int
    records: int
    round: int
    cpu_seconds: float
    idle_cpu_seconds: float
    wall_seconds: float
    peak_rss_mib: float
    state_bytes: int
    restore_seconds: float

    @property
    def cost(self) -> float:
        """CPU-seconds per million records."""
        return (self.cpu_seconds - self.idle_cpu_seconds) / self.records * 1e6


def main() -> int:
    """Parse the command line, measure, report."""
    parser = argparse.ArgumentParser(prog="python -m bench.growth", description=__doc__)
    parser.add_argument("--records", type=int, default=200_000, help="of the cases but the long topic")
    parser.add_argument("--long", type=int, default=1_000_000, help="records of the long topic; 0 = leave it out")
    parser.add_argument("--symbols", default="500,5000,10000", help="by commas; the first also for the other cases")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--results", type=Path, default=RESULTS)
    args = parser.parse_args()
    symbols = [int(text) for text in args.symbols.split(",")]
    cases = [Case(number, 1, args.records) for number in symbols]
    cases.append(Case(symbols[0], 2, args.records))
    cases += [Case(symbols[0], 1, args.long)] if args.long else []
    command = f"python -m bench.growth --records {args.records} --long {args.long} --symbols {args.symbols}"
    report = Report("growth", "More of everything", f"{command} --rounds {args.rounds}")
    windows = [{"bars": row["bars before"], "us": row["us per closed bucket"]} for row in cost(WINDOW_SYMBOLS, 4)]
    note("correlations: " + ", ".join(f"{row['us']} us a bar after {row['bars']} bars" for row in windows))
    runs: list[Run] = []
    text = ""
    for number in range(1, args.rounds + 1):
        for case in cases:
            runs.append(measure(case, number))
            # Each at once: a measurement takes minutes and may be ended.
            written: list[dict[str, Any]] = [asdict(run) for run in runs]
            text = report.write(args.results, [*written, {"windows": windows}], _tables(cases, runs, windows))
    sys.stdout.write(text + "\n")
    return 0


def _tables(cases: Sequence[Case], runs: Sequence[Run], windows: Sequence[dict[str, Any]]) -> list[Any]:
    done = [case for case in cases if _of(case, runs)]
    return [
        (HEADS, [_row(case, runs) for case in done]),
        (WINDOW_HEADS, [(row["bars"], row["us"], f"{row['us'] / windows[0]['us']:.2f}") for row in windows]),
        (RESTORE_HEADS, [_restore_row(case, runs) for case in done if case.workers == 1]),
    ]


def measure(case: Case, number: int) -> Run:
    """One case in servers of its own."""
    with servers() as (settings, endpoints):
        pipeline = Pipeline(settings, endpoints, [STEP] * case.workers, environment={"MOODTAPE_LOG_LEVEL": "info"})
        idle = pipeline.idle()
        step = min(STEP_MICROSECONDS, LONG_MICROSECONDS // case.records)
        fill(endpoints.kafka, raw_quotes(case.records, symbols=case.symbols, step=step))
        spent = pipeline.run()
        state = state_bytes(endpoints.kafka)
        restored = restore_seconds(pipeline, settings) if case.workers == 1 else 0.0
    run = Run(
        **asdict(case),
        round=number,
        cpu_seconds=round(spent.total(), 2),
        idle_cpu_seconds=round(idle.total(), 2),
        wall_seconds=round(spent.wall_seconds, 1),
        peak_rss_mib=round(spent.peak_rss_mib, 1),
        state_bytes=state,
        restore_seconds=restored,
    )
    note(f"{case}: {run.cost:.1f} CPU-s per million, {state / 1e6:.1f} MB of state restored in {restored:.2f} s")
    return run


def state_bytes(bootstrap: str) -> int:
    """Keys and values that a restore reads in the end: the newest of each key."""
    newest: dict[bytes, int] = defaultdict(int)
    for message in read_to_end(bootstrap, [state_topic("quotes")]):
        newest[message.key()] = len(message.value() or b"")
    return sum(len(key) + size for key, size in newest.items())


def restore_seconds(pipeline: Pipeline, settings: Settings) -> float:
    """What a worker that starts again says of its restore."""
    log = settings.data_dir / "stream-quotes.log"
    before = len(_restores(log))
    with pipeline.start(STEP) as watched:
        while watched.seconds < RESTORE_LIMIT_SECONDS:
            found = _restores(log)[before:]
            if found:
                return found[-1]
            watched.cpu()
            time.sleep(0.2)
    raise RuntimeError("the state did not come back")


def _restores(log: Path) -> list[float]:
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    return [line["seconds"] for line in lines if line.get("event") == "restored"]


def _row(case: Case, runs: Sequence[Run]) -> Sequence[str]:
    some = _of(case, runs)
    middle = median(run.cost for run in some)
    return (
        *(f"{case.symbols:,}", str(case.workers), f"{case.records:,}", f"{middle:.1f}"),
        ", ".join(f"{run.cost:.1f}" for run in some),
        f"{middle / median(run.cost for run in _of(Case(runs[0].symbols, 1, runs[0].records), runs)):.2f}",
        f"{max(run.peak_rss_mib for run in some):.0f}",
    )


def _restore_row(case: Case, runs: Sequence[Run]) -> Sequence[str]:
    run = _of(case, runs)[-1]
    seconds = median(each.restore_seconds for each in _of(case, runs))
    return (
        *(f"{case.symbols:,} ({case.records:,} records)", f"{run.state_bytes / 1e6:.1f}", f"{seconds:.2f}"),
        f"{seconds / (run.state_bytes / 1e9):.0f}",
    )


def _of(case: Case, runs: Sequence[Run]) -> list[Run]:
    return [
        run for run in runs if (run.symbols, run.workers, run.records) == (case.symbols, case.workers, case.records)
    ]


if __name__ == "__main__":
    sys.exit(main())
