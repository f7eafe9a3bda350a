"""Correlations: the mood of each instrument held against its price, over the last bars."""

from collections.abc import Iterator, Mapping, Sequence
from heapq import heappop, heappush
from typing import Any

import msgspec
import numpy as np

from infra.clock import to_rfc3339
from infra.grid import DAY, INTERVALS, Grid
from schemas.records import Bar, Correlation, Method, Pair, Sentiment
from schemas.topics import CORRELATIONS

from .columns import Columns
from .pairing import NAN, NOTHING, Leaf, Leaves, Row, Series, Sums, make_leaf
from .stage import Emit, Fold
from .statistics import METHOD_VERSION, Array, Finding, findings

SECOND = 1_000_000
HOUR = 3600 * SECOND
KEEP = 2 * HOUR
KEEP_LEAVES = 28 * HOUR
REACH = {60: 12, 390: 30}
"""Window in bars -> greatest lag in bars."""
PAIRS: tuple[Pair, ...] = ("BUZZ_VOLATILITY", "MOOD_RETURN")
METHODS: tuple[Method, ...] = ("PEARSON", "SPEARMAN")
LEAF_INTERVAL = 60

Change = tuple[str, str, int, int]


def windows(interval: int) -> tuple[int, ...]:
    """Windows in bars of an interval in seconds."""
    return (60,) if interval == DAY else (60, 390)


