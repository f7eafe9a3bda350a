"""``python -m bench.refill``: from an emptied cache to the newest of every symbol, by ``moodtape sink latest``."""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

import psycopg
import redis
from psycopg import sql

from bench.market import START, quotes
from bench.pipeline import Pipeline, Step
from bench.report import RESULTS, Report
from bench.servers import note, servers
from infra.endpoints import Endpoints
from schemas.records import Correlation, Quote, Sentiment
from schemas.replays import LIVE
from schemas.topics import CORRELATIONS, QUOTES, SENTIMENT
from sinks.latest import FILLED
from sinks.rows import table_of
from streams.correlations import METHODS, PAIRS

STEPS = (Step(("sink", "latest"), "moodtape.sink.latest", ()),)
INTERVALS, WINDOWS = (60, 300, 3600, 86_400), (60, 390)
POLL_SECONDS, LIMIT_SECONDS = 0.02, 300.0
HEADS = ("symbols", "rows in the database", "keys in the cache", "seconds: each round")


@dataclass(frozen=True, slots=True)
class Run:
    """Seconds from FLUSHALL until the cache holds as many keys as before and says that it is filled."""

    symbols: int
    rows: int
    keys: int
    seconds: list[float]


def main() -> int:
    """Parse the command line, measure, report."""
    parser = argparse.ArgumentParser(prog="python -m bench.refill", description=__doc__)
    parser.add_argument("--symbols", default="100,500,2000", help="numbers, separated by commas")
    parser.add_argument("--depth", type=int, default=50, help="quotes, moods and correlations of each series")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--results", type=Path, default=RESULTS)
    args = parser.parse_args()
    command = f"python -m bench.refill --symbols {args.symbols} --depth {args.depth} --rounds {args.rounds}"
    report = Report("refill", "Filling an emptied cache", command, ("redis", "psycopg"))
    runs: list[Run] = []
    text = ""
    for symbols in map(int, args.symbols.split(",")):
        runs.append(measure(symbols, args.depth, args.rounds))
        text = report.write(args.results, [asdict(run) for run in runs], [(HEADS, [_row(run) for run in runs])])
    sys.stdout.write(text + "\n")
    return 0


def measure(symbols: int, depth: int, rounds: int) -> Run:
    """Fill a database, then empty the cache again and again while the sink runs."""
    with servers() as (settings, endpoints):
        pipeline = Pipeline(settings, endpoints, STEPS)
        rows = _fill(endpoints, symbols, depth)
        keys = symbols * (1 + 2 * len(INTERVALS))
        with pipeline.started(), redis.Redis.from_url(endpoints.redis) as cache:
            _until_filled(cache, keys)
            seconds = []
            for _ in range(rounds):
                cache.flushall()
                began = time.monotonic()
                _until_filled(cache, keys)
                seconds.append(round(time.monotonic() - began, 2))
    note(f"{symbols} symbols, {rows:,} rows: {seconds} s")
    return Run(symbols, rows, keys, seconds)


def _until_filled(cache: Any, keys: int) -> None:
    deadline = time.monotonic() + LIMIT_SECONDS
    # Beside the hashes there is the key that says so.
    while cache.get(FILLED) is None or cache.dbsize() < keys + 1:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{cache.dbsize()} keys after {LIMIT_SECONDS:.0f} s, not {keys}")
        time.sleep(POLL_SECONDS)


def _fill(endpoints: Endpoints, symbols: int, depth: int) -> int:
    names = [f"S{number:05d}" for number in range(symbols)]
    with psycopg.connect(endpoints.database) as connection:
        counts = [
            _copy(connection, QUOTES, _quotes(symbols, depth)),
            _copy(connection, SENTIMENT, _moods(names, depth)),
            _copy(connection, CORRELATIONS, _correlations(names, depth)),
        ]
        connection.commit()
        connection.autocommit = True
        connection.execute("VACUUM ANALYZE")
    return sum(counts)


def _copy(connection: psycopg.Connection, topic: str, records: Iterator[Quote | Sentiment | Correlation]) -> int:
    table, count = table_of(topic), 0
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(
        sql.Identifier(table.name), sql.SQL(", ").join(map(sql.Identifier, table.columns))
    )
    with connection.cursor() as cursor, cursor.copy(statement) as copying:
        copying.set_types(table.types)
        for count, record in enumerate(records, 1):
            copying.write_row(table.row(record, LIVE, 0, count))
    return count


def _quotes(symbols: int, depth: int) -> Iterator[Quote]:
    """By weights as of a market: the rarest symbols may have few."""
    yield from quotes(symbols * depth, symbols=symbols)
    for number in range(symbols):
        yield Quote(source="bench", symbol=f"S{number:05d}", event_time=START, ingest_time=START, price=1.0)


def _moods(names: Sequence[str], depth: int) -> Iterator[Sentiment]:
    for name, interval, bucket in product(names, INTERVALS, range(depth)):
        start = START + bucket * interval * 1_000_000
        end = start + interval * 1_000_000
        yield Sentiment(
            symbol=name,
            interval=interval,
            start=start,
            event_time=end,
            known_time=end,
            mentions=3,
            authors=3,
            score=0.1,
        )


def _correlations(names: Sequence[str], depth: int) -> Iterator[Correlation]:
    figures = product(names, INTERVALS, WINDOWS, PAIRS, METHODS, range(depth))
    for name, interval, window, pair, method, bucket in figures:
        end = START + bucket * interval * 1_000_000
        yield Correlation(
            symbol=name, interval=interval, window=window, event_time=end, known_time=end, pair=pair, method=method,
            n=60, n_effective=40.0, r=0.2, p_value=0.2, ci_low=-0.1, ci_high=0.5, lags=(0,), r_by_lag=(0.2,),
            status="OK",
        )  # fmt: skip


def _row(run: Run) -> Sequence[str]:
    return (f"{run.symbols:,}", f"{run.rows:,}", f"{run.keys:,}", ", ".join(f"{each:.2f}" for each in run.seconds))


if __name__ == "__main__":
    sys.exit(main())
