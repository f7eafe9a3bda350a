"""Forecasts: nothing from the future, an honest record, and a plain word where there is nothing in it."""

import asyncio
from dataclasses import replace

import numpy as np
import pytest
from scipy import optimize, special

from api.forecast import LEAST_RECORD, LOOK_BACK, REFIT_INTERVALS, Forecast, forecast, sentence
from api.forecasts import MOST, Forecasts
from api.logistic import FARTHEST, PENALTY, fit
from api.series import Series
from bench.correlation.planted import MICROS, blank, planted

PERIOD = REFIT_INTERVALS * 300 * MICROS


def cut(series: Series, begin: int, stop: int) -> Series:
    """Some of the bars, as known when the last of them was the newest."""
    names = Series.__slots__
    part = replace(series, **{name: getattr(series, name)[begin:stop] for name in names})
    return replace(part, outcome=np.append(part.outcome[:-1], np.nan))


def test_weights_are_those_of_a_general_minimiser() -> None:
    """Newton's steps end where scipy's minimiser of the penalised log loss ends; what is unknown counts as the mean."""
    random = np.random.default_rng(1)
    rows = random.standard_normal((300, 3)) * [1.0, 5.0, 0.1] + 2.0
    rows[random.random((300, 3)) < 0.1] = np.nan
    target = (random.random(300) < special.expit(np.nan_to_num(rows[:, 0] - 2.0))).astype(float)
    away = (rows - np.nanmean(rows, axis=0)) / np.nanstd(rows, axis=0)
    design = np.column_stack([np.ones(300), np.clip(np.nan_to_num(away), -FARTHEST, FARTHEST)])

    def loss(weights: np.ndarray) -> float:
        z = design @ weights
        return float((np.logaddexp(0.0, z) - target * z).sum() + PENALTY / 2 * (weights[1:] ** 2).sum())

    found = fit(rows, target)
    assert found.weights == pytest.approx(optimize.minimize(loss, np.zeros(4)).x, abs=1e-4)
    assert found.chances(rows) == pytest.approx(special.expit(design @ found.weights), rel=1e-9)


def test_a_feature_that_never_changes_has_no_weight() -> None:
    """A constant or unknown column neither fails nor says anything."""
    random = np.random.default_rng(2)
    rows = np.column_stack([np.ones(50), np.full(50, np.nan), random.standard_normal(50)])
    found = fit(rows, (rows[:, 2] > 0).astype(float))
    assert found.weights[1:3].tolist() == [0.0, 0.0]


def test_a_real_lead_of_mood_is_found_better() -> None:
    """Mood that leads the return by four bars is found to help, against the base rate and the mood-free model."""
    told = forecast(planted(np.random.default_rng(1), LOOK_BACK, 4, 0.4), 300)
    assert told is not None
    assert told.record is not None
    assert (told.status, told.verdict) == ("OK", "better")
    assert told.record.model.hit_low > 0.5
    assert max(told.record.p_base, told.record.p_mood_free) < 0.01
    assert "was better than the base rate" in sentence(told)
    assert "and better than the same model without mood" in sentence(told)


def test_unrelated_moods_are_seldom_called_better() -> None:
    """Of twenty series in which mood and return have nothing in common, few are taken for related."""
    random = np.random.default_rng(2)
    told = [forecast(planted(random, LOOK_BACK, 4, 0.0), 300) for _ in range(20)]
    verdicts = [each.verdict for each in told if each is not None]
    assert verdicts.count("better") <= 4
    assert verdicts.count("better") + verdicts.count("no_better") == 20
    assert "no better than the base rate" in sentence(told[verdicts.index("no_better")] or Forecast(event_time=0))


