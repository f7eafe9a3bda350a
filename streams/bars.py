"""Quotes folded into bars of four intervals, with their indicators.

A bucket is built from one series, chosen anew at each emission: the first of the preference with a fact in it.
It is emitted when the watermark reaches its end and again, one revision up, after a fact that came later; it
can change until the watermark is 2 h past its end. Quotes flagged ``late`` are not folded.
"""

from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from typing import Any

import msgspec

from infra.clock import MICROS
from infra.grid import INTERVALS, Grid
from schemas.quick import maker
from schemas.records import Bar, Quote
from schemas.topics import BARS

from .bar_entries import describe_line, dump_base, dump_slot
from .bar_lines import Bucket, Line
from .bar_parts import ALL, NO_LEAF, Leaf, Part, Series, SeriesKey, Totals
from .journal import Journal
from .schedule import Schedule
from .stage import Emit, Fold

KEPT = 2 * 3600 * MICROS
SHORTEST, LONGEST = min(INTERVALS), max(INTERVALS)
make_bar = maker(Bar)


class BarsFold(Fold):
    """Quotes of one partition.

    Args:
        sources: preferred first; others come after, by the alphabet.
        grid: the buckets.
    """

    def __init__(self, sources: tuple[str, ...], grid: Grid) -> None:
        self._ranks = {source: rank for rank, source in reversed(list(enumerate(sources)))}
        self._grid = grid
        self._series: dict[tuple[str, str, int], Series] = {}
        self._lines: dict[str, list[Line]] = {}
        self._due: Schedule[tuple[int, ...], Bucket] = Schedule()  # by (end, index of the interval)
        self._leaves: Schedule[int, tuple[Series, Leaf]] = Schedule()
        self._journal = Journal("facts")
        self._changed_buckets: list[Bucket] = []
        self._changed_slots: dict[tuple[Line, int], None] = {}
        self._changed_bases: dict[Line, None] = {}

    def fact(self, topic: str, record: Quote, watermark: int | None, answers: Mapping[str, Any]) -> Sequence[Emit]:
        """Fold one quote; its bars come with :meth:`advance`."""
        bar, time = record.bar, record.event_time
        granularity = 0 if bar is None else bar.interval
        if granularity > LONGEST or (record.flags and "late" in record.flags):
            return ()
        if watermark is not None and time < watermark - KEPT:
            return ()  # its buckets are closed for good; the quotes stage flags every such fact, so none comes
        series = self._series.get((record.symbol, record.source, granularity))
        if series is None:
            series = self._open_series(record.symbol, record.source, granularity)
        leaf = series.leaf
        if not leaf.start < time <= leaf.end:
            leaf = series.leaf = self._leaf(series, time)
        if not leaf.told:
            self._tell(series, leaf)
        size = record.volume if bar is None else bar.volume
        fact = (time, record.sequence or 0, record.revision, record.ingest_time, record.price, size or 0.0)
        leaf.facts.append(fact if bar is None else (*fact, bar.open, bar.high, bar.low))
        return ()

    def advance(self, watermark: int) -> Sequence[Emit]:
        """Emit what closed or changed, then drop what can change no more."""
        out = self._emit_before((watermark + 1,))
        self._forget(watermark - KEPT)
        return out

    def flush(self) -> Sequence[Emit]:
        """Emit every bucket touched since its last emission, closed or not."""
        return self._emit_before(None)

    def _open_series(self, symbol: str, source: str, granularity: int) -> Series:
        series = self._series.get((symbol, source, granularity))
        if series is None:
            series = self._series[symbol, source, granularity] = Series(symbol, (source, granularity))
        return series

    def _leaf(self, series: Series, time: int) -> Leaf:
        """The leaf of a moment."""
        (start, end), day = self._grid.bucket(time, SHORTEST), self._grid.bucket(time, LONGEST)
        start, end = max(start, day[0]), min(end, day[1])
        leaf = series.leaves.get(end)
        if leaf is None:
            leaf = series.leaves[end] = Leaf(start, end)
            self._leaves.add(end, (series, leaf))
            leaf.parts = [self._part(series, at, time) for at in range(len(series.feeds))]
            for part in leaf.parts:
                part.take(leaf)
        return leaf

    def _part(self, series: Series, at: int, time: int) -> Part:
        """The part of a moment, in the interval at a place of the series' feeds."""
        latest = series.latest[at]
        if latest is not None and latest.bucket.start < time <= latest.bucket.end:
            return latest
        i = series.feeds[at]
        bucket = self._bucket(self._line(series.symbol, i), *self._grid.bucket(time, INTERVALS[i]))
        part = bucket.parts.get(series.key)
        if part is None:
            part = bucket.parts[series.key] = Part(bucket, shortest=at == 0)
            self._change(bucket)
        if latest is None or bucket.end > latest.bucket.end:
            series.latest[at] = part
        return part

    def _bucket(self, line: Line, start: int, end: int) -> Bucket:
        bucket = line.buckets.get(end)
        if bucket is None:
            bucket = Bucket(line, start, end)
            line.add(bucket)
        return bucket

    def _line(self, symbol: str, i: int) -> Line:
        lines = self._lines.get(symbol)
        if lines is None:
            lines = self._lines[symbol] = [Line(symbol, each) for each in ALL]
        return lines[i]

    def _tell(self, series: Series, leaf: Leaf) -> None:
        """Facts come into a leaf: its buckets are to be emitted, again where they were."""
        leaf.tell()
        self._journal.note(leaf.end, (series.symbol, *series.key), leaf)
        for part in leaf.parts:
            bucket = part.bucket
            if not bucket.pending:
                bucket.pending = True
                self._due.add((bucket.end, bucket.line.i), bucket)
                self._change(bucket)

    def _change(self, bucket: Bucket) -> None:
        if not bucket.changed:
            bucket.changed = True
            self._changed_buckets.append(bucket)

    def _emit_before(self, moment: tuple[int, ...] | None) -> list[Emit]:
        return [
            Emit(BARS, bucket.line.symbol, self._bar(bucket))
            for _, buckets in self._due.take(moment)
            for bucket in sorted(buckets, key=_symbol_of)
        ]

    def _bar(self, bucket: Bucket) -> Bar:
        """The next emission of a bucket."""
        (source, granularity), totals = self._choose(bucket)
        trades, seen, began, opened, high, low, close, volume, turnover = totals
        line, start, end, revision = bucket.line, bucket.start, bucket.end, bucket.revision
        # What was known of an earlier bar is inside, too: the indicators are made of it.
        state = line.place(bucket, (high, low, close, volume, max(end, seen)))
        bucket.revision, bucket.pending = revision + 1, False
        bucket.close()
        self._change(bucket)
        vwap = None if granularity else _vwap(turnover, volume)
        # A source's day that ends with ours is ours, also where that has 23 hours.
        flags = ("straddles",) if began < min(start + granularity * MICROS, end) else ()
        return make_bar(
            *(line.symbol, INTERVALS[line.i], start, end, state.known, revision),
            *(opened, high, low, close, volume, trades, vwap, source, flags, state.values()),
        )

    def _choose(self, bucket: Bucket) -> tuple[SeriesKey, Totals]:
        """The one series a bar is built from."""
        parts = bucket.parts
        if len(parts) == 1:
            ((key, part),) = parts.items()
        else:
            ranks, last = self._ranks, len(self._ranks)
            key = min(parts, key=lambda each: (ranks.get(each[0], last), *each))
            part = parts[key]
        return key, part.totals()

    def _forget(self, before: int) -> None:
        """Drop the leaves that ended before a moment; what they add stays with the buckets that may still change."""
        for end, owners in self._leaves.take(before):
            self._journal.drop(end)
            for series, leaf in owners:
                del series.leaves[end]
                series.leaf = NO_LEAF
                for part in leaf.parts:
                    bucket = part.bucket
                    if bucket.end >= before:
                        part.absorb()
                        self._change(bucket)
                    for gone in bucket.line.collapse(before):
                        self._changed_bases[bucket.line] = None
                        self._changed_slots[bucket.line, gone.slot] = None
                leaf.parts.clear()

    def dump(self) -> Iterable[tuple[str, bytes | None]]:
        """New facts, changed rows of bars, changed states of indicators."""
        yield from self._journal.dump()
        buckets, self._changed_buckets = self._changed_buckets, []
        slots, self._changed_slots = self._changed_slots, {}
        for bucket in buckets:
            bucket.changed = False
            slots[bucket.line, bucket.slot] = None
        yield from (dump_slot(line, slot) for line, slot in slots)
        bases, self._changed_bases = self._changed_bases, {}
        yield from (dump_base(line) for line in bases)

    def load(self, key: str, value: bytes) -> None:
        """Take back one entry."""
        kind, *rest = key.split("\t")
        if kind == "facts":
            self._load_facts(*self._journal.load(rest, value))
        elif kind == "base":
            self._line(rest[0], int(rest[1])).restore_base(msgspec.msgpack.decode(value))
        else:
            for row in msgspec.msgpack.decode(value):
                self._load_bucket(self._line(rest[0], int(rest[1])), row)
        for bucket in self._changed_buckets:
            bucket.changed = False
        self._changed_buckets.clear()

    def describe(self, symbol: str) -> Mapping[str, Any]:
        """The facts kept by series, and by interval the open buckets, the bars and the indicators."""
        series = [each for each in self._series.values() if each.symbol == symbol]
        facts = {f"{s.key[0]} {s.granularity}": sum(len(leaf.facts) for leaf in s.leaves.values()) for s in series}
        lines = {str(INTERVALS[line.i]): describe_line(line) for line in self._lines.get(symbol, ())}
        return {"facts": facts, "intervals": lines} if lines else {}

    def _load_facts(self, end: int, owned: Iterable[tuple[Any, list[Any]]]) -> None:
        for name, facts in owned:
            leaf = self._leaf(self._open_series(*name), end)
            leaf.facts += map(tuple, facts)
            leaf.stored = len(leaf.facts)

    def _load_bucket(self, line: Line, row: list[Any]) -> None:
        start, end, revision, pending, candle, parts = row
        bucket = self._bucket(line, start, end)
        bucket.revision, bucket.pending = revision, pending
        if candle is not None:
            line.restore(bucket, tuple(candle))
        if pending:
            self._due.add((end, line.i), bucket)
        for source, granularity, base in parts:
            series = self._open_series(line.symbol, source, granularity)
            part = bucket.parts.setdefault(series.key, Part(bucket, shortest=series.feeds[0] == line.i))
            part.base = None if base is None else tuple(base)


def _vwap(turnover: float, volume: float) -> float | None:
    """Mean price of ticks by size; None where no size is known."""
    vwap = turnover / volume if volume else None
    return vwap if vwap is not None and isfinite(vwap) else None


def _symbol_of(bucket: Bucket) -> str:
    return bucket.line.symbol
