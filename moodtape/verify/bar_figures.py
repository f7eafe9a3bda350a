"""What a bar must hold, told from the prices of its bucket by plain code."""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from schemas.records import Bar, Quote

from .buckets import DAY, MICROS, Bucket

PriceKey = tuple[int, str, int, int]


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
    revision: int

    @property
    def key(self) -> PriceKey:
        """A later revision of a quote takes the place of the one with the same key."""
        return self.event_time, self.source, self.width, self.sequence


class Told(NamedTuple):
    """What a bar must hold, besides its indicators; fields named as a Bar's."""

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
    flags: tuple[str, ...]


VALUES = tuple(name for name in Told._fields if name != "known_time")


def price_of(quote: Quote) -> Price:
    """The part of a quote that bars are made of."""
    bar = quote.bar
    ends = (quote.event_time, quote.source, quote.sequence or 0, quote.ingest_time)
    if bar is None:
        price = quote.price
        return Price(*ends, 0, price, price, price, price, quote.volume, quote.revision)
    return Price(*ends, bar.interval, bar.open, bar.high, bar.low, quote.price, bar.volume, quote.revision)


def series_of(prices: Iterable[Price], interval: int, preference: Sequence[str]) -> list[Price]:
    """The prices that a bar is made of: the first series of the preference that has one; empty where none fits.

    A series is one source and one width; the preferred source counts first, then the finer width.
    """
    series: dict[tuple[int, str, int], list[Price]] = {}
    for price in prices:
        if price.width <= interval:
            rank = preference.index(price.source) if price.source in preference else len(preference)
            series.setdefault((rank, price.source, price.width), []).append(price)
    return sorted(series[min(series)]) if series else []


def tell(prices: Iterable[Price], bucket: Bucket, preference: Sequence[str]) -> Told | None:
    """The bar of one bucket's prices; None where none fits."""
    chosen = series_of(prices, bucket.interval, preference)
    if not chosen:
        return None
    volume = traded = 0.0
    for price in chosen:
        if price.size is not None:
            volume += price.size
            traded += price.close * price.size
    ticks = chosen[0].width == 0
    mean = traded / volume if ticks and volume else None
    return Told(
        event_time=bucket.end,
        known_time=max(bucket.end, *(price.ingest_time for price in chosen)),
        open=chosen[0].open,
        high=max(price.high for price in chosen),
        low=min(price.low for price in chosen),
        close=chosen[-1].close,
        volume=volume,
        trades=len(chosen),
        vwap=mean if mean is not None and math.isfinite(mean) else None,
        source=chosen[0].source,
        flags=("straddles",) if any(_straddles(price, bucket) for price in chosen) else (),
    )


def _straddles(price: Price, bucket: Bucket) -> bool:
    """Whether a source's bar begins before the bucket; its day that ends with ours is ours, of whatever length."""
    if price.width == bucket.interval == DAY and price.event_time == bucket.end:
        return False
    return price.event_time - price.width * MICROS < bucket.start


def differing(told: Told, bar: Bar, names: Sequence[str] = Told._fields) -> list[str]:
    """Names of the fields in which a bar is not what it must be: sums run in one order, so they agree to the bit."""
    return [name for name in names if getattr(told, name) != getattr(bar, name)]
