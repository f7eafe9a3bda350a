"""Which way the next bar may go, by a model refitted as time goes on, and how good it was at that.

A regularised logistic regression (:mod:`api.logistic`) on mood and its lags, buzz, returns and volatility. It is
refitted at every multiple of 50 intervals since 1970, on the last 500 bars whose next bar was known by then; so a
forecast depends on the rows up to its refit and on the bar it stands on, and on nothing that came after either.
Every bar of the record was forecast in this way.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import nan
from typing import Literal

import numpy as np

from infra.clock import MICROS

from .evidence import clark_west, mean_interval, wilson
from .logistic import fit
from .series import Array, Series, Times, grace

REFIT_INTERVALS = 50
TRAIN = 500
RECORD = 500
MOOD_LAGS = 6
LOOK_BACK = TRAIN + RECORD + REFIT_INTERVALS + MOOD_LAGS + 4
LEAST_TRAIN = 100
LEAST_CLASS = 20
LEAST_RECORD = 100
ALPHA = 0.05

Status = Literal["OK", "INSUFFICIENT"]
Verdict = Literal["better", "no_better", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How one forecaster did: share of bars that went the way it held likelier, and mean squared error of its chance.

    Each with its 95 % interval: Wilson's, and that of a mean. Brier score: 0 is perfect, .25 a coin's.
    """

    hit_rate: float
    hit_low: float
    hit_high: float
    brier: float
    brier_low: float
    brier_high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Out-of-sample forecasts of ``n`` bars that went up or down, ``flats`` others, beside two rivals on the same.

    ``base`` is the share of ups in the same training bars; ``mood_free`` the same regression without mood and buzz.
    The p are one-sided, that our chances are not truly better (:func:`api.evidence.clark_west`).
    """

    n: int
    flats: int
    ups: int
    model: Score
    base: Score
    mood_free: Score
    p_base: float
    p_mood_free: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """The chance that the bar after the newest goes up rather than down, with what the model is worth.

    ``probability_up`` is null, and the status INSUFFICIENT, where there are fewer than 100 bars to train on or
    in the record. ``refitted_at`` is the refit, microseconds UTC, ``trained_on`` its bars.
    """

    event_time: int
    probability_up: float | None = None
    refitted_at: int | None = None
    trained_on: int | None = None
    record: Record | None = None
    verdict: Verdict = "unknown"
    status: Status = "INSUFFICIENT"


def forecast(series: Series, interval: int) -> Forecast | None:
    """The forecast after the newest bar of at most the last ``LOOK_BACK``; None of no bars."""
    if not len(series):
        return None
    told = Forecast(event_time=int(series.end[-1]))
    chances = np.full((3, len(series)), nan)
    trained = np.zeros(len(series), dtype=np.int64)
    for places, training, models in _walk(series, interval):
        chances[:, places] = models
        trained[places] = training
    record = _record(series, chances)
    if record is None or not trained[-1]:
        return told
    return Forecast(
        event_time=told.event_time,
        probability_up=float(chances[0, -1]),
        refitted_at=int(_refits(series.end[-1:], interval)[0]),
        trained_on=int(trained[-1]),
        record=record,
        verdict="better" if _is_better(record.model, record.base, record.p_base) else "no_better",
        status="OK",
    )


def _is_better(ours: Score, theirs: Score, p: float) -> bool:
    """Beyond luck, and in fact."""
    return p < ALPHA and ours.brier < theirs.brier


def _walk(series: Series, interval: int) -> Iterator[tuple[slice, int, Array]]:
    """For each refit the bars that it serves, how many it was trained on, and chances: model, base, mood-free."""
    full, free = features(series)
    ups = np.append(series.change[1:], nan)
    seen = np.append(series.end[1:], np.iinfo(np.int64).max - grace(interval)) + grace(interval)
    refits = _refits(series.end, interval)
    first = max(0, len(series) - RECORD - 1)
    for begin, stop in _runs(refits, first):
        ready = np.flatnonzero(seen <= refits[begin])[-TRAIN:]
        ready = ready[np.abs(ups[ready]) > 0]
        target = (ups[ready] > 0).astype(np.float64)
        if len(ready) < LEAST_TRAIN or min(target.sum(), len(target) - target.sum()) < LEAST_CLASS:
            continue
        served = slice(begin, stop)
        chances = [fit(each[ready], target).chances(each[served]) for each in (full, free)]
        yield served, len(ready), np.array([chances[0], np.full(stop - begin, target.mean()), chances[1]])


def _refits(end: Times, interval: int) -> Times:
    """The last refit at or before each moment."""
    period = REFIT_INTERVALS * interval * MICROS
    return end // period * period


def _runs(values: Times, first: int) -> Iterator[tuple[int, int]]:
    """Begin and stop of each run of equal values from ``first`` on."""
    edges = [first, *(np.flatnonzero(np.diff(values[first:])) + first + 1).tolist(), len(values)]
    yield from pairwise(edges)


def features(series: Series) -> tuple[Array, Array]:
    """Of each bar: mood now and of five bars before, buzz, return now and before, volatility; and the last three alone.

    Shapes (n, 10) and (n, 3). What is not known is NaN.
    """
    moods = [_earlier(series.mood, lag) for lag in range(MOOD_LAGS)]
    prices = [series.change, _earlier(series.change, 1), series.volatility]
    return np.column_stack([*moods, np.log1p(series.mentions), *prices]), np.column_stack(prices)


def _earlier(values: Array, lag: int) -> Array:
    return np.concatenate([np.full(min(lag, len(values)), nan), values[: max(0, len(values) - lag)]])


def _record(series: Series, chances: Array) -> Record | None:
    """How the forecasts came out; None below 100 of them."""
    known = ~np.isnan(chances[0]) & ~np.isnan(series.outcome)
    moved = known & (series.outcome != 0)
    n = int(np.count_nonzero(moved))
    if n < LEAST_RECORD:
        return None
    chances, ups = chances[:, moved], (series.outcome[moved] > 0).astype(np.float64)
    model, base, mood_free = (_score(each, ups) for each in chances)
    return Record(
        n=n,
        flats=int(np.count_nonzero(known)) - n,
        ups=int(np.count_nonzero(ups)),
        model=model,
        base=base,
        mood_free=mood_free,
        p_base=clark_west(chances[0], chances[1], ups),
        p_mood_free=clark_west(chances[0], chances[2], ups),
    )


def _score(chances: Array, ups: Array) -> Score:
    hits, n = int(np.count_nonzero((chances >= 0.5) == (ups > 0))), len(ups)
    low, high = wilson(hits, n)
    brier, brier_low, brier_high = mean_interval((chances - ups) ** 2)
    return Score(hit_rate=hits / n, hit_low=low, hit_high=high, brier=brier, brier_low=brier_low, brier_high=brier_high)


def sentence(told: Forecast) -> str:
    """What the record means, in words."""
    record = told.record
    if record is None:
        return (
            f"No forecast: it takes {LEAST_TRAIN} bars to train on and then {LEAST_RECORD} that went up or down "
            "to see what the model is worth."
        )
    figures = f"Brier score {record.model.brier:.4f} against {record.base.brier:.4f}, p {record.p_base:.3f}"
    if told.verdict == "no_better":
        return (
            f"Over the last {record.n} bars this model was no better than the base rate ({figures}): it says nothing."
        )
    free = f"{record.mood_free.brier:.4f}, p {record.p_mood_free:.3f}"
    mood = "better" if _is_better(record.model, record.mood_free, record.p_mood_free) else "no better"
    return (
        f"Over the last {record.n} bars this model was better than the base rate ({figures}), and {mood} "
        f"than the same model without mood ({free})."
    )