def test_a_forecast_is_a_function_of_the_past_alone() -> None:
    """Asked when a bar was the newest, older rows than it needs and later ones change nothing of the answer."""
    series = planted(np.random.default_rng(3), LOOK_BACK + 60, 4, 0.3)
    then = forecast(cut(series, 30, LOOK_BACK + 30), 300)
    longer = forecast(cut(series, 0, LOOK_BACK + 30), 300)
    assert then == longer
    changed = series.change.copy()
    changed[LOOK_BACK + 30 :] *= -9.0
    assert forecast(cut(replace(series, change=changed), 30, LOOK_BACK + 30), 300) == then


def test_what_follows_a_refit_does_not_move_its_weights() -> None:
    """Bars after the last refit may change at will: a bar with the same features gets the same chance."""
    series = planted(np.random.default_rng(4), LOOK_BACK, 4, 0.3)
    last = len(series) - 1
    told = forecast(series, 300)
    assert told is not None
    assert told.refitted_at == int(series.end[-1]) // PERIOD * PERIOD
    since = int(np.searchsorted(series.end, told.refitted_at)) + 1
    assert since < last - 6, "the newest bar must be well behind its refit for this to say something"
    changed, outcome = series.change.copy(), series.outcome.copy()
    changed[since : last - 1] *= -1.0
    outcome[since - 1 : last - 2] *= -1.0
    again = forecast(replace(series, change=changed, outcome=outcome), 300)
    assert again is not None
    assert again.probability_up == told.probability_up
    assert again.record != told.record


def test_the_record_is_of_the_same_bars_for_all() -> None:
    """Flat bars are counted apart, the base rate's Brier score is near a coin's, all intervals hold their figure."""
    series = planted(np.random.default_rng(5), LOOK_BACK, 4, 0.3)
    change = np.where(np.arange(LOOK_BACK) % 10 == 0, 0.0, series.change)
    told = forecast(replace(series, change=change, outcome=np.append(change[1:], np.nan)), 300)
    assert told is not None
    assert told.record is not None
    assert (told.record.n, told.record.flats, told.trained_on) == (450, 50, 450)
    assert told.record.base.brier == pytest.approx(0.25, abs=0.01)
    for score in (told.record.model, told.record.base, told.record.mood_free):
        assert score.hit_low < score.hit_rate < score.hit_high
        assert score.brier_low <= score.brier <= score.brier_high


@pytest.mark.parametrize("bars", [1, 2, 150, LEAST_RECORD + 100])
def test_without_a_record_there_is_no_chance(bars: int) -> None:
    """Too few bars to train on or to judge by: no number, and a sentence that says why."""
    told = forecast(planted(np.random.default_rng(6), LOOK_BACK, 4, 0.3), 300)
    few = forecast(cut(planted(np.random.default_rng(6), LOOK_BACK, 4, 0.3), 0, bars), 300)
    assert told is not None
    assert few is not None
    assert (told.probability_up is None, few.probability_up, few.record, few.status) == (
        False,
        None,
        None,
        "INSUFFICIENT",
    )
    assert sentence(few).startswith("No forecast")


def test_a_price_that_only_rises_teaches_nothing() -> None:
    """With one way only in the training there is no model; of no bars there is nothing at all."""
    series = planted(np.random.default_rng(7), LOOK_BACK, 4, 0.0)
    up = forecast(replace(series, change=np.abs(series.change), outcome=np.abs(series.outcome)), 300)
    assert up is not None
    assert up.status == "INSUFFICIENT"
    assert forecast(Series(**blank(0)), 300) is None


async def _asked_twice() -> None:
    forecasts = Forecasts()
    series = planted(np.random.default_rng(8), 60, 4, 0.0)
    first = await forecasts.of(series, 300)
    assert await forecasts.of(replace(series), 300) is first
    changed = replace(series, mood=np.nan_to_num(series.mood))
    assert await forecasts.of(changed, 300) is not first
    for number in range(MOST):
        await forecasts.of(replace(series, buzz_z=np.full(60, float(number))), 300)
    assert await forecasts.of(series, 300) is not first


def test_the_same_rows_are_worked_out_once() -> None:
    """The same rows give the kept forecast, changed ones another, and only the last few are kept."""
    asyncio.run(_asked_twice())
