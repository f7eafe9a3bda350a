"""The newest quotes and moods in this process, kept fresh by the channel ``updates`` of Redis.

PostgreSQL is the truth; the snapshot only lets an answer be newer than the database's sink. No request waits for
Redis: a task of its own reads it. When Redis is away the snapshot is empty, and answers are the database's, with
the age that they have.
"""

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import fields
from typing import Any

import redis.asyncio as redis
from redis.exceptions import RedisError

from infra.clock import Now, to_datetime
from infra.grid import INTERVALS
from infra.log import get_logger
from schemas.records import Quote, Sentiment
from schemas.replays import LIVE

from .store import Row

CHANNEL = "updates"
_TABLES: dict[str, type[Quote] | type[Sentiment]] = {"quote": Quote, "sentiment": Sentiment}
_TEXTS = frozenset({"source", "symbol", "currency", "session", "model", "model_version", "replay"})
_TIMES = frozenset({"event_time", "ingest_time", "known_time", "start"})
_MOST = 100_000
_BATCH = 500
_PAUSE_SECONDS = 0.1
_AGAIN_SECONDS = 2.0
_log = get_logger(__name__)


class Snapshot:
    """Rows by Redis key, such as ``quote:TSLA`` or ``sentiment:TSLA:300``, shaped as the database's rows."""

    def __init__(self, url: str, now: Now) -> None:
        self._url, self._now = url, now
        self._rows: dict[str, Row] = {}
        self.connected = False

    def newest(self, key: str, symbols: Iterable[str], stored: Mapping[str, Row], replay: str = LIVE) -> dict[str, Row]:
        """By symbol the stored row, or the snapshot's where that is newer by (event_time, revision).

        ``key`` is the pattern of the keys, with ``{}`` for the symbol. Rows of another version than ``replay`` are
        as good as none: the snapshot follows a switch a moment later than the database.
        """
        found = dict(stored)
        for symbol in symbols:
            held = self._rows.get(key.format(symbol))
            if held is None or held["replay"] != replay:
                continue
            if symbol not in found or _order(held) > _order(found[symbol]):
                found[symbol] = held
        return found

    async def follow(self) -> None:
        """Keep the rows fresh until cancelled; comes back by itself when Redis does."""
        while True:
            try:
                await self._connected()
            except (RedisError, OSError, ValueError) as error:
                if self.connected:
                    _log.warning("redis is away", error=type(error).__name__)
            self._rows.clear()
            self.connected = False
            await asyncio.sleep(_AGAIN_SECONDS)

    async def _connected(self) -> None:
        client = redis.Redis.from_url(
            self._url,
            socket_timeout=10,
            socket_connect_timeout=2,
            decode_responses=True,
            encoding_errors="replace",
        )
        async with client, client.pubsub(ignore_subscribe_messages=True) as channel:
            # First listen, then read: what is written between the two is told.
            await channel.subscribe(CHANNEL)
            for table in _TABLES:
                keys = [key async for key in client.scan_iter(f"{table}:*", count=1000)]
                await self._read(client, keys[:_MOST])
            self.connected = True
            while True:
                told = [await channel.get_message(timeout=5.0)]
                while told[-1] is not None:
                    told.append(await channel.get_message(timeout=0.0))
                await self._read(client, keys_of(m["data"] for m in told if m is not None))
                await asyncio.sleep(_PAUSE_SECONDS)

    async def _read(self, client: "redis.Redis", keys: Sequence[str]) -> None:
        if len(self._rows) > _MOST:
            self._rows.clear()
        for first in range(0, len(keys), _BATCH):
            batch = keys[first : first + _BATCH]
            async with client.pipeline(transaction=False) as pipe:
                for key in batch:
                    pipe.hgetall(key)
                answers = await pipe.execute(raise_on_error=False)
            for key, answer in zip(batch, answers, strict=True):
                self._keep(key, answer)

    def _keep(self, key: str, answer: Any) -> None:
        # What others wrote under our keys is no row of ours, and no reason to stop.
        with suppress(KeyError, ValueError, TypeError, AttributeError, OverflowError):
            row = row_of(key.partition(":")[0], answer)
            self._rows[key] = {**row, "stored_at": to_datetime(self._now())}


def keys_of(messages: Iterable[str]) -> list[str]:
    """Redis keys that messages of the channel make stale, each once; unreadable messages name none."""
    keys: dict[str, None] = {}
    for text in messages:
        with suppress(ValueError, KeyError, TypeError):
            message = json.loads(text)
            keys.update(dict.fromkeys(_keys(message["table"], message["symbols"])))
    return list(keys)


def _keys(table: str, symbols: Sequence[str]) -> list[str]:
    if table == "quote":
        return [f"quote:{symbol}" for symbol in symbols]
    return [f"sentiment:{symbol}:{i}" for symbol in symbols for i in INTERVALS] if table == "sentiment" else []


def row_of(table: str, texts: Mapping[str, str]) -> Row:
    """A hash as a row of the database.

    Raises:
        KeyError: a field without which it cannot be used is missing.
        ValueError: a value cannot be read.
    """
    row: Row = {**dict.fromkeys(f.name for f in fields(_TABLES[table])), "replay": LIVE}
    row.update({name: _value(name, text) for name, text in texts.items()})
    if None in (row["symbol"], row["event_time"], row["revision"]):
        raise KeyError("event_time")
    return row


def _value(name: str, text: str) -> Any:
    if name in _TEXTS:
        return text
    value = json.loads(text)
    return to_datetime(value) if name in _TIMES else value


def _order(row: Row) -> tuple[Any, int]:
    return row["event_time"], row["revision"]
