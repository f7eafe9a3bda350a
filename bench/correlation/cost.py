"""What a closed bar costs the stage of correlations, by the number of symbols and of bars before it."""

import time
from collections.abc import Iterator, Sequence

import msgspec
import numpy as np

from infra.grid import Grid
from schemas.records import Bar, Indicators, Sentiment
from schemas.topics import BARS, SENTIMENT
from streams.correlations import CorrelationsFold

MINUTE = 60_000_000
FIVE = 5 * MINUTE
START = 20_000 * 86_400_000_000


def cost(symbols: int, buckets: int, before: Sequence[int] = (60, 390)) -> Iterator[dict[str, object]]:
    """CPU of the last ``buckets`` five-minute bars of ``symbols`` symbols, after each number of bars before them.

    The bars before come out of a snapshot, so that nothing is worked out for them; the first bar after them is not
    counted, because it reads all the others.
    """
    for filled in before:
        fold, random = CorrelationsFold(Grid("America/New_York")), np.random.default_rng(1)
        for step in range(filled):
            _restore(fold, random, symbols, step)
        spent, written = [], 0
        for step in range(filled, filled + buckets + 1):
            _feed(fold, random, symbols, step)
            began = time.process_time()
            written = len(fold.advance(_end(step)))
            spent.append(time.process_time() - began)
        yield {
            "symbols": symbols,
            "bars before": filled,
            "records a bar": written / symbols,
            "us per closed bucket": round(1e6 * sum(spent[1:]) / (buckets * symbols), 1),
            "first bar after a restart": round(1e6 * spent[0] / symbols, 1),
        }


def _end(step: int) -> int:
    return START + (step + 1) * FIVE


def _restore(fold: CorrelationsFold, random: np.random.Generator, symbols: int, step: int) -> None:
    """One bar and one mood of each symbol, as the state topic gives them back."""
    end, moods, changes = _end(step), random.uniform(-1.0, 1.0, symbols), 0.001 * random.standard_normal(symbols)
    mentions = random.integers(1, 9, symbols).tolist()
    for number in range(symbols):
        mood = msgspec.msgpack.encode([0, float(moods[number]), 1, mentions[number], end])
        bar = msgspec.msgpack.encode([end - FIVE, float(changes[number]), end, 0, True])
        fold.load(f"mood|0|{end}|S{number}", mood)
        fold.load(f"bar|300|{end}|S{number}", bar)


def _feed(fold: CorrelationsFold, random: np.random.Generator, symbols: int, step: int) -> None:
    end, moods, changes = _end(step), random.uniform(-1.0, 1.0, symbols), 0.001 * random.standard_normal(symbols)
    mentions = random.integers(1, 9, symbols).tolist()
    for number in range(symbols):
        bar = Bar(
            symbol=f"S{number}",
            interval=300,
            start=end - FIVE,
            event_time=end,
            known_time=end,
            indicators=Indicators(return_log=float(changes[number])),
        )
        fold.fact(BARS, bar, None, {})
        mood = Sentiment(
            symbol=f"S{number}",
            interval=60,
            start=end - MINUTE,
            event_time=end,
            known_time=end,
            mentions=mentions[number],
            score=float(moods[number]),
            positive=1,
        )
        fold.fact(SENTIMENT, mood, None, {})
