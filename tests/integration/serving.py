"""A running API for tests: uvicorn in a thread, the rows it reads, and a client."""

import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx
import psycopg
import uvicorn
from fastapi import FastAPI
from psycopg import sql
from psycopg.types.json import Jsonb

from infra.clock import from_rfc3339, to_datetime
from infra.migrate import migrate

MINUTE = 60_000_000
NOON = from_rfc3339("2022-03-16T16:00:00Z")

DEFAULTS: dict[str, dict[str, Any]] = {
    "quote": {"source": "simulator", "session": "REGULAR", "revision": 0, "flags": [], "currency": "USD"},
    "bar": {"interval": 60, "revision": 0, "volume": 10.0, "trades": 3, "source": "simulator", "flags": []},
    "sentiment": {
        "interval": 300,
        "revision": 0,
        "mentions": 3,
        "duplicates": 0,
        "authors": 3,
        "positive": 2,
        "negative": 1,
        "neutral": 0,
        "sources": {"simulator": 3},
        "keywords": ["rocket"],
        "coverage": 1.0,
        "model": "lexicon",
        "model_version": "1",
    },
    "mention": {
        "source": "simulator",
        "revision": 0,
        "rule": "cashtag",
        "confidence": 1.0,
        "spam": 0.0,
        "flags": [],
        "deleted": False,
        "words": [],
        "model": "lexicon",
        "model_version": "1",
    },
    "post": {
        "source": "simulator",
        "revision": 0,
        "spam": 0.0,
        "flags": [],
        "deleted": False,
        "mentions": [],
    },
    "correlation": {
        "interval": 300,
        "window": 60,
        "revision": 0,
        "pair": "MOOD_RETURN",
        "method": "PEARSON",
        "n": 60,
        "lags": [-1, 0, 1],
        "r_by_lag": [0.1, 0.2, None],
        "status": "OK",
    },
    "gap": {"stream": "posts", "start": NOON, "reason": "test", "missed": None},
    "instrument": {"former_symbols": [], "aliases": []},
}
_TIMES = ("event_time", "ingest_time", "known_time", "start", "stored_at")


class Rows:
    """Puts rows into the tables as the sink would; times are microseconds."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url, autocommit=True)
        self._offset = 0

    def close(self) -> None:
        """Give the connection back."""
        self._connection.close()

    def clear(self) -> None:
        """Delete every row of every table of facts."""
        for table in DEFAULTS:
            self._connection.execute(sql.SQL("delete from {}").format(sql.Identifier(table)))

    def put(self, table: str, **given: Any) -> None:
        """One row; what is not given is the table's default above, known when it happened."""
        self._offset += 1
        row = {**DEFAULTS[table], "topic_partition": 0, "topic_offset": self._offset, **given}
        if "event_time" in row:
            _complete_times(table, row)
        columns = sql.SQL(", ").join(map(sql.Identifier, row))
        values = sql.SQL(", ").join(map(sql.Placeholder, row))
        statement = sql.SQL("insert into {} ({}) values ({})").format(sql.Identifier(table), columns, values)
        self._connection.execute(statement, {name: _adapted(name, value) for name, value in row.items()})

    def bar(self, symbol: str, event_time: int, close: float, interval: int = 60, **given: Any) -> None:
        """A flat bar."""
        prices = dict.fromkeys(("open", "high", "low", "close"), close)
        row = {"symbol": symbol, "event_time": event_time, "interval": interval, **prices, **given}
        self.put("bar", start=event_time - interval * 1_000_000, **row)

    def mood(self, symbol: str, event_time: int, score: float | None, **given: Any) -> None:
        """A mood of 300 s."""
        row = {"symbol": symbol, "event_time": event_time, "score": score, **given}
        self.put("sentiment", start=event_time - row.get("interval", 300) * 1_000_000, **row)


def _complete_times(table: str, row: dict[str, Any]) -> None:
    if table in ("quote", "post", "mention"):
        row.setdefault("ingest_time", row["event_time"])
    elif table in ("bar", "sentiment", "correlation"):
        row.setdefault("known_time", row["event_time"])


def _adapted(name: str, value: Any) -> Any:
    if name in _TIMES and isinstance(value, int):
        return to_datetime(value)
    return Jsonb(value) if name in ("sources", "mentions") and not isinstance(value, int) else value


@contextmanager
def migrated(server: str) -> Iterator[str]:
    """A database of its own with our tables on a server; its URL."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    url = urlsplit(server)._replace(path=f"/{name}").geturl()
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
        try:
            migrate(url)
            yield url
        finally:
            connection.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))


@contextmanager
def running(app: FastAPI, headers: Mapping[str, str] | None = None) -> Iterator[httpx.Client]:
    """A client of the application, which listens on a free port of this machine."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, lifespan="on"))
    thread = threading.Thread(target=server.run, name="api-under-test")
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the application did not start"
            thread.join(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=20) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join(20)
