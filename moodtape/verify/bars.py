"""Bars told again from the quotes, by plain code: which buckets are closed, and what is in them."""

import math
from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from schemas.clocks import Clock
from schemas.records import Bar, Quote

from .account import Edge
from .reading import Fact, Heard
from .rows import spoken

MICROS = 1_000_000
INTERVALS = (60, 300, 3600, 86_400)
TWO_DAYS = 2 * 86_400 * MICROS


class Bucket(NamedTuple):
    """One bucket of one instrument: (start, end], microseconds UTC; interval in seconds."""

    symbol: str
    interval: int
    start: int
    end: int


class Price(NamedTuple):
    """One quote as a bar sees it; ``width`` is the seconds of a source's own bar, 0 for a tick."""

    event_time: int
    source: str
    sequence: int
    ingest_time: int
    width: int
    open: float
    high: float
    low: float
    close: float
    size: float | None


class Told(NamedTuple):
    """What a bar must hold."""

    event_time: int
    known_time: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    trades: int
    vwap: float | None
    source: str


def price_of(quote: Quote) -> Price:
    """The part of a quote that bars are made of."""
    bar = quote.bar
    ends = (quote.event_time, quote.source, quote.sequence or 0, quote.ingest_time)
    if bar is None:
        return Price(*ends, 0, quote.price, quote.price, quote.price, quote.price, quote.volume)
    return Price(*ends, bar.interval, bar.open, bar.high, bar.low, quote.price, bar.volume)


