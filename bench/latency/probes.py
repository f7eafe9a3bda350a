"""Probes: quotes of symbols of their own, one for each partition, whose way is timed."""

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import psycopg
import redis

from schemas.topics import PARTITIONS, partition_of
from sinks.latest import CHANNEL

POLL_SECONDS = 0.005
_FOUND = "SELECT symbol, count(*) FROM quote WHERE symbol = ANY(%s) GROUP BY symbol"


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
        self._waiting: dict[str, deque[float]] = {symbol: deque() for symbol in probe_symbols()}
        self._lock = threading.Lock()
        self.seconds: list[float] = []

    def appended(self, symbol: str, moment: float) -> None:
        """The broker has it."""
        with self._lock:
            self._waiting[symbol].append(moment)

    def seen(self, symbol: str, moment: float, number: int = 1) -> None:
        """The oldest ``number`` of a symbol that were not seen yet are there."""
        with self._lock:
            waiting = self._waiting[symbol]
            for _ in range(number):
                if waiting:
                    self.seconds.append(moment - waiting.popleft())

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
    known = dict.fromkeys(symbols, 0)
    with psycopg.connect(database, autocommit=True) as connection:
        while not stop.wait(POLL_SECONDS):
            found = connection.execute(_FOUND, (symbols,)).fetchall()
            moment = time.time()
            for symbol, number in found:
                stored.seen(symbol, moment, number - known[symbol])
                known[symbol] = number


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
                for symbol in symbols.intersection(update["symbols"]):
                    told.seen(symbol, moment)


def on_delivery(*timings: Timing) -> Callable[[Any, Any], None]:
    """A delivery callback of a probe: the broker's time of its append counts."""

    def note(error: Any, message: Any) -> None:
        if error is not None:
            raise RuntimeError(error.str())
        for timing in timings:
            timing.appended(message.key().decode(), message.timestamp()[1] / 1000)

    return note
