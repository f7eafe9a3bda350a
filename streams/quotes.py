"""The first stage of prices: raw quotes validated, deduplicated and flagged.

Duplicates are found by key (source, symbol, interval or 0, event_time, sequence or 0), kept until the watermark
is 2 h past; a fact further behind is flagged ``late`` and passed on untested.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import inf
from typing import Any

import msgspec

from infra.clock import MICROS
from infra.errors import PoisonError
from infra.grid import Grid
from schemas.records import Quote, RawQuote, SourceBar
from schemas.topics import QUOTES

from .quote_series import KEPT, MINUTE, QuoteSeries
from .schedule import Schedule
from .stage import Emit, Fold

AHEAD = 300 * MICROS
CALENDAR = (-2_208_988_800 * MICROS, 7_258_118_400 * MICROS)  # the years 1900 to 2199
ENTRY_KEYS = 4096  # dedup keys in one entry of a snapshot: some 200 kB


class QuotesFold(Fold):
    """Raw quotes of one partition.

    Args:
        instruments_known: whether a symbol is in the table of instruments.
        grid: for source bars that cross an edge of their own interval.
    """

    def __init__(self, instruments_known: Callable[[str], bool], grid: Grid) -> None:
        self._known = instruments_known
        self._grid = grid
        self._series: dict[tuple[str, str, int], QuoteSeries] = {}
        self._minutes: Schedule[int, QuoteSeries] = Schedule()
        self._changed: dict[QuoteSeries, None] = {}
        self._gone: list[str] = []

    def fact(self, topic: str, record: RawQuote, watermark: int | None, answers: Mapping[str, Any]) -> Sequence[Emit]:
        """One raw quote: nothing for a duplicate, else its Quote.

        Raises:
            PoisonError: the quote makes no sense.
        """
        bar = record.bar
        check(record)
        series = self._named(record.source, record.symbol, 0 if bar is None else bar.interval)
        if watermark is not None and record.event_time < watermark - KEPT:
            return (_emit(record, 0, ("late", *self._own_flags(record))),)
        self._open_minute(series, record.event_time)
        revision = series.admit(record)
        if revision is None:
            return ()
        self._changed[series] = None
        return (_emit(record, revision, (*series.judge(record, revision), *self._own_flags(record))),)

    def advance(self, watermark: int) -> Sequence[Emit]:
        """Forget the keys that no fact can meet again."""
        for minute, series in self._minutes.take(watermark - KEPT):
            for each in series:
                if minute in each.stored:
                    self._gone.extend(_slice_keys(each, minute))
                each.forget(minute)
        return ()

    def dump(self) -> Iterable[tuple[str, bytes | None]]:
        """Changed series and changed minutes of keys."""
        gone, self._gone = self._gone, []
        changed, self._changed = self._changed, {}
        yield from ((key, None) for key in gone)
        for series in changed:
            yield f"last\t{series.name}", msgspec.msgpack.encode(series.dump())
            for minute, rows in series.dump_changed():
                for key, at in zip(_slice_keys(series, minute), range(0, len(rows), ENTRY_KEYS), strict=True):
                    yield key, msgspec.msgpack.encode(rows[at : at + ENTRY_KEYS])

    def load(self, key: str, value: bytes) -> None:
        """Take back a series or a part of a minute of keys."""
        kind, source, symbol, interval, *place = key.split("\t")
        series = self._named(source, symbol, int(interval))
        content = msgspec.msgpack.decode(value)
        if kind == "last":
            series.load(content)
        elif series.load_keys(int(place[0]), content):
            self._minutes.add(int(place[0]), series)

    def _open_minute(self, series: QuoteSeries, time: int) -> None:
        minute = -(-time // MINUTE) * MINUTE
        if minute not in series.slices:
            series.slices[minute] = {}
            self._minutes.add(minute, series)

    def _named(self, source: str, symbol: str, interval: int) -> QuoteSeries:
        """The series of a name.

        Raises:
            PoisonError: the name can be none.
        """
        series = self._series.get((source, symbol, interval))
        if series is None:
            _check_name("source", source)
            _check_name("symbol", symbol)
            series = self._series[source, symbol, interval] = QuoteSeries(f"{source}\t{symbol}\t{interval}")
        return series

    def _own_flags(self, record: RawQuote) -> tuple[str, ...]:
        """Flags that need no other quote."""
        bid, ask, bar = record.bid, record.ask, record.bar
        crossed = bid is not None and ask is not None and bid > ask
        known = self._known(record.symbol)
        straddles = bar is not None and self._grid.straddles(record.event_time, bar.interval, bar.interval)
        if known and not crossed and not straddles:
            return ()
        found = ((crossed, "crossed"), (not known, "unknown_instrument"), (straddles, "straddles"))
        return tuple(name for it_is, name in found if it_is)


def _slice_keys(series: QuoteSeries, minute: int) -> list[str]:
    """Names of a minute's entries in a snapshot; only added to while the minute is kept."""
    count = -(-len(series.slices[minute]) // ENTRY_KEYS)
    return [f"keys\t{series.name}\t{minute}\t{part}" for part in range(count)]


def _emit(record: RawQuote, revision: int, flags: tuple[str, ...]) -> Emit:
    quote = Quote(
        source=record.source,
        symbol=record.symbol,
        event_time=record.event_time,
        ingest_time=record.ingest_time,
        price=record.price,
        volume=record.volume,
        bid=record.bid,
        ask=record.ask,
        bid_size=record.bid_size,
        ask_size=record.ask_size,
        currency=record.currency,
        session=record.session,
        sequence=record.sequence,
        bar=record.bar,
        revision=revision,
        flags=flags,
    )
    return Emit(QUOTES, record.symbol, quote)


def check(record: RawQuote) -> None:
    """Refuse a quote that makes no sense, but for its names.

    Raises:
        PoisonError: with reason ``invalid`` and what is wrong.
    """
    # Each comparison is false for not-a-number, too.
    if not 0 < record.price < inf:
        raise PoisonError("invalid", f"price {record.price} is not a finite number above 0")
    if record.event_time > record.ingest_time + AHEAD:
        raise PoisonError("invalid", "event_time is more than 5 minutes past ingest_time")
    if not CALENDAR[0] < record.event_time < CALENDAR[1]:
        raise PoisonError("invalid", "event_time is not in the years 1900 to 2199")
    for value in (record.volume, record.bid, record.ask, record.bid_size, record.ask_size):
        if value is not None and not 0 <= value < inf:
            raise PoisonError("invalid", f"volume, bid, ask or a size is {value}, not a finite number of at least 0")
    if record.bar is not None:
        _check_bar(record.bar)


def _check_bar(bar: SourceBar) -> None:
    if bar.interval <= 0:
        raise PoisonError("invalid", f"bar.interval {bar.interval} is not above 0")
    if not 0 < bar.low <= bar.high < inf or not 0 < bar.open < inf:
        raise PoisonError("invalid", "open, high or low of the bar is not a finite number above 0, or high below low")
    if not 0 <= bar.volume < inf:
        raise PoisonError("invalid", f"bar.volume {bar.volume} is not a finite number of at least 0")


def _check_name(what: str, name: str) -> None:
    if not (name.strip() and name.isprintable()):
        raise PoisonError("invalid", f"the {what} is empty or not printable")