class Calendar:
    """Buckets ``(start, end]``; days run from midnight to midnight of a zone."""

    def __init__(self, zone: str) -> None:
        self._zone = ZoneInfo(zone)
        self._day = lru_cache(maxsize=512)(self._day_of)

    def bucket(self, moment: int, interval: int) -> tuple[int, int]:
        """Start and end of the bucket that holds a moment, microseconds UTC."""
        if interval == 86_400:
            # A fact at midnight belongs to the day that it ends: ask for the instant before.
            local = datetime.fromtimestamp((moment - 1) // MICROS, UTC).astimezone(self._zone)
            return self._day(local.date())
        length = interval * MICROS
        start = (moment - 1) // length * length
        return start, start + length

    def _day_of(self, day: date) -> tuple[int, int]:
        return self._midnight(day), self._midnight(day + timedelta(days=1))

    def _midnight(self, day: date) -> int:
        return int(datetime(day.year, day.month, day.day, tzinfo=self._zone).timestamp()) * MICROS


def tell(prices: Iterable[Price], interval: int, end: int, preference: Sequence[str]) -> Told | None:
    """The bar of one bucket's facts: the first series of the preference that has one; None where none fits."""
    series: dict[tuple[int, str, int], list[Price]] = {}
    for price in prices:
        if price.width <= interval:
            rank = preference.index(price.source) if price.source in preference else len(preference)
            series.setdefault((rank, price.source, price.width), []).append(price)
    if not series:
        return None
    first = min(series)
    return _add_up(sorted(series[first]), end, first[1])


def _add_up(prices: Sequence[Price], end: int, source: str) -> Told:
    volume = traded = 0.0
    for price in prices:
        if price.size is not None:
            volume += price.size
            traded += price.close * price.size
    ticks = all(price.width == 0 for price in prices)
    mean = traded / volume if ticks and volume else None
    return Told(
        event_time=end,
        known_time=max(end, *(price.ingest_time for price in prices)),
        open=prices[0].open,
        high=max(price.high for price in prices),
        low=min(price.low for price in prices),
        close=prices[-1].close,
        volume=volume,
        trades=len(prices),
        vwap=mean if mean is not None and math.isfinite(mean) else None,
        source=source,
    )


class BarRecount:
    """The account of one partition between ``quotes.v1`` and ``bars.v1``.

    Quotes are taken in two parts: up to where the log ended when the account began, then :meth:`mark`, then what
    came meanwhile. A bucket that the second part touches is not judged, one that it closes may be there or not.

    Args:
        edge: what the findings go to.
        calendar: the buckets.
        preference: sources, the preferred first.
        whole: whether the log of the quotes still begins with its first record. If not, bars of the first two
            days that are left are not judged, because a part of their quotes may be gone.
    """

    def __init__(self, edge: Edge, calendar: Calendar, preference: Sequence[str], whole: bool) -> None:
        self.edge = edge
        self._calendar, self._preference, self._whole = calendar, preference, whole
        self._prices: dict[str, dict[tuple[int, str, int, int], Price]] = {}
        self._first: int | None = None
        self._now = _Closed(None, frozenset())
        self._sure = self._now
        self._marked = False
        self._unsettled: set[Bucket] = set()
        self._touched: set[Bucket] = set()
        self._bars: dict[Bucket, Bar] = {}

    def take_quotes(self, entries: Iterable[Fact | Heard]) -> None:
        """Take quotes and clocks in order of the log."""
        for entry in entries:
            if isinstance(entry, Heard):
                self._hear(entry.clock)
            elif entry.record is not None and "late" not in entry.record.flags:
                self._quote(entry.record)

    def mark(self) -> None:
        """The log ended here when the account began."""
        self._marked = True
        self._sure = self._now
        self._touched |= self._unsettled

    def take_bars(self, facts: Iterable[Fact]) -> None:
        """Take bars in order of the log; their revisions must count from 0."""
        for fact in facts:
            bar = fact.record
            if bar is None:
                self.edge.blame("altered", f"bars.v1 offset {fact.offset} cannot be decoded")
                continue
            bucket = Bucket(bar.symbol, bar.interval, bar.start, bar.event_time)
            before = self._bars.get(bucket)
            expected = 0 if before is None else before.revision + 1
            if bar.revision != expected:
                self.edge.blame("altered", f"{_name(bucket)}: revision {bar.revision} follows {expected - 1}")
            self._bars[bucket] = bar

    def close(self) -> None:
        """Blame what does not add up."""
        self.edge.facts_out += len(self._bars)
        for symbol, prices in self._prices.items():
            for bucket, inside in self._buckets(symbol, prices.values()).items():
                self._judge(bucket, inside, self._bars.pop(bucket, None))
        for bucket in self._bars:
            if self._judged(bucket):
                self.edge.blame("extra", f"{_name(bucket)}: no quote of that bucket went in")

    def _quote(self, quote: Quote) -> None:
        price = price_of(quote)
        key = (price.event_time, price.source, price.width, price.sequence)
        self._prices.setdefault(quote.symbol, {})[key] = price
        for bucket in self._homes(quote.symbol, price):
            self._unsettled.add(bucket)
            if self._marked:
                self._touched.add(bucket)

    def _homes(self, symbol: str, price: Price) -> Iterator[Bucket]:
        for interval in INTERVALS:
            if price.width <= interval:
                yield Bucket(symbol, interval, *self._calendar.bucket(price.event_time, interval))

    def _hear(self, clock: Clock) -> None:
        now = self._now
        if clock.kind == "end":
            buckets = (b for symbol, prices in self._prices.items() for b in self._buckets(symbol, prices.values()))
            self._now = _Closed(now.time, frozenset(b for b in buckets if not now.has(b)) | now.flushed)
            self._unsettled.clear()
        elif clock.kind == "time" and (now.time is None or clock.time > now.time):
            self._first = clock.time if self._first is None else self._first
            self._now = _Closed(clock.time, frozenset(b for b in now.flushed if b.end > clock.time))
            # A bucket that an end closed early and that got more is emitted again at an unknown moment.
            self._unsettled &= self._now.flushed

    def _buckets(self, symbol: str, prices: Iterable[Price]) -> dict[Bucket, list[Price]]:
        inside: dict[Bucket, list[Price]] = {}
        for price in prices:
            for bucket in self._homes(symbol, price):
                inside.setdefault(bucket, []).append(price)
        return inside

    def _judged(self, bucket: Bucket) -> bool:
        if bucket in self._touched:
            return False
        return self._whole or (self._first is not None and bucket.start >= self._first + TWO_DAYS)

    def _judge(self, bucket: Bucket, inside: list[Price], bar: Bar | None) -> None:
        if not self._judged(bucket):
            return
        if bar is None:
            if self._sure.has(bucket):
                self.edge.facts_in += 1
                self.edge.blame("missing", f"{_name(bucket)}: closed, and there is no bar")
            return
        self.edge.facts_in += 1
        if not self._now.has(bucket):
            self.edge.blame("extra", f"{_name(bucket)}: emitted before the clock reached its end")
            return
        told = tell(inside, bucket.interval, bucket.end, self._preference)
        wrong = [name for name in Told._fields if getattr(told, name) != getattr(bar, name)]
        if wrong:
            self.edge.blame("altered", f"{_name(bucket)} revision {bar.revision}: {', '.join(wrong)}")


class _Closed(NamedTuple):
    """Which buckets are closed: by the watermark, or early because every origin had ended."""

    time: int | None
    flushed: frozenset[Bucket]

    def has(self, bucket: Bucket) -> bool:
        return (self.time is not None and bucket.end <= self.time) or bucket in self.flushed


def _name(bucket: Bucket) -> str:
    return spoken(("bar", bucket.symbol, f"{bucket.interval} s", bucket.start))


class IndicatorCheck:
    """Returns and averages of one partition's bars, told again in order of the log.

    A bar's indicators are made of what was known when it was emitted: the bars before it in the log.
    """

    def __init__(self, edge: Edge) -> None:
        self.edge = edge
        self._starts: dict[tuple[str, int], list[int]] = {}
        self._closes: dict[tuple[str, int], dict[int, float]] = {}

    def take(self, bar: Bar) -> None:
        """Take the next bar of the log and compare ``return_log`` and ``sma20`` to one part in 10^9."""
        series = (bar.symbol, bar.interval)
        starts, closes = self._starts.setdefault(series, []), self._closes.setdefault(series, {})
        if bar.start not in closes:
            insort(starts, bar.start)
        closes[bar.start] = bar.close
        index = bisect_left(starts, bar.start)
        last = [closes[start] for start in starts[max(0, index - 19) : index + 1]]
        told = {
            "return_log": math.log(last[-1] / last[-2]) if len(last) > 1 else None,
            "sma20": math.fsum(last) / 20 if len(last) == 20 else None,
        }
        wrong = [name for name, value in told.items() if not _close(getattr(bar.indicators, name), value)]
        if wrong:
            name = _name(Bucket(bar.symbol, bar.interval, bar.start, bar.event_time))
            self.edge.blame("altered", f"{name} revision {bar.revision}: {', '.join(wrong)}")


def _close(kept: float | None, told: float | None) -> bool:
    if kept is None or told is None:
        return kept is told
    return math.isclose(kept, told, rel_tol=1e-9, abs_tol=1e-12)
