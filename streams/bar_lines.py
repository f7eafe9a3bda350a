"""The bars of one symbol and interval in order, with the indicators at any of them.

A bar that is revised, or comes between two others, changes what later bars are computed from; bars already
emitted stand. So the bars that may still change are kept, with the state of the indicators before them.
"""

from bisect import bisect_left
from typing import Any

from infra.clock import MICROS
from infra.grid import INTERVALS
from schemas.records import Indicators

from .bar_parts import Part, SeriesKey
from .indicators import Candle, IndicatorState

MARK = 16  # bars between two kept states
SLOT = 15  # bars in one entry of a snapshot


class Bucket:
    """One bucket of a line.

    Attributes:
        revision: of its next emission.
        slot: number of its snapshot entry.
        parts: by series, while a fact may still come.
        candle: what the indicators take of it, as last emitted; None before.
        pending: touched since its last emission.
        changed: touched since the last snapshot.
    """

    __slots__ = ("candle", "changed", "end", "line", "parts", "pending", "revision", "slot", "start")

    def __init__(self, line: "Line", start: int, end: int) -> None:
        self.line, self.start, self.end = line, start, end
        self.slot = end // line.slot_width
        self.revision = 0
        self.parts: dict[SeriesKey, Part] = {}
        self.candle: Candle | None = None
        self.pending = self.changed = False

    def close(self) -> None:
        """It was emitted: a fact that comes from now on is to be told to the buckets that it changes.

        The shortest bucket around a leaf is emitted first, so it does this for all of them.
        """
        for part in self.parts.values():
            if part.shortest:
                for leaf in part.leaves:
                    leaf.told = False


class Line:
    """Bars of one symbol and interval.

    Attributes:
        i: index of the interval in ``INTERVALS``.
        buckets: all kept ones by their end.
        slots: the same by the number of their snapshot entry.
        tail: those emitted, ascending; the indicators' ``base`` stands before the first.
    """

    __slots__ = ("_at", "_marks", "_state", "base", "buckets", "i", "slot_width", "slots", "symbol", "tail")

    def __init__(self, symbol: str, i: int) -> None:
        self.symbol, self.i = symbol, i
        self.slot_width = SLOT * INTERVALS[i] * MICROS
        self.buckets: dict[int, Bucket] = {}
        self.slots: dict[int, list[Bucket]] = {}
        self.tail: list[Bucket] = []
        self.base = IndicatorState()
        # A state that walks along the tail: _state stands before tail[_at]; _marks[k] before tail[(k + 1) * MARK].
        self._state = IndicatorState()
        self._at = 0
        self._marks: list[IndicatorState] = []

    def add(self, bucket: Bucket) -> None:
        """Keep a bucket."""
        self.buckets[bucket.end] = bucket
        self.slots.setdefault(bucket.slot, []).append(bucket)

    def place(self, bucket: Bucket, candle: Candle) -> IndicatorState:
        """Put a bar into the line, or in place of its former self; the state after it, good until the next call."""
        tail = self.tail
        if bucket.candle is None and self._at == len(tail) and (not tail or bucket.end > tail[-1].end):
            tail.append(bucket)
            bucket.candle = candle
            self._push(candle)
            return self._state
        index = self._index(bucket)
        if bucket.candle is None:
            tail.insert(index, bucket)
        bucket.candle = candle
        self._rewind(index)
        self._walk(index + 1)
        return self._state

    def indicators(self) -> Indicators:
        """Those at the last bar."""
        self._walk(len(self.tail))
        return self._state.values()

    def restore(self, bucket: Bucket, candle: Candle) -> None:
        """Put back an emitted bar of a snapshot."""
        self.tail.insert(self._index(bucket), bucket)
        bucket.candle = candle

    def restore_base(self, values: list[Any]) -> None:
        """Put back the state before the tail."""
        self.base = IndicatorState.load(values)
        self._state = self.base.copy()

    def collapse(self, before: int) -> list[Bucket]:
        """Move the base past bars that end before a moment, by whole marks; the bars given up."""
        gone: list[Bucket] = []
        while len(self.tail) >= MARK and self.tail[MARK - 1].end < before:
            self._walk(MARK)
            self.base = self._marks.pop(0)
            self._at -= MARK
            gone += self.tail[:MARK]
            del self.tail[:MARK]
        for bucket in gone:
            # Bucket and parts hold each other: they would wait for a collection, which a worker makes seldom.
            bucket.parts.clear()
            del self.buckets[bucket.end]
            self.slots[bucket.slot].remove(bucket)
            if not self.slots[bucket.slot]:
                del self.slots[bucket.slot]
        return gone

    def _index(self, bucket: Bucket) -> int:
        return bisect_left(self.tail, bucket.end, key=lambda other: other.end)

    def _rewind(self, index: int) -> None:
        """Stand at or before ``tail[index]``, with no mark beyond it."""
        if self._at <= index:
            return
        kept = index // MARK
        del self._marks[kept:]
        self._state = (self._marks[-1] if kept else self.base).copy()
        self._at = kept * MARK

    def _walk(self, index: int) -> None:
        """Go forward to stand before ``tail[index]``."""
        for bucket in self.tail[self._at : index]:
            assert bucket.candle is not None  # noqa: S101  # in the tail means emitted
            self._push(bucket.candle)

    def _push(self, candle: Candle) -> None:
        self._state.push(candle)
        self._at += 1
        if self._at % MARK == 0:
            self._marks.append(self._state.copy())