class CorrelationsFold(Fold):
    """Bars and 60 s moods of one partition -> the correlations of each bar.

    Facts are only kept; a bar's correlations are worked out once, when the watermark reaches its end (or all
    origins ended), from the highest revisions that are there by then and from nothing that ends later. So the
    order in which bars and moods come changes nothing, unless one comes behind the watermark: then the bars
    still to be emitted use it. See ``docs/decisions/0003-correlation-details.md``.
    """

    def __init__(self, grid: Grid) -> None:
        """Make an empty fold."""
        self._grid = grid
        self._leaves: dict[str, Leaves] = {}
        self._series: dict[tuple[str, int], Series] = {}
        self._pending: list[tuple[int, int, str]] = []
        self._oldest: list[tuple[int, str]] = []
        self._changed: dict[Change, None] = {}

    def fact(self, topic: str, record: Bar | Sentiment, watermark: int | None, answers: object) -> Sequence[Emit]:
        """Keep a bar or a mood; emits nothing."""
        if isinstance(record, Bar):
            self._keep_bar(record, watermark)
        elif record.interval == LEAF_INTERVAL:
            self._keep_mood(record, watermark)
        return ()

    def _keep_mood(self, mood: Sentiment, watermark: int | None) -> None:
        end, symbol = mood.event_time, mood.symbol
        if watermark is not None and end <= watermark - KEEP_LEAVES:
            return
        leaves = self._leaves_of(symbol)
        new = end not in leaves.by_end
        if leaves.put(end, make_leaf(mood)):
            self._note("mood", symbol, end)
            if new:
                heappush(self._oldest, (end, symbol))
            for interval in INTERVALS:
                series = self._series.get((symbol, interval))
                if series is not None:
                    series.stale(end)

    def _keep_bar(self, bar: Bar, watermark: int | None) -> None:
        series = self._series_of(bar.symbol, bar.interval)
        row = series.find(bar.event_time)
        if row is None:
            if watermark is not None and bar.event_time < watermark - KEEP:
                return
            row = Row(bar.event_time, bar.start, emitted=not self._is_due(bar))
            for mark in series.insert(row):
                self._note("bar", bar.symbol, mark, bar.interval)
            if not row.emitted:
                heappush(self._pending, (bar.event_time, bar.interval, bar.symbol))
        if bar.revision > row.revision:
            change = bar.indicators.return_log
            row.change = NAN if change is None else change
            row.known, row.revision = bar.known_time, bar.revision
            series.changed(row.end)
            self._note("bar", bar.symbol, row.end, bar.interval)

    def _is_due(self, bar: Bar) -> bool:
        """Whether a bar gets correlations at all: those of 60 s only at the ends of five minutes."""
        return bar.interval != LEAF_INTERVAL or self._grid.bucket(bar.event_time, 300)[1] == bar.event_time

    def _leaves_of(self, symbol: str) -> Leaves:
        return self._leaves.setdefault(symbol, Leaves())

    def _series_of(self, symbol: str, interval: int) -> Series:
        key = symbol, interval
        if key not in self._series:
            self._series[key] = Series(self._leaves_of(symbol))
        return self._series[key]

    def advance(self, watermark: int) -> Sequence[Emit]:
        """Emit for the bars that end by the watermark, then forget what no later bar can need."""
        emits = self._emit(watermark)
        self._forget(watermark)
        return emits

    def flush(self) -> Sequence[Emit]:
        """Emit for every bar that was not emitted yet."""
        return self._emit(None)

    def _emit(self, until: int | None) -> list[Emit]:
        """In the order (event_time, interval, symbol, window, pair, method); until None = all."""
        emits: list[Emit] = []
        while self._pending and (until is None or self._pending[0][0] <= until):
            end, interval, symbol = heappop(self._pending)
            self._close(symbol, interval, end)
            emits.extend(Emit(CORRELATIONS, symbol, record) for record in self._correlate(symbol, interval, end))
            if until is not None:
                self._trim(symbol, interval, min(end, until - KEEP))
        return emits

    def _close(self, symbol: str, interval: int, end: int) -> None:
        row = self._series[symbol, interval].find(end)
        if row is not None:
            row.emitted = True
            self._note("bar", symbol, end, interval)

    def _trim(self, symbol: str, interval: int, horizon: int) -> None:
        """Drop the rows that no window of a bar at or after the horizon can reach."""
        for end in self._series[symbol, interval].trim(max(windows(interval)) + 1, horizon):
            self._note("bar", symbol, end, interval)

    def _correlate(self, symbol: str, interval: int, end: int) -> Iterator[Correlation]:
        series, longest = self._series[symbol, interval], max(windows(interval))
        if series.is_quiet(end, longest):
            return
        columns = series.columns(end, longest)
        for window in windows(interval):
            if not columns.buzz[-window:].any():
                continue
            known = max(end, int(columns.known[-window:].max()))
            for pair in PAIRS:
                x, y = _sides(pair, columns, window)
                for method, found in zip(METHODS, findings(x, y, REACH[window]), strict=True):
                    yield _record(symbol, interval, window, end, known, pair, method, found)

    def _forget(self, watermark: int) -> None:
        """Hand the leaves that no new bar can divide to the bar before them."""
        sealed = watermark - KEEP_LEAVES
        while self._oldest and self._oldest[0][0] <= sealed:
            _, symbol = heappop(self._oldest)
            for end, sums in self._leaves[symbol].pop_until(sealed):
                self._note("mood", symbol, end)
                self._seal(symbol, end, sums)

    def _seal(self, symbol: str, end: int, sums: Sums) -> None:
        for interval in INTERVALS:
            series = self._series.get((symbol, interval))
            row = None if series is None else series.seal(end, sums)
            if row is not None:
                self._note("bar", symbol, row.end, interval)

    def dump(self) -> Sequence[tuple[str, bytes | None]]:
        """What changed: one entry for each 60 s mood and each bar, gone ones as None."""
        changed, self._changed = self._changed, {}
        return [self._dump_one(*change) for change in changed]

    def _dump_one(self, kind: str, symbol: str, end: int, interval: int) -> tuple[str, bytes | None]:
        key = f"{kind}|{interval}|{end}|{symbol}"
        if kind == "mood":
            leaf = self._leaves[symbol].by_end.get(end)
            return key, None if leaf is None else msgspec.msgpack.encode([leaf.revision, *leaf.sums])
        row = self._series[symbol, interval].at(end)
        return key, None if row is None else msgspec.msgpack.encode(_row_state(row))

    def load(self, key: str, value: bytes) -> None:
        """Take back one entry, in any order."""
        kind, interval, end, symbol = key.split("|", 3)
        state = msgspec.msgpack.decode(value)
        if kind == "mood":
            self._leaves_of(symbol).put(int(end), Leaf(state[0], Sums(*state[1:])))
            heappush(self._oldest, (int(end), symbol))
            return
        start, change, known, revision, emitted, *tail = state
        row = Row(int(end), start, change, known, revision, emitted, Sums(*tail))
        self._series_of(symbol, int(interval)).add(row)
        if not emitted:
            heappush(self._pending, (row.end, int(interval), symbol))

    def describe(self, symbol: str) -> Mapping[str, Any]:
        """How many moods are kept, and by interval the bars, with those that wait for their correlations."""
        leaves = self._leaves.get(symbol)
        if leaves is None:
            return {}
        series = {str(interval): self._series.get((symbol, interval)) for interval in INTERVALS}
        return {
            "moods": len(leaves.ends),
            "last_mood": to_rfc3339(leaves.ends[-1]) if leaves.ends else None,
            "intervals": {interval: each.describe() for interval, each in series.items() if each is not None},
        }

    def _note(self, kind: str, symbol: str, end: int, interval: int = 0) -> None:
        self._changed[kind, symbol, end, interval] = None


def _row_state(row: Row) -> list[object]:
    return [row.start, row.change, row.known, row.revision, row.emitted, *(row.tail if row.tail != NOTHING else ())]


def _sides(pair: Pair, columns: Columns, window: int) -> tuple[Array, Array]:
    change = columns.change[-window:]
    if pair == "MOOD_RETURN":
        return columns.mood[-window:], change
    return columns.buzz[-window:], np.abs(change)


def _record(
    symbol: str, interval: int, window: int, end: int, known: int, pair: Pair, method: Method, found: Finding
) -> Correlation:
    return Correlation(
        symbol=symbol,
        interval=interval,
        window=window,
        event_time=end,
        known_time=known,
        pair=pair,
        method=method,
        n=found.n,
        n_effective=found.n_effective,
        r=found.r,
        p_value=found.p_value,
        ci_low=found.ci_low,
        ci_high=found.ci_high,
        lags=found.lags,
        r_by_lag=found.r_by_lag,
        best_lag=found.best_lag,
        p_best=found.p_best,
        status=found.status,
        method_version=METHOD_VERSION,
    )
