"""Patterns against plain loops, and what may be said of them."""

from dataclasses import replace
from math import isnan
from random import Random
from statistics import mean, stdev

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.patterns import LEAST_SUPPORT, RULES, Evidence, Lead, Rule, judge, rank
from api.series import Series
from bench.correlation.planted import blank

worlds = st.integers(0, 10**9).map(Random)


def series_of(random: Random, bars: int) -> Series:
    """Bars in which every pattern occurs now and then."""
    made = blank(bars)
    gone = np.nan
    made["change"] = np.array([random.choice([gone, 0.0, random.gauss(0, 1)]) for _ in range(bars)])
    made["outcome"] = np.append(made["change"][1:], gone)
    made["mood"] = np.array([random.choice([gone, random.gauss(0, 1)]) for _ in range(bars)])
    made["buzz_z"] = np.array([random.choice([gone, random.gauss(0, 2)]) for _ in range(bars)])
    made["positive"] = np.array([random.choice([0.0, 9.0, 10.0]) for _ in range(bars)])
    made["negative"] = np.array([random.choice([0.0, 1.0, 90.0]) for _ in range(bars)])
    made["lead"] = np.array([random.choice([gone, -2.0, 0.0, 1.0, 3.0]) for _ in range(bars)])
    made["lead_r"] = np.array([random.uniform(-1, 1) for _ in range(bars)])
    made["lead_p"] = np.array([random.choice([0.01, 0.2]) for _ in range(bars)])
    return Series(**made)


def apart(values: np.ndarray, i: int) -> float | None:
    """Deviations of a value from the mean of the known ones among the 60 before it."""
    before = [v for v in values[max(0, i - 60) : i].tolist() if not isnan(v)]
    if len(before) < 20 or isnan(values[i]):
        return None
    return float((values[i] - mean(before)) / stdev(before))


def shows(rule: Rule, s: Series, i: int) -> bool:
    """One rule at one bar, said plainly."""
    sign = 1 if rule.side == "up" else -1
    if rule.pattern == "BUZZ_BURST":
        return bool(s.buzz_z[i] > 2)
    if rule.pattern == "CONSENSUS":
        scored, agreed = s.positive[i] + s.negative[i], (s.positive if sign > 0 else s.negative)[i]
        return bool(scored >= 10 and agreed / scored >= 0.9)
    if rule.pattern == "DIVERGENCE":
        mood, change = apart(s.mood, i), apart(s.change, i)
        return mood is not None and change is not None and sign * mood > 1 and sign * change < -1
    if isnan(s.lead[i]) or s.lead_p[i] >= 0.05:
        return False
    if rule.pattern == "PRICE_LEADS":
        return bool(s.lead[i] < 0 and sign * s.change[i] > 0)
    leading = i + 1 - int(s.lead[i])
    if s.lead[i] <= 0 or leading < 0 or isnan(s.mood[leading]):
        return False
    before = [v for v in s.mood[max(0, leading - 60) : leading].tolist() if not isnan(v)]
    return len(before) >= 20 and bool(sign * s.lead_r[i] * (s.mood[leading] - mean(before)) > 0)


@settings(deadline=None, max_examples=15)
@given(worlds)
def test_every_rule_equals_its_plain_words(random: Random) -> None:
    """The bars that show a pattern are those of a loop over the bars before each; those with an outcome are counted."""
    series = series_of(random, random.randint(1, 120))
    for rule, found in zip(RULES, judge("TSLA", series), strict=True):
        shown = [i for i in range(len(series)) if shows(rule, series, i)]
        after = [float(series.outcome[i]) for i in shown]
        assert rule.find(series).nonzero()[0].tolist() == shown, rule.pattern
        assert (found.ups, found.downs, found.flats) == (
            sum(a > 0 for a in after),
            sum(a < 0 for a in after),
            sum(a == 0 for a in after),
        )
        assert found.active == (len(series) - 1 in shown)
        assert found.last_seen == (int(series.end[shown[-1]]) if shown else None)


