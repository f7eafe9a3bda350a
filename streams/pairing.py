"""Bars and moods of one instrument, laid side by side: x over the stretch up to each bar, y at its end.

The mood of a 60 s bucket belongs to the first bar that ends at it or after it, whatever lies between: nights and
weekends belong to the next bar. Bars and buckets may come in any order; nothing here depends on it.
"""

from bisect import bisect_left, bisect_right, insort
from dataclasses import dataclass, field
from math import log
from typing import Any, NamedTuple

from infra.clock import to_rfc3339
from schemas.records import Sentiment

from .columns import Columns, make_columns

NAN = float("nan")


class Sums(NamedTuple):
    """What some 60 s buckets hold together: sums of score x n, of n, and of mentions; greatest known_time."""

    score: float = 0.0
    n: int = 0
    mentions: int = 0
    known: int = 0

    def add(self, other: "Sums") -> "Sums":
        """Both, the other one later."""
        return Sums(
            self.score + other.score,
            self.n + other.n,
            self.mentions + other.mentions,
            max(self.known, other.known),
        )

    @property
    def mood(self) -> float:
        """Mean score weighted by n, NaN where n is 0."""
        return self.score / self.n if self.n else NAN


NOTHING = Sums()


class Leaf(NamedTuple):
    """The highest revision of a 60 s bucket."""

    revision: int
    sums: Sums


def make_leaf(sentiment: Sentiment) -> Leaf:
    """Keep what matters of a 60 s Sentiment."""
    n = sentiment.positive + sentiment.negative + sentiment.neutral
    score = 0.0 if sentiment.score is None else sentiment.score * n
    return Leaf(sentiment.revision, Sums(score, n, sentiment.mentions, sentiment.known_time))


@dataclass(slots=True)
class Leaves:
    """The 60 s buckets of one instrument, by their ends.

    ``heard`` is no earlier than the end of the last bucket that ever held a mention.
    """

    ends: list[int] = field(default_factory=list)
    by_end: dict[int, Leaf] = field(default_factory=dict)
    heard: int = 0

    def put(self, end: int, leaf: Leaf) -> bool:
        """Take a bucket in unless the same or a higher revision is there; whether it was taken."""
        old = self.by_end.get(end)
        if old is not None and old.revision >= leaf.revision:
            return False
        if old is None:
            insort(self.ends, end)
        self.by_end[end] = leaf
        if leaf.sums.mentions:
            self.heard = max(self.heard, end)
        return True

    def total(self, base: Sums, start: int, end: int) -> Sums:
        """``base`` and the buckets that end in (start, end], added in order."""
        for at in self.ends[bisect_right(self.ends, start) : bisect_right(self.ends, end)]:
            base = base.add(self.by_end[at].sums)
        return base

    def pop_until(self, end: int) -> list[tuple[int, Sums]]:
        """Remove and return the buckets that end by a moment, in order."""
        count = bisect_right(self.ends, end)
        gone, self.ends = self.ends[:count], self.ends[count:]
        return [(at, self.by_end.pop(at).sums) for at in gone]


@dataclass(slots=True)
class Row:
    """A bar as the correlations keep it.

    Attributes:
        end: of the bar, microseconds UTC.
        start: of the bar; ``end`` for the mark that stands before the first bar.
        change: ``return_log``, NaN where there is none.
        known: the bar's known_time.
        revision: the bar's.
        emitted: its correlations were written, or never will be.
        tail: buckets after this bar's end that are no longer kept as leaves.
        x: sums of the buckets between the bar before and this one; None = to be added up.
        mood: mean score of x, NaN where nothing was scored.
        buzz: ln(1 + mentions) of x.
    """

    end: int
    start: int
    change: float = NAN
    known: int = 0
    revision: int = -1
    emitted: bool = True
    tail: Sums = NOTHING
    x: Sums | None = None
    mood: float = NAN
    buzz: float = 0.0

    def take_in(self, x: Sums) -> None:
        """Set the sums of the buckets up to this bar."""
        self.x, self.mood, self.buzz = x, x.mood, log(1 + x.mentions)


