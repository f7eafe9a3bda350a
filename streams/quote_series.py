"""What the quotes fold remembers of one series: (source, symbol, interval of its bars or 0 for ticks)."""

from collections.abc import Iterator
from hashlib import blake2b
from math import log
from typing import Any

import msgspec

from infra.clock import MICROS
from schemas.records import RawQuote

KEPT = 2 * 3600 * MICROS
MINUTE = 60 * MICROS
STALE_AFTER = 3600 * MICROS
JUMP = 0.2

# event_time, and sequence where it is not 0; then greatest ingest_time, revision, digest of the content.
Key = int | tuple[int, int]
Kept = tuple[int, int, bytes]


class QuoteSeries:
    """Keys of the last 2 h in slices of 60 s, and the last price."""

    __slots__ = (
        "before",
        "changed",
        "currency",
        "name",
        "price",
        "said",
        "sequence",
        "since",
        "slices",
        "stored",
        "time",
        "volume",
    )

    def __init__(self, name: str) -> None:
        self.name = name
        self.slices: dict[int, dict[Key, Kept]] = {}
        # Minutes touched since the last snapshot, and minutes that are in some snapshot.
        self.changed: dict[int, None] = {}
        self.stored: set[int] = set()
        self.time: int | None = None
        self.sequence = 0
        self.price = self.before = 0.0
        self.volume: float | None = None
        self.currency: str | None = None
        self.said: tuple[float | None, ...] = ()
        self.since = 0

    def admit(self, record: RawQuote) -> int | None:
        """The revision of a quote whose minute is open: 0 for a new key; None for a duplicate."""
        minute = -(-record.event_time // MINUTE) * MINUTE
        keys = self.slices[minute]
        key = (record.event_time, record.sequence) if record.sequence else record.event_time
        kept = keys.get(key)
        digest, revision = _digest(record), 0
        if kept is not None:
            if record.ingest_time <= kept[0] or digest == kept[2]:
                return None
            revision = kept[1] + 1
        keys[key] = (record.ingest_time, revision, digest)
        self.changed[minute] = None
        return revision

    def judge(self, record: RawQuote, revision: int) -> tuple[str, ...]:
        """``stale``, ``jump``, ``currency_changed`` of an admitted quote, against the one before it in time.

        ``jump``: |ln(price / previous price)| > 0.2. ``stale``: for an hour or more of event time the series has
        said the same price, bid, ask and sizes, its bars flat at that price, with no volume (a bar's may also
        repeat the one before: some sources fill untraded hours with copies). A quote that comes out of order is
        not judged, because what stood before it is not kept; nor is a correction of any but the last.
        """
        time, sequence = record.event_time, record.sequence or 0
        if self.time is None:
            flags = self._first(record)
        elif (time, sequence) > (self.time, self.sequence):
            flags = self._next(record)
        elif revision and (time, sequence) == (self.time, self.sequence):
            return self._correction(record)
        else:
            return ()
        self.time, self.sequence = time, sequence
        self.volume = record.volume
        self.currency = record.currency or self.currency
        return flags

    def _first(self, record: RawQuote) -> tuple[str, ...]:
        self.price, self.said, self.since = record.price, _said(record), record.event_time
        return ()

    def _next(self, record: RawQuote) -> tuple[str, ...]:
        flags: tuple[str, ...] = ()
        said = _said(record)
        if said != self.said or not self._quiet(record):
            self.said, self.since = said, record.event_time
        elif record.event_time - self.since >= STALE_AFTER:
            flags = ("stale",)
        if _jumped(record.price, self.price):
            flags += ("jump",)
        if record.currency and self.currency and record.currency != self.currency:
            flags += ("currency_changed",)
        self.before, self.price = self.price, record.price
        return flags

    def _correction(self, record: RawQuote) -> tuple[str, ...]:
        """Judge another payload for the last quote; a run of equal ones begins again with it."""
        self.price, self.said, self.since, self.volume = record.price, _said(record), record.event_time, record.volume
        return ("jump",) if self.before and _jumped(record.price, self.before) else ()

    def _quiet(self, record: RawQuote) -> bool:
        """Whether nothing was traded, so far as the record shows."""
        bar = record.bar
        if bar is None:
            return not record.volume
        flat = bar.open == bar.high == bar.low == record.price
        return flat and (not record.volume or record.volume == self.volume)

    def forget(self, minute: int) -> None:
        """Drop a minute of keys."""
        del self.slices[minute]
        self.changed.pop(minute, None)
        self.stored.discard(minute)

    def dump(self) -> list[Any]:
        """The last price and what goes with it."""
        return [self.time, self.sequence, self.price, self.before, self.volume, self.currency, self.said, self.since]

    def load(self, values: list[Any]) -> None:
        """Take back what :meth:`dump` wrote."""
        self.time, self.sequence, self.price, self.before, self.volume, self.currency, said, self.since = values
        self.said = tuple(said)

    def dump_changed(self) -> Iterator[tuple[int, list[Any]]]:
        """The minutes of keys changed since the last time, each as rows."""
        changed, self.changed = self.changed, {}
        self.stored.update(changed)
        for minute in changed:
            yield minute, [[key, *kept] for key, kept in self.slices[minute].items()]

    def load_keys(self, minute: int, rows: list[Any]) -> bool:
        """Take back rows of a minute; True if the minute is new."""
        new = minute not in self.slices
        self.stored.add(minute)
        keys = self.slices.setdefault(minute, {})
        for key, ingest_time, revision, digest in rows:
            keys[tuple(key) if isinstance(key, list) else key] = (ingest_time, revision, digest)
        return new


def _said(record: RawQuote) -> tuple[float | None, ...]:
    return (record.price, record.bid, record.ask, record.bid_size, record.ask_size)


def _jumped(price: float, previous: float) -> bool:
    ratio = price / previous
    return not 0.9 < ratio < 1.1 and (ratio == 0 or abs(log(ratio)) > JUMP)


def _digest(record: RawQuote) -> bytes:
    """64 bits of everything but the key and ``ingest_time``: the same fact read twice is a duplicate."""
    bar = record.bar
    content = (
        *_said(record),
        record.volume,
        record.currency,
        record.session,
        None if bar is None else (bar.open, bar.high, bar.low, bar.volume),
    )
    return blake2b(msgspec.msgpack.encode(content), digest_size=8).digest()
