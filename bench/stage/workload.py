"""Raw quotes as the engine is handed them: polls of 1,000 records, cut into one chunk a partition.

``w1`` is W1 of the engine's benchmark in the real schema: 500 symbols with Zipf weights, 2 ms of event time
from quote to quote, 0.5 % up to 2 s out of order, 0.1 % ten minutes late, 0.1 % twice, 1 in 30,000 undecodable.
``sparse`` is the same at 40 ms, so that hours pass and bars are many. Any other name is a recording's folder.
"""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from producers.recording import RecordingSource
from producers.source import Fact, Mark
from schemas.clocks import Clock
from schemas.codec import encode
from schemas.records import RawQuote
from schemas.topics import PARTITIONS, RAW_QUOTES, partition_of
from streams.engine.core import Entry

SYMBOLS = tuple(f"S{n:03d}" for n in range(500))
ZIPF = 1.1
SEED = 20_240_607
START = 1_717_740_000_000_000
SECOND = 1_000_000
STEPS = {"w1": 2_000, "sparse": 40_000}
POLL = 1000
FACTS_BETWEEN_CLOCKS = 1000
ORIGIN = "bench/0"


class Chunk(NamedTuple):
    """What one poll brought of one partition."""

    partition: int
    entries: list[Entry]


def chunks(name: str, count: int) -> list[Chunk]:
    """The first ``count`` facts of a workload with their clocks and an end, always the same."""
    return list(_cut(_records(count, STEPS[name]) if name in STEPS else _recorded(Path(name), count)))


def facts_in(some: list[Chunk]) -> int:
    """How many records are no clocks."""
    return sum(entry.value is not None for chunk in some for entry in chunk.entries)


def _cut(records: Iterator[tuple[int, bytes, bytes] | Clock]) -> Iterator[Chunk]:
    ends = [0] * PARTITIONS
    poll: dict[int, list[Entry]] = defaultdict(list)
    held, now = 0, 0

    def put(partition: int, key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes]]) -> None:
        poll[partition].append(Entry(RAW_QUOTES, ends[partition], now, key, value, headers))
        ends[partition] += 1

    for record in records:
        if isinstance(record, Clock):
            for partition in range(PARTITIONS):
                put(partition, None, None, record.headers())
            held += PARTITIONS
        else:
            time, key, value = record
            now = max(now, time // 1000)
            put(partition_of(key.decode()), key, value, [])
            held += 1
        if held >= POLL:
            yield from (Chunk(*item) for item in poll.items())
            poll, held = defaultdict(list), 0
    yield from (Chunk(*item) for item in poll.items())


def _records(count: int, step: int) -> Iterator[tuple[int, bytes, bytes] | Clock]:
    rng = np.random.default_rng(SEED)
    weights = 1.0 / np.arange(1, len(SYMBOLS) + 1) ** ZIPF
    picks = rng.choice(len(SYMBOLS), size=count, p=weights / weights.sum())
    moves = rng.normal(0.0, 2e-4, size=count)
    sizes = rng.integers(1, 500, size=count)
    dice = rng.random(size=count)
    jitter = rng.integers(1, 2 * SECOND, size=count)
    prices = 20.0 + 400.0 * rng.random(len(SYMBOLS))
    last: tuple[int, bytes, bytes] | None = None
    for n in range(count):
        symbol, now = SYMBOLS[picks[n]], START + n * step
        prices[picks[n]] *= 1.0 + moves[n]
        if n and n % FACTS_BETWEEN_CLOCKS == 0:
            yield Clock(kind="time", origin=ORIGIN, time=now - 1)
        if n % 30_000 == 29_999:
            yield now, symbol.encode(), b"\x00broken"
        elif dice[n] < 0.001 and last:
            yield last
        else:
            back = int(jitter[n]) if dice[n] < 0.006 else 600 * SECOND if dice[n] < 0.007 else 0
            price, size = float(prices[picks[n]]), float(sizes[n])
            raw = RawQuote(
                source="bench",
                symbol=symbol,
                event_time=now - back,
                ingest_time=now - back + 40_000,
                price=price,
                volume=size,
                bid=price * 0.9999,
                ask=None if size < 50 else price * 1.0001,
            )
            last = now, symbol.encode(), encode(raw)
            yield last
    yield Clock(kind="end", origin=ORIGIN)


def _recorded(folder: Path, count: int) -> Iterator[tuple[int, bytes, bytes] | Clock]:
    given = 0
    for event in RecordingSource(folder).events(None):
        if isinstance(event, Mark):
            yield Clock(kind="time", origin=ORIGIN, time=event.time)
        elif isinstance(event, Fact) and isinstance(event.record, RawQuote):
            given += 1
            yield event.record.event_time, event.record.symbol.encode(), encode(event.record)
        if given == count:
            break
    yield Clock(kind="end", origin=ORIGIN)