@dataclass(slots=True)
class Series:
    """The last bars of one instrument and interval, in order of their ends.

    ``rows[0]`` is only the lower edge of the first stretch: an older bar, or a mark at the first bar's start.
    ``kept`` are the columns that were asked for last, as long as nothing in them has changed.
    """

    leaves: Leaves
    rows: list[Row] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    kept: Columns | None = None

    def at(self, end: int) -> Row | None:
        """The bar or mark that ends at a moment."""
        at = bisect_left(self.ends, end)
        return self.rows[at] if at < len(self.ends) and self.ends[at] == end else None

    def find(self, end: int) -> Row | None:
        """The bar that ends at a moment."""
        row = self.at(end)
        return row if row is not None and row.revision >= 0 else None

    def insert(self, row: Row) -> list[int]:
        """Put a bar in its place; the ends of marks that were made or removed with it."""
        marks = []
        if not self.rows or (row.end <= self.ends[0] and self.rows[0].revision < 0):
            if self.rows:
                marks.append(self.ends.pop(0))
                del self.rows[0]
            self.add(Row(row.start, row.start))
            marks.append(row.start)
        self.add(row)
        return marks

    def add(self, row: Row) -> None:
        """Put a bar or a mark in its place, and nothing else."""
        at = bisect_left(self.ends, row.end)
        self.rows.insert(at, row)
        self.ends.insert(at, row.end)
        self.stale(row.end + 1)
        if row.tail.mentions:
            self.leaves.heard = max(self.leaves.heard, row.end + 1)

    def stale(self, end: int) -> None:
        """The stretch that holds a bucket ending at ``end`` must be added up again."""
        at = bisect_left(self.ends, end)
        if at < len(self.rows):
            self.rows[at].x = None
            self.changed(self.ends[at])

    def changed(self, end: int) -> None:
        """The bar that ends at ``end`` is not what it was."""
        if self.kept is not None and end <= self.kept.end:
            self.kept = None

    def seal(self, end: int, sums: Sums) -> Row | None:
        """Keep a bucket that leaves the leaves with the bar before it; the bar, None where it is not needed."""
        at = bisect_left(self.ends, end) - 1
        if at < 0:
            return None
        self.rows[at].tail = self.rows[at].tail.add(sums)
        return self.rows[at]

    def is_quiet(self, end: int, width: int) -> bool:
        """Whether the last mention was surely before the window; a cheap question, as most symbols are."""
        first = max(1, bisect_right(self.ends, end) - width)
        return self.leaves.heard <= self.ends[first - 1]

    def columns(self, end: int, width: int) -> Columns:
        """The last ``width`` bars up to the one that ends at ``end``, their x added up."""
        last = bisect_right(self.ends, end)
        first = max(1, last - width)
        kept = self.kept if self.kept is not None and self.kept.end <= end else None
        fresh = first if kept is None else max(first, bisect_right(self.ends, kept.end))
        made = make_columns(end, [self._entry(at) for at in range(fresh, last)])
        self.kept = made if kept is None else kept.then(made, last - first)
        return self.kept

    def _entry(self, at: int) -> tuple[float, float, float, int]:
        row = self.rows[at]
        x = row.x
        if x is None:
            before = self.rows[at - 1]
            x = self.leaves.total(before.tail, before.end, row.end)
            row.take_in(x)
        return row.change, row.mood, row.buzz, max(row.known, x.known)

    def describe(self) -> dict[str, Any]:
        """For people: the bars, and the ends of those that wait for their correlations."""
        bars = [row for row in self.rows if row.revision >= 0]
        return {
            "bars": len(bars),
            "last": to_rfc3339(bars[-1].end) if bars else None,
            "waiting": [to_rfc3339(row.end) for row in bars if not row.emitted],
        }

    def trim(self, keep: int, horizon: int) -> list[int]:
        """Drop old rows but for ``keep`` before the first that ends at or after the horizon; the ends dropped."""
        count = bisect_left(self.ends, horizon) - keep
        if count <= 0:
            return []
        gone = self.ends[:count]
        del self.rows[:count], self.ends[:count]
        return gone
