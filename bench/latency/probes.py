"""Probes: quotes of symbols of their own, one for each partition, whose way is timed."""

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Any

import psycopg
import redis

from schemas.topics import PARTITIONS, partition_of
from sinks.latest import CHANNEL

POLL_SECONDS = 0.005
_FOUND = """
SELECT p.symbol, (extract(epoch FROM q.event_time) * 1000000)::bigint
FROM unnest(%s::text[]) AS p (symbol), LATERAL (
    SELECT event_time FROM quote WHERE replay = 'live' AND symbol = p.symbol
    ORDER BY event_time DESC, revision DESC LIMIT 1
) AS q
"""


def probe_symbols() -> list[str]:
    """A symbol for each partition."""
    found: dict[int, str] = {}
    for number in count():
        symbol = f"PROBE{number}"
        found.setdefault(partition_of(symbol), symbol)
        if len(found) == PARTITIONS:
            break
    return [found[partition] for partition in sorted(found)]


class Timing:
    """When each probe was appended and when it was seen, in seconds since 1970; any thread may tell."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[tuple[int, float]]] = {symbol: deque() for symbol in probe_symbols()}
        self._lock = threading.Lock()
        self.seconds: list[float] = []

    def appended(self, symbol: str, event_time: int, moment: float) -> None:
        """The broker has it."""
        with self._lock:
            self._waiting[symbol].append((event_time, moment))

    def seen(self, symbol: str, event_time: int, moment: float) -> None:
        """Everything of a symbol up to an event time is there; probes of one symbol keep their order."""
        with self._lock:
            waiting = self._waiting[symbol]
            while waiting and waiting[0][0] <= event_time:
                self.seconds.append(moment - waiting.popleft()[1])

    def missing(self) -> int:
        """How many were not seen."""
        with self._lock:
            return sum(map(len, self._waiting.values()))

    def forget(self) -> None:
        """Count from now on."""
        with self._lock:
            self.seconds.clear()


@contextmanager
def watching(database: str, redis_url: str, stored: Timing, told: Timing) -> Iterator[None]:
    """Look for probes in the table and on the channel."""
    stop = threading.Event()
    threads = [
        threading.Thread(target=_look, args=(database, stored, stop)),
        threading.Thread(target=_listen, args=(redis_url, told, stop)),
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def _look(database: str, stored: Timing, stop: threading.Event) -> None:
    symbols = probe_symbols()
    with psycopg.connect(database, autocommit=True) as connection:
        while not stop.wait(POLL_SECONDS):
            found = connection.execute(_FOUND, (symbols,)).fetchall()
            moment = time.time()
            for symbol, event_time in found:
                stored.seen(symbol, event_time, moment)


def _listen(redis_url: str, told: Timing, stop: threading.Event) -> None:
    symbols = set(probe_symbols())
    with redis.Redis.from_url(redis_url, decode_responses=True) as client, client.pubsub() as channel:
        channel.subscribe(CHANNEL)
        while not stop.is_set():
            message = channel.get_message(ignore_subscribe_messages=True, timeout=0.1)
            if message is None:
                continue
            moment, update = time.time(), json.loads(message["data"])
            if update["table"] == "quote":
                # The message says which symbols are newer; the hash, written before it, says how new.
                for symbol in symbols.intersection(update["symbols"]):
                    told.seen(symbol, int(client.hget(f"quote:{symbol}", "event_time")), moment)


def on_delivery(event_time: int, timings: Sequence[Timing]) -> Callable[[Any, Any], None]:
    """A delivery callback of a probe: the broker's time of its append counts."""

    def note(error: Any, message: Any) -> None:
        if error is not None:
            raise RuntimeError(error.str())
        for timing in timings:
            timing.appended(message.key().decode(), event_time, message.timestamp()[1] / 1000)

    return note
