"""What a closed bucket of 5,000 symbols costs the stage of correlations."""

import time
from collections.abc import Iterator
from math import log

import numpy as np

from infra.grid import Grid
from schemas.records import Bar, Indicators, Sentiment
from schemas.topics import BARS, SENTIMENT
from streams.correlations import CorrelationsFold

MINUTE = 60_000_000
START = 20_000 * 86_400_000_000


def cost(symbols: int, buckets: int) -> Iterator[dict[str, object]]:
    """CPU of the last ``buckets`` five-minute buckets of ``symbols`` symbols, after 60 and after 390 bars."""
    for filled in (60, 390):
        fold, random = CorrelationsFold(Grid("America/New_York")), np.random.default_rng(1)
        price = np.full(symbols, 100.0)
        for step in range(filled):
            price = _feed(fold, random, symbols, step, price)
        list(fold.advance(_end(filled - 1)))
        spent, written = 0.0, 0
        for step in range(filled, filled + buckets):
            price = _feed(fold, random, symbols, step, price)
            began = time.process_time()
            written += len(fold.advance(_end(step)))
            spent += time.process_time() - began
        yield {
            "symbols": symbols,
            "bars before": filled,
            "closed buckets": buckets * symbols,
            "records": written,
            "us per closed bucket": round(1e6 * spent / (buckets * symbols), 1),
        }


def _end(step: int) -> int:
    return START + (step + 1) * 5 * MINUTE


def _feed(
    fold: CorrelationsFold, random: np.random.Generator, symbols: int, step: int, price: np.ndarray
) -> np.ndarray:
    after = price * np.exp(0.001 * random.standard_normal(symbols))
    moods = random.uniform(-1.0, 1.0, symbols)
    end = _end(step)
    for number in range(symbols):
        name, close = f"S{number}", float(after[number])
        bar = Bar(
            symbol=name,
            interval=300,
            start=end - 5 * MINUTE,
            event_time=end,
            known_time=end,
            open=close,
            high=close,
            low=close,
            close=close,
            indicators=Indicators(return_log=log(close / float(price[number]))),
        )
        fold.fact(BARS, bar, None, {})
        mood = Sentiment(
            symbol=name,
            interval=60,
            start=end - MINUTE,
            event_time=end,
            known_time=end,
            mentions=1,
            score=float(moods[number]),
            positive=1,
        )
        fold.fact(SENTIMENT, mood, None, {})
    return after
