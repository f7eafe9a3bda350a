"""What a bar is made of: the facts of one series by the minute, and totals over the minutes of a bucket.

A fact is only put down; a minute is summed up when a bucket with it is emitted, once, and its sum is added to the
totals of every bucket around it. A fact that comes later takes back what was added from its minute on, so sums are
always left to right in the order of (event_time, sequence). Minutes that can change no more become a part's base, so
nothing older than the leaves is ever needed.
"""

from bisect import bisect_left
from collections.abc import Sequence
from functools import reduce
from operator import add, mul
from typing import TYPE_CHECKING, Any

from infra.grid import INTERVALS

if TYPE_CHECKING:
    from .bar_lines import Bucket

ALL = range(len(INTERVALS))

SeriesKey = tuple[str, int]  # source, seconds of its bars or 0 for ticks
# event_time, sequence, revision, ingest_time, price, size; of a source's bar also open, high, low
PriceFact = tuple[Any, ...]
# Facts of a minute in order: their number, greatest ingest_time, first event_time; open, high, low, close; sizes and
# price * size of each.
Sum = tuple[int, int, int, float, float, float, float, Sequence[float], Sequence[float]]
# The same of some minutes; sizes and price * size are added up.
Totals = tuple[int, int, int, float, float, float, float, float, float]


def sum_up(facts: Sequence[PriceFact]) -> Sum:
    """The sum of some facts of one minute and series in any order; the highest revision of a key counts."""
    if len(facts) == 1:
        time, _, _, ingest, price, size, *bar = facts[0]
        opened, high, low = bar or (price, price, price)
        return 1, ingest, time, opened, high, low, price, (size,), (price * size,)
    ordered = sorted(facts)
    columns = list(zip(*ordered, strict=True))
    if any(columns[2]):
        columns = list(zip(*{fact[:2]: fact for fact in ordered}.values(), strict=True))
    times, _, _, ingests, prices, sizes = columns[:6]
    opens, highs, lows = columns[6:] or (prices, prices, prices)
    turnovers = tuple(map(mul, prices, sizes))
    return len(times), max(ingests), times[0], opens[0], max(highs), min(lows), prices[-1], sizes, turnovers


def add_up(totals: Totals | None, more: Sum) -> Totals:
    """Totals after the next minute."""
    trades, seen, began, opened, high, low, close, sizes, turnovers = more
    if totals is None:
        volume, turnover = reduce(add, sizes), reduce(add, turnovers)
        return trades, seen, began, opened, high, low, close, volume, turnover
    before, last, began, opened, top, bottom, _, volume, turnover = totals
    return (
        before + trades,
        seen if seen > last else last,
        began,
        opened,
        high if high > top else top,
        low if low < bottom else bottom,
        close,
        reduce(add, sizes, volume),
        reduce(add, turnovers, turnover),
    )


class Leaf:
    """The facts of one series in one minute, in the order in which they came.

    Attributes:
        start: exclusive; a day that ends inside a minute divides it.
        end: inclusive.
        stored: how many facts are in snapshots.
        parts: of the buckets around it.
        told: they, and the next snapshot, know that facts come into it.
    """

    __slots__ = ("_sum", "end", "facts", "parts", "start", "stored", "told")

    def __init__(self, start: int, end: int) -> None:
        self.start, self.end = start, end
        self.facts: list[PriceFact] = []
        self.parts: list[Part] = []
        self.stored = 0
        self.told = False
        self._sum: Sum | None = None

    def tell(self) -> None:
        """Facts come into it: what was added of it is taken back."""
        self.told, self._sum = True, None
        for part in self.parts:
            part.take_back(self)

    def fresh(self) -> list[PriceFact]:
        """The facts that are in no snapshot yet."""
        self.told = False
        facts = self.facts[self.stored :]
        self.stored += len(facts)
        return facts

    def sum(self) -> Sum:
        """Over its facts."""
        if self._sum is None:
            self._sum = sum_up(self.facts)
        return self._sum


NO_LEAF = Leaf(0, -1)


class Series:
    """The facts of one source and granularity of one symbol, of the last 2 h.

    Attributes:
        feeds: which intervals it feeds: those not shorter than its own.
        latest: for each of these the latest bucket's part.
        leaf: the one a fact came into last.
        leaves: by their ends.
    """

    __slots__ = ("feeds", "granularity", "key", "latest", "leaf", "leaves", "symbol")

    def __init__(self, symbol: str, key: SeriesKey) -> None:
        self.symbol, self.key = symbol, key
        self.granularity = key[1]
        self.feeds = [i for i in ALL if INTERVALS[i] >= self.granularity]
        self.latest: list[Part | None] = [None] * len(self.feeds)
        self.leaf = NO_LEAF
        self.leaves: dict[int, Leaf] = {}


class Part:
    """One series in one bucket.

    Attributes:
        base: totals over minutes whose leaves are gone.
        leaves: the others, ascending.
    """

    __slots__ = ("_totals", "base", "bucket", "leaves", "shortest")

    def __init__(self, bucket: "Bucket", *, shortest: bool) -> None:
        self.bucket, self.shortest = bucket, shortest
        self.base: Totals | None = None
        self.leaves: list[Leaf] = []
        self._totals: list[Totals] = []  # after each leaf, so far as they are right

    def take(self, leaf: Leaf) -> None:
        """Put in a new leaf."""
        at = self._index(leaf)
        self.leaves.insert(at, leaf)
        del self._totals[at:]

    def take_back(self, leaf: Leaf) -> None:
        """A leaf changes: it, and what comes after it, is to be added again."""
        if self._totals:
            del self._totals[self._index(leaf) :]

    def _index(self, leaf: Leaf) -> int:
        leaves = self.leaves
        if not leaves or leaves[-1].end < leaf.end:
            return len(leaves)
        return bisect_left(leaves, leaf.end, key=lambda other: other.end)

    def totals(self) -> Totals:
        """Over all facts so far."""
        totals = self._totals
        last = totals[-1] if totals else self.base
        for leaf in self.leaves[len(totals) :]:
            last = add_up(last, leaf.sum())
            totals.append(last)
        assert last is not None  # noqa: S101  # a part is made for a fact
        return last

    def absorb(self) -> None:
        """The first leaf goes: keep what it adds."""
        leaf = self.leaves.pop(0)
        self.base = self._totals.pop(0) if self._totals else add_up(self.base, leaf.sum())
