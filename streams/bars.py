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
from schemas.records import Bar, Quote
from schemas.topics import BARS

from .bar_entries import dump_base, dump_leaf, dump_slot, leaf_keys, load_bucket, load_leaf
from .bar_lines import Bucket, Line
from .bar_parts import ALL, MINUTE, Leaf, Part, PriceFact, Series, SeriesKey, Totals, add
from .schedule import Schedule
from .stage import Emit, Fold

KEPT = 2 * 3600 * MICROS
LONGEST = max(INTERVALS)


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
        # By (end, index of the interval): buckets to be emitted, and all buckets.
        self._due: Schedule[tuple[int, ...], Bucket] = Schedule()
        self._kept: Schedule[tuple[int, ...], Bucket] = Schedule()
        self._minutes: Schedule[int, Series] = Schedule()
        self._stale: list[tuple[Series, Part, int]] = []
        self._changed_leaves: dict[tuple[Series, int], None] = {}
        self._changed_buckets: list[Bucket] = []
        self._changed_slots: dict[tuple[Line, int], None] = {}
        self._changed_bases: dict[Line, None] = {}
        self._gone: list[str] = []

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
        parts = [
            part if part is not None and part.start < time <= part.end else self._open_part(series, i, time)
            for i, part in zip(series.feeds, series.current, strict=True)
        ]
        minute = -(-time // MINUTE) * MINUTE
        leaf = series.leaves.get(minute)
        if leaf is None:
            leaf = series.open_leaf(minute, parts)
            self._minutes.add(minute, series)
        self._fold(series, parts, leaf, minute, _price_fact(record))
        return ()

    def advance(self, watermark: int) -> Sequence[Emit]:
        """Emit what closed or changed, then drop what can change no more."""
        self._settle()
        out = self._emit_before((watermark + 1,))
        self._forget(watermark - KEPT)
        return out

    def flush(self) -> Sequence[Emit]:
        """Emit every bucket touched since its last emission, closed or not."""
        self._settle()
        return self._emit_before(None)

    def _open_series(self, symbol: str, source: str, granularity: int) -> Series:
        series = self._series.get((symbol, source, granularity))
        if series is None:
            series = self._series[symbol, source, granularity] = Series(symbol, (source, granularity))
        return series

    def _line(self, symbol: str, i: int) -> Line:
        lines = self._lines.get(symbol)
        if lines is None:
            lines = self._lines[symbol] = [Line(symbol, each) for each in ALL]
        return lines[i]

    def _open_part(self, series: Series, i: int, time: int) -> Part:
        line = self._line(series.symbol, i)
        start, end = self._grid.bucket(time, INTERVALS[i])
        bucket = line.buckets.get(end)
        if bucket is None:
            bucket = line.buckets[end] = Bucket(line, start, end)
            self._kept.add((end, i), bucket)
        part = bucket.parts.get(series.key)
        if part is None:
            part = bucket.parts[series.key] = Part(bucket, series.granularity)
        at = i - series.feeds[0]
        latest = series.current[at]
        if latest is None or end > latest.end:
            series.current[at] = part
        return part

    def _fold(self, series: Series, parts: list[Part], leaf: Leaf, minute: int, fact: PriceFact) -> None:
        """Put a fact into its leaf and its totals, unless a higher revision of it is there."""
        key = (time, sequence) = fact[0], fact[1]
        former = leaf.facts.get(key)
        if former is not None and former[2] > fact[2]:
            return
        leaf.facts[key] = fact
        if not leaf.changed:
            self._change_leaf(series, minute, leaf)
        for part, i in zip(parts, series.feeds, strict=True):
            totals = part.totals
            if part.stale is not None:
                part.stale = min(part.stale, minute)
            elif totals is None or time > totals[0] or (time == totals[0] and sequence > totals[1]):
                part.totals = add(totals, fact, part.floor)
            else:
                part.stale = minute
                self._stale.append((series, part, i))
            bucket = part.bucket
            if not (bucket.pending and bucket.changed):
                self._touch(bucket)

    def _touch(self, bucket: Bucket) -> None:
        if not bucket.pending:
            bucket.pending = True
            self._due.add((bucket.end, bucket.line.i), bucket)
        self._change(bucket)

    def _change(self, bucket: Bucket) -> None:
        if not bucket.changed:
            bucket.changed = True
            self._changed_buckets.append(bucket)

    def _change_leaf(self, series: Series, minute: int, leaf: Leaf) -> None:
        leaf.changed = True
        self._changed_leaves[series, minute] = None

    def _settle(self) -> None:
        """Bring all stale totals right."""
        stale, self._stale = self._stale, []
        for series, part, i in stale:
            for minute in series.refold(part, i):
                self._change_leaf(series, minute, series.leaves[minute])

    def _emit_before(self, moment: tuple[int, ...] | None) -> list[Emit]:
        return [
            Emit(BARS, bucket.line.symbol, self._bar(bucket))
            for _, buckets in self._due.take(moment)
            for bucket in sorted(buckets, key=_symbol_of)
        ]

    def _bar(self, bucket: Bucket) -> Bar:
        """The next emission of a bucket."""
        (source, granularity), totals = self._choose(bucket)
        _, _, trades, first, high, low, close, volume, turnover, seen, straddles = totals
        line, end, revision = bucket.line, bucket.end, bucket.revision
        indicators = line.place(bucket, (high, low, close, volume))
        bucket.revision, bucket.pending = revision + 1, False
        self._change(bucket)
        return Bar(
            symbol=line.symbol,
            interval=INTERVALS[line.i],
            start=bucket.start,
            event_time=end,
            known_time=max(end, seen),
            revision=revision,
            open=first,
            high=high,
            low=low,
            close=close,
            volume=volume,
            trades=trades,
            vwap=None if granularity else _vwap(turnover, volume),
            source=source,
            flags=("straddles",) if straddles else (),
            indicators=indicators,
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
        assert part.totals is not None  # noqa: S101  # a part is made for a fact
        return key, part.totals

    def _forget(self, before: int) -> None:
        """Drop what ended before a moment."""
        for minute, owners in self._minutes.take(before):
            for series in owners:
                leaf = series.drop_leaf(minute)
                self._changed_leaves.pop((series, minute), None)
                if leaf.stored:
                    self._gone.extend(leaf_keys(series, minute, leaf.stored))
        for _, buckets in self._kept.take((before,)):
            for bucket in buckets:
                # No snapshot of its own: one that still has the totals is as good until the bar goes, too.
                bucket.parts.clear()
                for gone in bucket.line.collapse(before):
                    self._changed_bases[bucket.line] = None
                    self._changed_slots[bucket.line, bucket.line.slot(gone.end)] = None

    def dump(self) -> Iterable[tuple[str, bytes | None]]:
        """Changed minutes, changed rows of bars, changed states of indicators."""
        self._settle()
        gone, self._gone = self._gone, []
        yield from ((key, None) for key in gone)
        leaves, self._changed_leaves = self._changed_leaves, {}
        for series, minute in leaves:
            yield from dump_leaf(series, minute)
        buckets, self._changed_buckets = self._changed_buckets, []
        slots, self._changed_slots = self._changed_slots, {}
        for bucket in buckets:
            bucket.changed = False
            slots[bucket.line, bucket.line.slot(bucket.end)] = None
        yield from (dump_slot(line, slot) for line, slot in slots)
        bases, self._changed_bases = self._changed_bases, {}
        yield from (dump_base(line) for line in bases)

    def load(self, key: str, value: bytes) -> None:
        """Take back one entry."""
        kind, symbol, *rest = key.split("\t")
        content = msgspec.msgpack.decode(value)
        if kind == "leaf":
            self._load_leaf(self._open_series(symbol, rest[0], int(rest[1])), int(rest[2]), content)
            return
        line = self._line(symbol, int(rest[0]))
        if kind == "base":
            line.restore_base(content)
        else:
            for row in content:
                self._load_bucket(line, row)

    def _load_leaf(self, series: Series, minute: int, content: list[Any]) -> None:
        if minute not in series.leaves:
            self._minutes.add(minute, series)
        load_leaf(series, minute, content)

    def _load_bucket(self, line: Line, row: list[Any]) -> None:
        bucket = load_bucket(line, row)
        if bucket.pending:
            self._due.add((bucket.end, line.i), bucket)
        if bucket.parts:
            self._kept.add((bucket.end, line.i), bucket)


def _price_fact(record: Quote) -> PriceFact:
    bar, price = record.bar, record.price
    if bar is None:
        size, opened, high, low = record.volume, price, price, price
    else:
        size, opened, high, low = bar.volume, bar.open, bar.high, bar.low
    return (
        record.event_time,
        record.sequence or 0,
        record.revision,
        record.ingest_time,
        price,
        size,
        opened,
        high,
        low,
    )


def _vwap(turnover: float, volume: float) -> float | None:
    """Mean price of ticks by size; None where no size is known."""
    vwap = turnover / volume if volume else None
    return vwap if vwap is not None and isfinite(vwap) else None


def _symbol_of(bucket: Bucket) -> str:
    return bucket.line.symbol
