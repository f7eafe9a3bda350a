"""Histories of quotes for the tests of quotes and bars, and bars told from them by the plainest code."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from hypothesis import strategies as st

from infra.clock import MICROS, from_rfc3339
from infra.grid import INTERVALS, Grid
from schemas.records import Bar, Quote, RawQuote, SourceBar
from streams.bars import BarsFold
from streams.indicators import IndicatorState
from streams.stage import Emit, Fold

GRID = Grid("America/New_York")
HOUR = 3600 * MICROS
START = from_rfc3339("2022-03-12T23:00:00Z")  # the night before clocks go forward in New York
PREFERENCE = ("yahoo", "finnhub")


def raw(seconds: float, price: float = 10.0, **fields: Any) -> RawQuote:
    """A raw quote some seconds after START, seen at once."""
    time = START + round(seconds * MICROS)
    given = {"source": "yahoo", "symbol": "ABC", "event_time": time, "ingest_time": time, "price": price, **fields}
    return RawQuote(**given)


def quote(seconds: float, price: float = 10.0, **fields: Any) -> Quote:
    """A quote some seconds after START, seen at once."""
    time = START + round(seconds * MICROS)
    given = {"source": "yahoo", "symbol": "ABC", "event_time": time, "ingest_time": time, "price": price, **fields}
    return Quote(**given)


def source_bar(seconds: float, interval: int, prices: Sequence[float], volume: float = 1.0, **fields: Any) -> Quote:
    """A source's bar that ends some seconds after START; prices are open, high, low, close."""
    bar = SourceBar(interval=interval, open=prices[0], high=prices[1], low=prices[2], volume=volume)
    return quote(seconds, prices[3], volume=volume, bar=bar, **fields)


def through_bytes(fold: Fold, fresh: Fold, entries: dict[str, bytes]) -> Fold:
    """A fresh fold loaded with every entry that the fold ever dumped, in an order of no meaning."""
    for key, value in fold.dump():
        if value is None:
            entries.pop(key, None)
        else:
            assert len(value) < 1_000_000
            entries[key] = bytes(value)
    for key in sorted(entries, key=lambda text: text[::-1]):
        fresh.load(key, entries[key])
    assert list(fresh.dump()) == [], "nothing counts as changed after load"
    return fresh


def order(one: Quote) -> tuple[Any, ...]:
    """The total order in which facts are added up."""
    return (one.event_time, one.source, one.sequence or 0, one.ingest_time, one.price)


def tell(quotes: Iterable[Quote], closed: int | None = None) -> dict[tuple[str, int, int], Bar]:
    """Last revisions of all bars that end at or before ``closed`` (None: all), by (symbol, interval, end).

    Sorts everything, takes the highest revision of each key, and adds up left to right; the indicators are
    those of the whole series (their equality with TA-Lib has its own tests). ``revision`` is left 0.
    """
    latest: dict[Any, Quote] = {}
    for one in quotes:
        width = 0 if one.bar is None else one.bar.interval
        key = (one.source, one.symbol, width, one.event_time, one.sequence or 0)
        if "late" not in one.flags and (key not in latest or latest[key].revision <= one.revision):
            latest[key] = one
    buckets: dict[tuple[str, int, int], dict[Any, list[Quote]]] = {}
    for (source, symbol, width, time, _), one in latest.items():
        for interval in INTERVALS:
            end = GRID.bucket(time, interval)[1]
            if width <= interval and (closed is None or end <= closed):
                rank = PREFERENCE.index(source) if source in PREFERENCE else len(PREFERENCE)
                buckets.setdefault((symbol, interval, end), {}).setdefault((rank, source, width), []).append(one)
    out: dict[tuple[str, int, int], Bar] = {}
    states: dict[tuple[str, int], IndicatorState] = {}
    known: dict[tuple[str, int], int] = {}
    for key in sorted(buckets):
        series = min(buckets[key])
        facts = sorted(buckets[key][series], key=order)
        # What is inside directly, and what is inside the bars before it, of which the indicators are made.
        known[key[:2]] = max(known.get(key[:2], 0), key[2], *(one.ingest_time for one in facts))
        out[key] = _bar(key, series, facts, states.setdefault(key[:2], IndicatorState()), known[key[:2]])
    return out


def _bar(key: tuple[str, int, int], series: Any, facts: list[Quote], state: IndicatorState, known: int) -> Bar:
    (symbol, interval, end), (_, source, width) = key, series
    volume = turnover = 0.0
    for one in facts:
        size = one.volume if one.bar is None else one.bar.volume
        volume += size or 0.0
        turnover += one.price * (size or 0.0)
    high = max(one.price if one.bar is None else one.bar.high for one in facts)
    low = min(one.price if one.bar is None else one.bar.low for one in facts)
    close = facts[-1].price
    state.push((high, low, close, volume, 0))
    return Bar(
        symbol=symbol,
        interval=interval,
        start=GRID.bucket(end, interval)[0],
        event_time=end,
        known_time=known,
        open=facts[0].price if facts[0].bar is None else facts[0].bar.open,
        high=high,
        low=low,
        close=close,
        volume=volume,
        trades=len(facts),
        vwap=turnover / volume if volume and not width else None,
        source=source,
        flags=("straddles",) if any(GRID.straddles(one.event_time, width, interval) for one in facts) else (),
        indicators=state.values(),
    )


def last_revisions(emits: Iterable[Emit]) -> dict[tuple[str, int, int], Bar]:
    """The last revision of each bar emitted; revisions must count from 0 without a hole."""
    out: dict[tuple[str, int, int], Bar] = {}
    for emit in emits:
        bar = emit.record
        assert isinstance(bar, Bar)
        key = (bar.symbol, bar.interval, bar.event_time)
        assert bar.revision == (out[key].revision + 1 if key in out else 0)
        out[key] = bar
    return out


def fresh_bars() -> BarsFold:
    """An empty bars fold."""
    return BarsFold(PREFERENCE, GRID)


def plain(emits: Iterable[Emit]) -> bytes:
    """Emits as bytes, to compare them bit by bit."""
    return msgspec.msgpack.encode([tuple(e) for e in emits])


# Steps of event time in seconds: within a bucket, onto edges, over nights.
gaps = st.one_of(st.integers(0, 20), st.sampled_from([0, 30, 60, 300]), st.sampled_from([1800, 3600, 7300, 40000]))
prices = st.one_of(st.floats(9.0, 11.0), st.sampled_from([10.0, 0.1, 0.3, 1e6]))
sizes = st.one_of(st.none(), st.just(0.0), st.floats(0.001, 1e4))
