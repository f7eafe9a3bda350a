"""``verify --watch`` beside a running flow: no false alarm while data flows, and what is spoiled meanwhile is named."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path

import psycopg
import pytest

from infra.endpoints import Endpoints
from infra.settings import Settings
from moodtape.verify.watching import Pass, watch
from schemas.clocks import Clock
from schemas.records import Bar, RawQuote
from schemas.topics import PARTITIONS, RAW_QUOTES
from sinks.timescale import run_timescale
from tests.helpers.honest_run import BEGIN, MINUTE, ORIGIN, SECOND
from tests.helpers.sinking import Writer, await_true, running

pytestmark = [pytest.mark.services, pytest.mark.timeout(300)]
SYMBOLS = ("AMC", "GME", "TSLA", "MSFT")
FORGED = Bar(symbol="FORGED", interval=60, start=BEGIN, event_time=BEGIN + MINUTE, known_time=BEGIN + MINUTE)


def prices(writer: Writer, stop: threading.Event) -> None:
    """A price of each symbol every ten seconds of the market's time, and clocks, until it is enough."""
    for step in count():
        if stop.is_set():
            return
        moment = BEGIN + step * 10 * SECOND
        quote = RawQuote(source="simulator", symbol="", event_time=moment, ingest_time=moment, price=10.0 + step % 7)
        writer.facts([replace(quote, symbol=symbol, volume=1.0) for symbol in SYMBOLS])
        with writer.transaction():
            for partition in range(PARTITIONS):
                headers = Clock(kind="time", origin=ORIGIN, time=moment).headers()
                writer.put(RAW_QUOTES, partition, None, None, headers)


@contextmanager
def flowing(here: Endpoints, settings: Settings, environ: dict[str, str], folder: Path) -> Iterator[None]:
    """Prices, the stages of quotes and bars, and the sink, at work until the end of the block."""
    environ = {**environ, "MOODTAPE_DATABASE_URL": here.database, "PYTHONPATH": str(Path.cwd())}
    stop = threading.Event()
    with ExitStack() as stack:
        for stage in ("quotes", "bars"):
            command = [sys.executable, "-m", "moodtape", "stream", stage, "--data-dir", str(folder)]
            process = stack.enter_context(subprocess.Popen(command, env=environ, cwd=folder))
            stack.callback(process.terminate)
        stack.enter_context(running(run_timescale, settings, here))
        pool = stack.enter_context(ThreadPoolExecutor(1))
        stack.callback(stop.set)
        pool.submit(prices, Writer(here.kafka), stop)
        await_true(lambda: bars_stored(here.database) > 0, "bars are stored")
        yield


def bars_stored(database: str) -> int:
    """How many bars are in the table."""
    with psycopg.connect(database) as connection:
        (found,) = connection.execute("SELECT count(*) FROM bar").fetchone() or (0,)
    return int(found)


def test_a_running_flow_is_watched(
    topics: str, endpoints: Endpoints, settings: Settings, database: str, environ: dict[str, str], tmp_path: Path
) -> None:
    """Three passes over a busy flow find nothing; then a forged bar and an altered row are named, nothing else."""
    here = replace(endpoints, database=database)
    with flowing(here, settings, environ, tmp_path):
        calm: list[Pass] = []
        watched = watch(here, settings, 0.0, 3, threading.Event(), calm.append)
        assert (watched.ok, watched.passes) == (True, 3), watched.problems
        edges = {edge.name: edge for edge in calm[-1].report.edges}
        for name in ("raw.quotes.v1 -> quotes.v1", "quotes.v1 -> bars.v1", "quotes.v1 -> quote", "bars.v1 -> bar"):
            assert edges[name].facts_out > 0

        Writer(topics).facts([FORGED])
        with psycopg.connect(database) as connection:
            connection.execute(
                "UPDATE bar SET close = close + 1 WHERE symbol = 'GME' AND revision = 0 AND interval = 60"
            )
        named: list[str] = []
        stop = threading.Event()

        def tell(one: Pass) -> None:
            named.extend(one.fresh)
            if any(FORGED.symbol in problem for problem in named) and any(": close" in problem for problem in named):
                stop.set()

        assert not watch(here, settings, 0.0, None, stop, tell).ok
    assert [
        p for p in named if FORGED.symbol not in p and not ("bar: altered: GME" in p and p.endswith(": close"))
    ] == []
