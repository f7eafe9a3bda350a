"""Quotes of a market for the measurements, always the same for the same arguments."""

from collections.abc import Iterator

import numpy as np

from schemas.records import Quote, RawQuote

ZIPF = 1.1
SEED = 20_240_607
START = 1_717_740_000_000_000


def raw_quotes(count: int, *, symbols: int = 500, step: int = 2_000, start: int = START) -> Iterator[RawQuote]:
    """Raw quotes in order of event time, ``step`` microseconds apart, of symbols with Zipf weights (1.1)."""
    rng = np.random.default_rng(SEED)
    weights = 1.0 / np.arange(1, symbols + 1) ** ZIPF
    names = [f"S{n:05d}" for n in range(symbols)]
    prices = 20.0 + 400.0 * rng.random(symbols)
    picks = rng.choice(symbols, size=count, p=weights / weights.sum())
    moves = rng.normal(0.0, 2e-4, size=count)
    sizes = rng.integers(1, 500, size=count)
    for n in range(count):
        pick, size = picks[n], float(sizes[n])
        prices[pick] *= 1.0 + moves[n]
        price, moment = float(prices[pick]), start + n * step
        yield RawQuote(
            source="bench",
            symbol=names[pick],
            event_time=moment,
            ingest_time=moment + 40_000,
            price=price,
            volume=size,
            bid=price * 0.9999,
            ask=None if size < 50 else price * 1.0001,
            currency="USD",
            session="REGULAR",
        )


def quotes(count: int, *, symbols: int = 500) -> Iterator[Quote]:
    """The same as the quotes stage passes them on."""
    for raw in raw_quotes(count, symbols=symbols):
        yield Quote(
            source=raw.source,
            symbol=raw.symbol,
            event_time=raw.event_time,
            ingest_time=raw.ingest_time,
            price=raw.price,
            volume=raw.volume,
            bid=raw.bid,
            ask=raw.ask,
            currency=raw.currency,
            session=raw.session,
        )
