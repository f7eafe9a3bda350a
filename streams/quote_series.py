"""What the quotes fold remembers of one series: (source, symbol, interval of its bars or 0 for ticks)."""

from collections.abc import Callable
from hashlib import blake2b
from itertools import islice
from math import log
from typing import Any

import msgspec

from infra.clock import MICROS, to_rfc3339
from schemas.records import RawQuote

KEPT = 2 * 3600 * MICROS
MINUTE = 60 * MICROS
STALE_AFTER = 3600 * MICROS
JUMP = 0.2

# event_time, and sequence where it is not 0; then greatest ingest_time, revision, digest of the content.
Key = int | tuple[int, int]
Kept = tuple[int, int, bytes]
# price, bid, ask, bid_size, ask_size
Said = tuple[float | None, ...]


class Keys:
    """The keys of one series in one minute.

    Attributes:
        start: exclusive.
        end: inclusive.
        told: the next snapshot knows that keys are added.
    """

    __slots__ = ("_kept", "_replaced", "_stored", "end", "start", "told")

    def __init__(self, end: int) -> None:
        self.start, self.end = end - MINUTE, end
        self.told = False
        self._kept: dict[Key, Kept] = {}
        self._stored = 0
        self._replaced: dict[Key, None] = {}

    def admit(self, record: RawQuote, said: Said) -> int | None:
        """The revision of a quote: 0 for a new key; None for a duplicate."""
        sequence, ingest, bar = record.sequence, record.ingest_time, record.bar
        key = (record.event_time, sequence) if sequence else record.event_time
        rest = None if bar is None else (bar.open, bar.high, bar.low, bar.volume)
        # 64 bits of everything but the key and ingest_time: the same fact read twice is a duplicate.
        content = _pack((said, record.volume, record.currency, record.session, rest))
        digest = blake2b(content, digest_size=8).digest()
        kept = self._kept.get(key)
        if kept is None:
            self._kept[key] = (ingest, 0, digest)
            return 0
        if ingest <= kept[0] or digest == kept[2]:
            return None
        self._kept[key] = (ingest, kept[1] + 1, digest)
        self._replaced[key] = None
        return kept[1] + 1

    def __len__(self) -> int:
        return len(self._kept)

    def fresh(self) -> list[Any]:
        """The keys that are new or replaced since the last snapshot, as rows."""
        self.told = False
        new = list(islice(self._kept, self._stored, None))
        self._stored = len(self._kept)
        replaced, self._replaced = self._replaced, {}
        return [(key, *self._kept[key]) for key in {**dict.fromkeys(new), **replaced}]

    def load(self, rows: list[Any]) -> None:
        """Take back some of what :meth:`fresh` gave, in any order."""
        for given, *kept in rows:
            key = tuple(given) if isinstance(given, list) else given
            if key not in self._kept or self._kept[key][1] < kept[1]:
                self._kept[key] = tuple(kept)
        self._stored = len(self._kept)


class QuoteSeries:
    """Keys of the last 2 h by the minute, and the last price.

    Attributes:
        known: whether the symbol is in the table of instruments.
        keys: those of the minute a quote came into last.
        minutes: all, by their ends.
    """

    __slots__ = (
        "before", "currency", "keys", "known", "minutes", "name",
        "price", "said", "sequence", "since", "time", "volume",
    )  # fmt: skip

    def __init__(self, name: tuple[str, str, int], *, known: bool) -> None:
        self.name, self.known = name, known
        self.minutes: dict[int, Keys] = {}
        self.keys = NO_KEYS
        self.time: int | None = None
        self.sequence = 0
        self.price = self.before = 0.0
        self.volume: float | None = None
        self.currency: str | None = None
        self.said: Said = ()
        self.since = 0

    def judge(self, record: RawQuote, said: Said, revision: int) -> tuple[str, ...]:
        """``stale``, ``jump``, ``currency_changed`` of an admitted quote, against the one before it in time.

        ``jump``: |ln(price / previous price)| > 0.2. ``stale``: for an hour or more of event time the series has
        said the same price, bid, ask and sizes, its bars flat at that price, with no volume (a bar's may also
        repeat the one before: some sources fill untraded hours with copies). A quote that comes out of order is
        not judged, because what stood before it is not kept; nor is a correction of any but the last.
        """
        time, sequence, last = record.event_time, record.sequence or 0, self.time
        if last is not None and time <= last and (time < last or sequence <= self.sequence):
            corrects = revision and time == last and sequence == self.sequence
            return self._correction(record, said) if corrects else ()
        flags: tuple[str, ...] = ()
        price, currency, before = record.price, record.currency, self.price
        if said != self.said or not self._quiet(record):
            self.said, self.since = said, time
        elif time - self.since >= STALE_AFTER:
            flags = ("stale",)
        # What is nearer than a tenth needs no logarithm.
        if before and not 0.9 < price / before < 1.1 and _jumped(price, before):
            flags += ("jump",)
        if currency:
            if self.currency and currency != self.currency:
                flags += ("currency_changed",)
            self.currency = currency
        self.before, self.price = before, price
        self.time, self.sequence, self.volume = time, sequence, record.volume
        return flags

    def _correction(self, record: RawQuote, said: Said) -> tuple[str, ...]:
        """Judge another payload for the last quote; a run of equal ones begins again with it."""
        self.price, self.said, self.since, self.volume = record.price, said, record.event_time, record.volume
        return ("jump",) if self.before and _jumped(record.price, self.before) else ()

    def _quiet(self, record: RawQuote) -> bool:
        """Whether nothing was traded, so far as the record shows."""
        bar = record.bar
        if bar is None:
            return not record.volume
        flat = bar.open == bar.high == bar.low == record.price
        return flat and (not record.volume or record.volume == self.volume)

    def dump(self) -> list[Any]:
        """The last price and what goes with it."""
        return [self.time, self.sequence, self.price, self.before, self.volume, self.currency, self.said, self.since]

    def describe(self) -> dict[str, Any]:
        """The last price, and the keys that are kept."""
        return {
            "event_time": None if self.time is None else to_rfc3339(self.time),
            "price": self.price,
            "currency": self.currency,
            "same_since": to_rfc3339(self.since),
            "keys": sum(len(keys) for keys in self.minutes.values()),
            "minutes": len(self.minutes),
        }

    def load(self, values: list[Any]) -> None:
        """Take back what :meth:`dump` wrote."""
        self.time, self.sequence, self.price, self.before, self.volume, self.currency, said, self.since = values
        self.said = tuple(said)


NO_KEYS = Keys(-(1 << 62))
_pack: Callable[[Any], bytes] = msgspec.msgpack.Encoder().encode


def _jumped(price: float, previous: float) -> bool:
    ratio = price / previous
    return ratio == 0 or abs(log(ratio)) > JUMP
