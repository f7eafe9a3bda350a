"""The first stage of prices: raw quotes validated, deduplicated and flagged.

Duplicates are found by key (source, symbol, interval or 0, event_time, sequence or 0), kept until the watermark
is 2 h past; a fact further behind is flagged ``late`` and passed on untested.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import inf
from typing import Any

import msgspec

from infra.clock import EARLIEST, LATEST, MICROS
from infra.errors import PoisonError
from infra.grid import Grid
from infra.instruments import LONGEST_SYMBOL, SYMBOL_MARKS
from schemas.quick import tuple_maker
from schemas.records import RawQuote, SourceBar
from schemas.topics import QUOTES

from .journal import Journal
from .quote_series import KEPT, MINUTE, NO_KEYS, Keys, QuoteSeries
from .schedule import Schedule
from .stage import Emit, Fold

AHEAD = 300 * MICROS
SYMBOL = re.compile(f"[A-Z0-9{SYMBOL_MARKS}]{{1,{LONGEST_SYMBOL}}}")
_emit = tuple_maker(Emit)


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
        self._journal = Journal("keys")
        self._changed: dict[QuoteSeries, None] = {}

    def fact(self, topic: str, record: RawQuote, watermark: int | None, answers: Mapping[str, Any]) -> Sequence[Emit]:
        """One raw quote: nothing for a duplicate, else it and the fields that make it a Quote: revision and flags.

        Raises:
            PoisonError: the quote makes no sense.
        """
        check(record)
        source, symbol, time, bar = record.source, record.symbol, record.event_time, record.bar
        bid, ask = record.bid, record.ask
        crossed = bid is not None and ask is not None and bid > ask
        interval = 0 if bar is None else bar.interval
        series = self._series.get((source, symbol, interval))
        if series is None:
            _check_names(source, symbol)
            series = self._named(source, symbol, interval)
        if watermark is not None and time < watermark - KEPT:
            return (_emit((QUOTES, symbol, record, (0, ("late", *self._own_flags(series, record, crossed))))),)
        keys = series.keys
        if not keys.start < time <= keys.end:
            keys = series.keys = self._keys(series, -(-time // MINUTE) * MINUTE)
        said = (record.price, bid, ask, record.bid_size, record.ask_size)
        revision = keys.admit(record, said)
        if revision is None:
            return ()
        if not keys.told:
            keys.told = True
            self._journal.note(keys.end, series.name, keys)
            self._changed[series] = None
        flags = series.judge(record, said, revision)
        if crossed or bar is not None or not series.known:
            flags += self._own_flags(series, record, crossed)
        return (_emit((QUOTES, symbol, record, (revision, flags))),)

    def advance(self, watermark: int) -> Sequence[Emit]:
        """Forget the keys that no fact can meet again."""
        for minute, owners in self._minutes.take(watermark - KEPT):
            self._journal.drop(minute)
            for series in owners:
                del series.minutes[minute]
                series.keys = NO_KEYS
        return ()

    def dump(self) -> Iterable[tuple[str, bytes | None]]:
        """Changed series and new keys."""
        changed, self._changed = self._changed, {}
        for series in changed:
            yield "\t".join(["last", *map(str, series.name)]), msgspec.msgpack.encode(series.dump())
        yield from self._journal.dump()

    def load(self, key: str, value: bytes) -> None:
        """Take back a series or some keys."""
        kind, *rest = key.split("\t")
        if kind == "last":
            source, symbol, interval = rest
            self._named(source, symbol, int(interval)).load(msgspec.msgpack.decode(value))
            return
        minute, owned = self._journal.load(rest, value)
        for name, rows in owned:
            self._keys(self._named(*name), minute).load(rows)

    def describe(self, symbol: str) -> Mapping[str, Any]:
        """By source and interval: the last price, and how many keys are kept to find duplicates by."""
        return {
            f"{s.name[0]} {s.name[2]}": s.describe() for _, s in sorted(self._series.items()) if s.name[1] == symbol
        }

    def _keys(self, series: QuoteSeries, minute: int) -> Keys:
        keys = series.minutes.get(minute)
        if keys is None:
            keys = series.minutes[minute] = Keys(minute)
            self._minutes.add(minute, series)
        return keys

    def _named(self, source: str, symbol: str, interval: int) -> QuoteSeries:
        name = source, symbol, interval
        series = self._series.get(name)
        if series is None:
            series = self._series[name] = QuoteSeries(name, known=self._known(symbol))
        return series

    def _own_flags(self, series: QuoteSeries, record: RawQuote, crossed: bool) -> tuple[str, ...]:
        """Flags that need no other quote."""
        bar = record.bar
        straddles = bar is not None and self._grid.straddles(record.event_time, bar.interval, bar.interval)
        found = ((crossed, "crossed"), (not series.known, "unknown_instrument"), (straddles, "straddles"))
        return tuple(name for it_is, name in found if it_is)


def check(record: RawQuote) -> None:
    """Refuse a quote that makes no sense, but for its names.

    Raises:
        PoisonError: with reason ``invalid`` and what is wrong.
    """
    # Each comparison is false for not-a-number, too.
    time = record.event_time
    if not 0 < record.price < inf:
        raise PoisonError("invalid", f"price {record.price} is not a finite number above 0")
    if time > record.ingest_time + AHEAD:
        raise PoisonError("invalid", "event_time is more than 5 minutes past ingest_time")
    if not EARLIEST < time < LATEST:
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


def _check_names(source: str, symbol: str) -> None:
    """A symbol in another case or notation would meet no mood, and nobody could ask for it."""
    if not (source.strip() and source.isprintable()):
        raise PoisonError("invalid", "the source is empty or not printable")
    if SYMBOL.fullmatch(symbol) is None:
        raise PoisonError("invalid", "the symbol is not in Yahoo's notation: at most 32 of A-Z, 0-9 and . ^ = & _ -")
