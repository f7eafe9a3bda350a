"""What a bar is made of: the facts of one series by the minute, and running totals over the facts of a bucket.

Facts mostly come in order: then a total takes them one by one. One that does not leaves the total *stale* from
its minute on; the total is then taken again from that minute's leaf, which keeps how it stood before. So nothing
older than the leaves is ever needed, and sums are always left to right in the order of (event_time, sequence).
"""

from bisect import bisect_left, insort
from typing import TYPE_CHECKING

from infra.clock import MICROS
from infra.grid import INTERVALS

if TYPE_CHECKING:
    from .bar_lines import Bucket

MINUTE = 60 * MICROS
ALL = range(len(INTERVALS))

SeriesKey = tuple[str, int]  # source, seconds of its bars or 0 for ticks
# event_time, sequence, revision, ingest_time, price, size or None, open, high, low
PriceFact = tuple[int, int, int, int, float, float | None, float, float, float]
# Of the last fact event_time and sequence; count of facts; open, high, low, close; sum of sizes, sum of
# price * size; greatest ingest_time; whether a source bar crosses the bucket's edge.
Totals = tuple[int, int, int, float, float, float, float, float, float, int, bool]


def add(totals: Totals | None, fact: PriceFact, floor: int) -> Totals:
    """Totals after the next fact in order; a fact before ``floor`` is a source bar that crosses the edge."""
    time, sequence, _, ingest, price, size, opened, high, low = fact
    if totals is None:
        size = size or 0.0
        return time, sequence, 1, opened, high, low, price, size, price * size, ingest, time < floor
    _, _, trades, first, top, bottom, _, volume, turnover, seen, straddles = totals
    if size:
        volume += size
        turnover += price * size
    return (
        time,
        sequence,
        trades + 1,
        first,
        high if high > top else top,
        low if low < bottom else bottom,
        price,
        volume,
        turnover,
        ingest if ingest > seen else seen,
        straddles or time < floor,
    )


class Part:
    """One series in one bucket.

    Attributes:
        totals: over its facts; None before any.
        stale: the minute from which facts are to be folded again; None = the totals are right.
    """

    __slots__ = ("bucket", "end", "floor", "stale", "start", "totals")

    def __init__(self, bucket: "Bucket", granularity: int) -> None:
        self.bucket = bucket
        self.start, self.end = bucket.start, bucket.end
        # A source's day that ends with ours is ours, also where that has 23 hours.
        self.floor = min(bucket.start + granularity * MICROS, bucket.end)
        self.stale: int | None = None
        self.totals: Totals | None = None


class Leaf:
    """The facts of one series in one minute, and for each interval the totals before them.

    Attributes:
        changed: since the last snapshot.
        stored: how many facts it had in the last snapshot.
    """

    __slots__ = ("before", "changed", "facts", "stored")

    def __init__(self) -> None:
        self.facts: dict[tuple[int, int], PriceFact] = {}
        self.before: list[Totals | None] = [None] * len(INTERVALS)
        self.changed = False
        self.stored = 0


class Series:
    """The facts of one source and granularity of one symbol, of the last 2 h.

    Attributes:
        feeds: which intervals it feeds: those not shorter than its own.
        current: for each of these the latest bucket's part.
        minutes: ends of the leaves, ascending.
    """

    __slots__ = ("current", "feeds", "granularity", "key", "leaves", "minutes", "symbol")

    def __init__(self, symbol: str, key: SeriesKey) -> None:
        self.symbol, self.key = symbol, key
        self.granularity = key[1]
        self.feeds = [i for i in ALL if INTERVALS[i] >= self.granularity]
        self.current: list[Part | None] = [None] * len(self.feeds)
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
                leaf.before[i] = part.totals
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
        totals = self.leaves[part.stale].before[i]
        for minute in minutes:
            leaf = self.leaves[minute]
            if i:
                leaf.before[i] = totals
            for key in sorted(leaf.facts):
                totals = add(totals, leaf.facts[key], part.floor)
        part.totals, part.stale = totals, None
        return minutes