@settings(deadline=None, max_examples=15)
@given(worlds)
def test_no_rule_looks_ahead(random: Random) -> None:
    """What a bar shows is the same whether the bars after it are there or not."""
    series = series_of(random, 100)
    cut = random.randint(1, 99)
    names = [name for name in Series.__slots__ if name != "__weakref__"]
    early = replace(series, **{name: getattr(series, name)[:cut] for name in names})
    for rule in RULES:
        assert rule.find(early).tolist() == rule.find(series)[:cut].tolist()


def test_the_newest_bar_is_shown_but_not_counted() -> None:
    """Twenty bursts with outcomes are support; the one without is only active."""
    made = blank(LEAST_SUPPORT + 1)
    made["buzz_z"][:] = 3.0
    made["outcome"][:-1] = [1.0] * 15 + [-1.0] * 5
    burst = next(e for e in judge("TSLA", Series(**made)) if e.rule.pattern == "BUZZ_BURST")
    assert (burst.active, burst.support, burst.ups, burst.downs) == (True, 20, 15, 5)
    assert (burst.status, burst.up_share, burst.base_rate, burst.p_value) == ("OK", 0.75, 0.75, 1.0)


def test_too_little_support_tells_no_share() -> None:
    """Nineteen ups and downs are counted, and nothing is concluded; flat bars do not help."""
    made = blank(60)
    made["buzz_z"][:] = 3.0
    made["outcome"][:30] = [1.0] * 19 + [0.0] * 11
    burst = next(e for e in judge("TSLA", Series(**made)) if e.rule.pattern == "BUZZ_BURST")
    assert (burst.status, burst.support, burst.ups, burst.flats) == ("INSUFFICIENT", 30, 19, 11)
    assert {burst.up_share, burst.up_low, burst.up_high, burst.base_rate, burst.p_value} == {None}


def test_a_planted_pattern_is_found_and_an_unrelated_one_is_not() -> None:
    """Bursts after which the price rises have a tiny p; where they mean nothing, about 5 in 100 are below 5 %."""
    random = np.random.default_rng(3)
    small = 0
    for attempt in range(101):
        made = blank(600)
        made["buzz_z"] = np.where(random.random(600) < 0.2, 3.0, 0.0)
        drift = 1.0 if attempt == 100 else 0.0
        made["outcome"] = random.standard_normal(600) + drift * (made["buzz_z"] > 2)
        p = next(e.p_value for e in judge("TSLA", Series(**made)) if e.rule.pattern == "BUZZ_BURST")
        assert p is not None
        if attempt == 100:
            assert p < 1e-6
        else:
            small += p < 0.05
    assert 1 <= small <= 12


def evidence(symbol: str, p: float | None, lead: Lead | None = None, active: bool = True) -> Evidence:
    """One finding."""
    rule = RULES[0] if lead is not None else RULES[6]
    return Evidence(
        symbol=symbol,
        rule=rule,
        active=active,
        event_time=1,
        last_seen=None,
        support=0,
        ups=0,
        downs=0,
        flats=0,
        base_n=0,
        p_value=p,
        lead=lead,
    )


def test_ranking_counts_everything_that_was_looked_at() -> None:
    """All q are taken before the list is cut; a symbol's search over lags is one test however many rules show it."""
    leads = [evidence("A", None, Lead(best_lag=1, r=0.5, p_best=0.001)) for _ in range(4)]
    leads += [evidence("B", None, Lead(best_lag=1, r=0.5, p_best=0.9), active=False)]
    found = [*leads, evidence("C", 0.01), evidence("D", 0.5), evidence("E", None)]
    ranked = rank(found, 6)
    assert [each.symbol for each in ranked] == ["A", "A", "A", "A", "C", "D"]
    assert ranked[0].lead is not None
    assert ranked[0].lead.q_best == pytest.approx(0.002)
    assert [each.q_value for each in ranked[4:]] == pytest.approx([0.02, 0.5])


def test_nothing_of_no_bars() -> None:
    """An instrument without bars shows no pattern, not nine empty ones."""
    assert judge("TSLA", Series(**blank(0))) == []
