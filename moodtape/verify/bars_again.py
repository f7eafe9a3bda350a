"""Bars told again from the quotes: what the log of one partition of ``quotes.v1`` makes of ``bars.v1``.

All revisions of all bars follow from one log, clocks included: a bucket is emitted when the watermark reaches its
end, and again at the next clock after a quote that changed it.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush

from schemas.clocks import Clock
from schemas.records import Bar, Quote
from schemas.topics import BARS, QUOTES, RAW_QUOTES

from .account import Edge
from .bar_figures import VALUES, Price, PriceKey, Told, differing, price_of, tell
from .buckets import INTERVALS, KEPT, MICROS, Bucket, Calendar
from .clockwork import Clockwork
from .indicator_figures import Series
from .indicator_figures import differing as differing_indicators
from .matching import Key, Matching
from .reading import Fact, Heard
from .rows import spoken

TWO_DAYS = 2 * 86_400 * MICROS


@dataclass(slots=True)
class _Open:
    """A bucket that may still change."""

    prices: dict[PriceKey, Price] = field(default_factory=dict)
    revision: int = 0
    touched: bool = False


class BarsAgain:
    """The account of one partition between ``quotes.v1`` and ``bars.v1``.

    Args:
        edge: what the findings go to.
        partition: its number.
        calendar: the buckets.
        preference: sources, the preferred first.
        lows: the first offset that is held of each topic. Where quotes are gone, bars of the first two days that
            are left are not judged; where bars are gone, no indicators are.
        matching: how what must be there is compared with what is there.
    """

    def __init__(
        self,
        edge: Edge,
        partition: int,
        calendar: Calendar,
        preference: Sequence[str],
        lows: Mapping[str, int],
        matching: Callable[..., Matching[Told]] = Matching,
    ) -> None:
        self._calendar, self._preference, self._whole = calendar, preference, not lows[QUOTES]
        self._indicators = None if lows[BARS] else IndicatorsAgain()
        self._matching = matching(edge, self._differing, _spoken)
        self._clockwork = Clockwork([(QUOTES, f"{RAW_QUOTES}/{partition}")])
        self._first: int | None = None
        self._open: dict[Bucket, _Open] = {}
        self._due: list[tuple[int, Bucket]] = []
        self._ends: list[tuple[int, Bucket]] = []
        self._known: dict[tuple[str, int], KnownTimes] = {}

    def take(self, topic: str, entry: Fact | Heard, sure: bool) -> None:
        """Take the next quote or clock of the log."""
        if isinstance(entry, Heard):
            self._hear(topic, entry.clock, sure)
        elif entry.record is not None and "late" not in entry.record.flags:
            self._quote(entry.record)

    def find(self, fact: Fact, round_: int) -> None:
        """Take the next bar of the log."""
        bar: Bar | None = fact.record
        if bar is None:
            self._matching.edge.blame("altered", f"bars.v1 offset {fact.offset} cannot be decoded: {fact.error}")
            return
        wrong = self._indicators.take(bar) if self._indicators is not None else []
        if wrong and self._matching.judges(bar):
            self._matching.edge.blame("altered", f"{_spoken(_key(bar))}: {', '.join(wrong)}")
        if self._judged(bar.start):
            self._matching.find(_key(bar), bar, round_)

    def proceed(self) -> None:
        """Nothing waits here."""

    def settle(self, round_: int, last: bool) -> None:
        """Blame what does not add up."""
        self._matching.settle(round_)

    def _judged(self, start: int) -> bool:
        return self._whole or (self._first is not None and start >= self._first + TWO_DAYS)

    def _quote(self, quote: Quote) -> None:
        now = self._clockwork.time
        if now is not None and quote.event_time < now - KEPT:
            return  # only a quote that was sent back can be so late and not be flagged
        price = price_of(quote)
        for bucket in self._homes(quote.symbol, price):
            held = self._open.get(bucket)
            if held is None:
                held = self._open[bucket] = _Open()
                heappush(self._ends, (bucket.end, bucket))
            former = held.prices.get(price.key)
            if former is not None and former.revision > price.revision:
                continue
            held.prices[price.key] = price
            if not held.touched:
                held.touched = True
                heappush(self._due, (bucket.end, bucket))

    def _homes(self, symbol: str, price: Price) -> Iterator[Bucket]:
        for interval in INTERVALS:
            if price.width <= interval:
                yield Bucket(symbol, interval, *self._calendar.bucket(price.event_time, interval))

    def _hear(self, topic: str, clock: Clock, sure: bool) -> None:
        step = self._clockwork.hear(topic, clock)
        now = self._clockwork.time
        if self._first is None:
            self._first = now
        while step is not None and self._due and (step == "flush" or (now is not None and self._due[0][0] <= now)):
            self._emit(heappop(self._due)[1], sure)
        while self._ends and now is not None and self._ends[0][0] < now - KEPT:
            del self._open[heappop(self._ends)[1]]

    def _emit(self, bucket: Bucket, sure: bool) -> None:
        held = self._open[bucket]
        revision, held.revision, held.touched = held.revision, held.revision + 1, False
        told = tell(held.prices.values(), bucket, self._preference)
        if told is None:
            return
        name = bucket.symbol, bucket.interval
        known = self._known.setdefault(name, KnownTimes(bucket.interval)).take(bucket.end, told.known_time)
        if self._judged(bucket.start):
            self._matching.expect((*bucket, revision), told._replace(known_time=known), sure)

    def _differing(self, told: Told, bar: Bar) -> list[str]:
        """What of the bars before is gone from the log may have been known later."""
        early = bar.known_time < told.known_time
        wrong = early or (self._whole and bar.known_time != told.known_time)
        return differing(told, bar, VALUES) + ["known_time"] * wrong


def _key(bar: Bar) -> Key:
    return bar.symbol, bar.interval, bar.start, bar.event_time, bar.revision


def _spoken(key: Key) -> str:
    symbol, interval, start, _, revision = key
    return spoken(("bar", symbol, f"{interval} s", start, "revision", revision))


class KnownTimes:
    """When a bar was known: the greatest time of the facts inside it and inside the bars before it, as they counted."""

    def __init__(self, interval: int) -> None:
        self._reach = KEPT + 2 * interval * MICROS
        self._settled = 0
        self._ends: list[int] = []
        self._known: list[int] = []

    def take(self, end: int, known: int) -> int:
        """Put in a bar, or its next revision, by its end and its own facts; when all it says was known."""
        at = bisect_left(self._ends, end)
        if at < len(self._ends) and self._ends[at] == end:
            self._known[at] = known
        else:
            self._ends.insert(at, end)
            self._known.insert(at, known)
        latest = max(self._settled, *self._known[: at + 1])
        self._settle()
        return latest

    def _settle(self) -> None:
        """Keep of the bars that nothing can revise any more only the greatest time."""
        cut = bisect_left(self._ends, self._ends[-1] - self._reach)
        if cut > 64:
            self._settled = max(self._settled, *self._known[:cut])
            del self._ends[:cut], self._known[:cut]


class IndicatorsAgain:
    """Indicators of one partition's bars, told again in the order of the log."""

    def __init__(self) -> None:
        self._series: dict[tuple[str, int], Series] = {}

    def take(self, bar: Bar) -> list[str]:
        """Take the next bar of the log; names of the indicators that are wrong."""
        name = bar.symbol, bar.interval
        series = self._series.get(name)
        if series is None:
            series = self._series[name] = Series(bar.interval)
        state = series.take(bar)
        return [] if state is None else differing_indicators(state.values(), bar)
