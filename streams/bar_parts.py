"""What a bar is made of: the facts of one series by the minute, and running totals over the facts of a bucket.

Facts mostly come in order: then a total takes them one by one. One that does not leaves the total *stale* from
its minute on; the total is then taken again from that minute's leaf, where a frozen copy says how it stood
before. So nothing older than the leaves is ever needed, and sums are always left to right in the order of
(event_time, sequence).
"""

from bisect import bisect_left, insort
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from infra.clock import MICROS
from infra.grid import INTERVALS

if TYPE_CHECKING:
    from .bar_lines import Bucket

MINUTE = 60 * MICROS
ALL = range(len(INTERVALS))

SeriesKey = tuple[str, int]  # source, seconds of its bars or 0 for ticks
# event_time, sequence, revision, ingest_time, price, size or None, open, high, low
PriceFact = tuple[int, int, int, int, float, float | None, float, float, float]
Frozen = tuple[Any, ...]


class Part:
    """Running totals of one series in one bucket.

    Attributes:
        floor: a fact before it is a source bar that crosses the bucket's edge.
        stale: the minute from which facts are to be folded again; None = the totals are right.
    """

    __slots__ = (
        "bucket",
        "close",
        "end",
        "floor",
        "high",
        "ingest",
        "low",
        "open",
        "sequence",
        "stale",
        "start",
        "straddles",
        "time",
        "trades",
        "turnover",
        "volume",
    )
    FROZEN = ("time", "sequence", "trades", "open", "high", "low", "close", "volume", "turnover", "ingest", "straddles")

    def __init__(self, bucket: "Bucket", granularity: int) -> None:
        self.bucket = bucket
        self.start, self.end = bucket.start, bucket.end
        # A source's day that ends with ours is ours, also where that has 23 hours.
        self.floor = min(bucket.start + granularity * MICROS, bucket.end)
        self.stale: int | None = None
        self.clear()

    def clear(self) -> None:
        """Back to no facts."""
        self.time, self.sequence, self.trades = self.start, 0, 0
        self.open = self.high = self.low = self.close = 0.0
        self.volume = self.turnover = 0.0
        self.ingest = self.start
        self.straddles = False

    def add(self, fact: PriceFact) -> None:
        """Take the next fact in order."""
        self.time, self.sequence, _, ingest, price, size, opened, high, low = fact
        if self.trades:
            if high > self.high:
                self.high = high
            if low < self.low:
                self.low = low
        else:
            self.open, self.high, self.low = opened, high, low
        self.trades += 1
        self.close = price
        if size:
            self.volume += size
            self.turnover += price * size
        if ingest > self.ingest:
            self.ingest = ingest
        if self.time < self.floor:
            self.straddles = True

    def freeze(self) -> Frozen | None:
        """The totals as they stand; None for none."""
        if not self.trades:
            return None
        return (
            self.time,
            self.sequence,
            self.trades,
            self.open,
            self.high,
            self.low,
            self.close,
            self.volume,
            self.turnover,
            self.ingest,
            self.straddles,
        )

    def thaw(self, frozen: Frozen | None) -> None:
        """Go back to frozen totals."""
        if frozen is None:
            self.clear()
            return
        for name, value in zip(self.FROZEN, frozen, strict=True):
            setattr(self, name, value)


@dataclass(slots=True)
class Leaf:
    """The facts of one series in one minute, and how each interval's totals stood before them."""

    facts: dict[tuple[int, int], PriceFact] = field(default_factory=dict)
    before: list[Frozen | None] = field(default_factory=lambda: [None] * len(INTERVALS))
    changed: bool = False


class Series:
    """The facts of one source and granularity of one symbol, of the last 2 h.

    Attributes:
        feeds: which intervals it feeds: those not shorter than its own.
        current: for each interval the latest totals.
        minutes: ends of the leaves, ascending.
    """

    __slots__ = ("current", "feeds", "granularity", "key", "leaves", "minutes", "symbol")

    def __init__(self, symbol: str, key: SeriesKey) -> None:
        self.symbol, self.key = symbol, key
        self.granularity = key[1]
        self.feeds = [i for i in ALL if INTERVALS[i] >= self.granularity]
        self.current: list[Part | None] = [None] * len(INTERVALS)
        self.leaves: dict[int, Leaf] = {}
        self.minutes: list[int] = []

    def open_leaf(self, minute: int, parts: list[Part]) -> Leaf:
        """A new leaf; ``parts`` are the totals of its buckets, by the order of ``feeds``."""
        leaf = self.leaves[minute] = Leaf()
        at = bisect_left(self.minutes, minute)
        following = self.minutes[at] if at < len(self.minutes) else None
        self.minutes.insert(at, minute)
        for i, part in zip(self.feeds, parts, strict=True):
            if not i:
                continue
            if following is not None and following <= part.end:
                # Before the next leaf means before this one, too; if that copy is stale, so is the part from
                # an earlier leaf on, and this one is written when the part is folded again.
                leaf.before[i] = self.leaves[following].before[i]
            elif part.stale is None:
                leaf.before[i] = part.freeze()
        return leaf

    def restore_leaf(self, minute: int) -> Leaf:
        """The leaf of a minute, made empty where there is none."""
        if minute not in self.leaves:
            self.leaves[minute] = Leaf()
            insort(self.minutes, minute)
        return self.leaves[minute]

    def drop_leaf(self, minute: int) -> Leaf:
        """Forget a minute."""
        del self.minutes[bisect_left(self.minutes, minute)]
        return self.leaves.pop(minute)

    def refold(self, part: Part, i: int) -> list[int]:
        """Bring stale totals of interval ``i`` right; the minutes of the leaves gone through."""
        if part.stale is None:
            return []
        begin = bisect_left(self.minutes, part.stale)
        end = bisect_left(self.minutes, part.end + 1)
        minutes = self.minutes[begin:end]
        part.thaw(self.leaves[part.stale].before[i])
        part.stale = None
        for minute in minutes:
            leaf = self.leaves[minute]
            if i:
                leaf.before[i] = part.freeze()
            for key in sorted(leaf.facts):
                part.add(leaf.facts[key])
        return minutes
