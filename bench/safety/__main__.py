"""``python -m bench.safety``: quotes, bars and the database's sink, with all that makes them safe, part of it, none."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import psutil
import psycopg
from psycopg import sql

from bench.market import raw_quotes
from bench.pipeline import MOODTAPE, Pipeline, Step, fill
from bench.processes import used_by
from bench.report import RESULTS, Report
from bench.servers import note, servers
from infra.endpoints import KAFKA, POSTGRES
from infra.ledger import Ledger
from schemas.topics import BARS, QUOTES, RAW_QUOTES
from sinks.rows import table_of

STEPS = (
    Step(("stream", "quotes"), "moodtape.quotes", [RAW_QUOTES]),
    Step(("stream", "bars"), "moodtape.bars", [QUOTES]),
    Step(("sink", "timescale"), "moodtape.sink.timescale", [QUOTES, BARS]),
)
UNSAFE = ("-m", "bench.safety.unsafe")
PLACE = ("topic_partition", "topic_offset")
# What each flow does without.
FLOWS = {
    "safe": (),
    "unsafe": ("transactions", "snapshots", "ledger"),
    "no-transactions": ("transactions",),
    "no-snapshots": ("snapshots",),
    "no-ledger": ("ledger",),
}
HEADS = (
    *("flow", "raw quotes", "CPU-s per million: median", "each round", "x unsafe", "quotes", "bars", "sink"),
    *("Kafka's CPU-s", "PostgreSQL's CPU-s", "rows stored"),
)


@dataclass(frozen=True, slots=True)
class Run:
    """One run. CPU-seconds are net of an idle start; ``rows`` is count and checksum of what is stored."""

    flow: str
    round: int
    records: int
    cpu_seconds: dict[str, float]
    kafka_cpu_seconds: float
    database_cpu_seconds: float
    wall_seconds: float
    peak_rss_mib: float
    rows: dict[str, tuple[int, str]]

    @property
    def cost(self) -> float:
        """CPU-seconds per million raw quotes, the three processes together."""
        return sum(self.cpu_seconds.values()) / self.records * 1e6


def main() -> int:
    """Parse the command line, measure, report; exit code 1 if the two flows store different rows."""
    parser = argparse.ArgumentParser(prog="python -m bench.safety", description=__doc__)
    parser.add_argument("--records", type=int, default=100_000, help="raw quotes")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--apart", action="store_true", help="tell the three mechanisms apart: five flows, not two")
    parser.add_argument("--results", type=Path, default=RESULTS)
    args = parser.parse_args()
    flows = list(FLOWS) if args.apart else ["safe", "unsafe"]
    command = f"python -m bench.safety --records {args.records} --rounds {args.rounds}{' --apart' * args.apart}"
    report = Report("safety-apart" if args.apart else "safety", "The price of safety", command)
    runs: list[Run] = []
    text = ""
    for number in range(1, args.rounds + 1):
        for flow in flows if number % 2 else flows[::-1]:
            runs.append(measure(flow, number, args.records))
            # Each at once: a measurement takes minutes and may be ended.
            text = report.write(args.results, [asdict(run) for run in runs], [(HEADS, _rows(runs))])
    sys.stdout.write(text + "\n")
    return 0 if _equal(runs) else 1


def _equal(runs: Sequence[Run]) -> bool:
    return all(run.rows == runs[0].rows for run in runs)


def _rows(runs: Sequence[Run]) -> list[Sequence[str]]:
    by_flow = {flow: [run for run in runs if run.flow == flow] for flow in FLOWS}
    return [_row(flow, some, by_flow["unsafe"], equal=_equal(runs)) for flow, some in by_flow.items() if some]


def measure(flow: str, number: int, count: int) -> Run:
    """One flow in servers of its own."""
    program, environment = (UNSAFE, {"BENCH_WITHOUT": ",".join(FLOWS[flow])}) if FLOWS[flow] else (MOODTAPE, {})
    with servers() as (settings, endpoints):
        pipeline = Pipeline(settings, endpoints, STEPS, program, environment)
        idle = pipeline.idle()
        records = fill(endpoints.kafka, raw_quotes(count))
        ledger = Ledger.load(settings.data_dir)
        names = (KAFKA, POSTGRES)
        processes = [psutil.Process(ledger.entry(name).pid) for name in names]
        before = [used_by(process)[0] for process in processes]
        spent = pipeline.run()
        kafka, database = (used_by(p)[0] - was for p, was in zip(processes, before, strict=True))
        rows = {table_of(topic).name: stored(endpoints.database, topic) for topic in (QUOTES, BARS)}
    net = {name: round(used, 2) for name, used in (spent - idle).cpu.items()}
    run = Run(
        flow=flow,
        round=number,
        records=records,
        cpu_seconds=net,
        kafka_cpu_seconds=round(kafka, 2),
        database_cpu_seconds=round(database, 2),
        wall_seconds=round(spent.wall_seconds, 1),
        peak_rss_mib=round(spent.peak_rss_mib, 1),
        rows=rows,
    )
    note(f"round {number} {flow}: {run.cost:.1f} CPU-s per million {net}, rows {rows}")
    return run


def stored(database: str, topic: str) -> tuple[int, str]:
    """Rows of a table and the sum of their digests; places in the topic, which markers shift, left out."""
    table = table_of(topic)
    columns = sql.SQL(", ").join(sql.Identifier(name) for name in table.columns if name not in PLACE)
    query = sql.SQL("SELECT count(*), sum(hashtextextended(r::text, 0))::text FROM (SELECT {} FROM {}) AS r")
    with psycopg.connect(database) as connection:
        found = connection.execute(query.format(columns, sql.Identifier(table.name))).fetchone()
    assert found is not None
    return found[0], found[1]


def _row(flow: str, some: Sequence[Run], unsafe: Sequence[Run], *, equal: bool) -> Sequence[str]:
    cost = median(run.cost for run in some)
    each = [list(run.cpu_seconds.values()) for run in some]
    per_million = [f"{median(column) / some[0].records * 1e6:.1f}" for column in zip(*each, strict=True)]
    counts = " and ".join(f"{count:,} of {table}" for table, (count, _) in some[0].rows.items())
    return (
        f"without {', '.join(FLOWS[flow])}" if FLOWS[flow] else "with all",
        f"{some[0].records:,}",
        f"{cost:.1f}",
        ", ".join(f"{run.cost:.1f}" for run in some),
        f"{cost / median(run.cost for run in unsafe):.2f}" if unsafe else "-",
        *per_million,
        f"{median(run.kafka_cpu_seconds for run in some):.1f}",
        f"{median(run.database_cpu_seconds for run in some):.1f}",
        f"{counts}, {'equal in all' if equal else 'DIFFERENT'}",
    )


if __name__ == "__main__":
    sys.exit(main())
