"""Patterns of mood and price: where they are, and which way the next bar went after those of the past.

Each rule looks at one bar with what was known in time (:mod:`api.series`) and at bars before it. The newest bar can
show a pattern, but has no outcome yet and is not counted. Nothing is told of fewer than ``LEAST_SUPPORT`` outcomes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .evidence import false_discovery, fisher_exact, wilson
from .series import Array, Series

Bools = NDArray[np.bool_]
Side = Literal["up", "down"]
Status = Literal["OK", "INSUFFICIENT"]

LEAST_SUPPORT = 20
SURE = 0.05
TRAILING = 60
LEAST_TRAILING = 20
APART = 1.0
LOUD = 2.0
UNANIMOUS = 0.9
LEAST_SCORED = 10


@dataclass(frozen=True, slots=True)
class Rule:
    """A pattern: its name, its side where it has one, what it means, and where a series shows it."""

    pattern: str
    side: Side | None
    definition: str
    find: Callable[[Series], Bools]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lead:
    """What the newest correlation of mood and return says."""

    best_lag: int
    r: float
    p_best: float
    q_best: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What one pattern meant for one instrument.

    Attributes:
        symbol: the instrument.
        rule: the pattern.
        active: the newest bar shows it.
        event_time: end of the newest bar.
        last_seen: end of the last bar that showed it.
        support: bars that showed it and have an outcome: ``ups + downs + flats``.
        up_share: of the ups among ups and downs, with its 95 % interval ``up_low .. up_high`` by Wilson.
        base_rate: the same over all ``base_n`` bars of the look-back that went up or down next.
        p_value: of Fisher's exact test of these bars against all others.
        q_value: that p among all that were looked at.
        lead: for the two leads, the correlation of the newest bar.
        status: INSUFFICIENT, and all shares null, below ``LEAST_SUPPORT`` ups and downs.
    """

    symbol: str
    rule: Rule
    active: bool
    event_time: int
    last_seen: int | None
    support: int
    ups: int
    downs: int
    flats: int
    up_share: float | None = None
    up_low: float | None = None
    up_high: float | None = None
    base_rate: float | None = None
    base_n: int
    p_value: float | None = None
    q_value: float | None = None
    lead: Lead | None = None
    status: Status = "INSUFFICIENT"


def judge(symbol: str, series: Series) -> list[Evidence]:
    """Every rule over one instrument's bars; nothing of no bars."""
    return [_judge(symbol, series, rule) for rule in RULES] if len(series) else []


def rank(found: Sequence[Evidence], limit: int) -> list[Evidence]:
    """The ``limit`` that say most, after all q were taken over everything that was looked at."""
    outcomes = false_discovery([each.p_value for each in found])
    leads = {each.symbol: each.lead for each in found if each.lead is not None}
    searched = dict(zip(leads, false_discovery([lead.p_best for lead in leads.values()]), strict=True))
    told = [
        replace(each, q_value=q, lead=each.lead and replace(each.lead, q_best=searched[each.symbol]))
        for each, q in zip(found, outcomes, strict=True)
    ]
    return sorted(told, key=_order)[:limit]


def _order(each: Evidence) -> tuple[object, ...]:
    """By the least q of its outcomes, and of its lead while that is there; then what is there now, then support."""
    lead = each.lead.q_best if each.lead is not None and each.active else None
    least = min(q for q in (each.q_value, lead, 2.0) if q is not None)
    return least, not each.active, -each.support, each.symbol, each.rule.pattern, each.rule.side or ""


def _judge(symbol: str, series: Series, rule: Rule) -> Evidence:
    shown, outcome = rule.find(series), series.outcome
    after, known = outcome[shown], outcome[~np.isnan(outcome)]
    ups, downs, flats = (int(np.count_nonzero(side)) for side in (after > 0, after < 0, after == 0))
    places = np.flatnonzero(shown)
    bare = Evidence(
        symbol=symbol,
        rule=rule,
        active=bool(shown[-1]),
        event_time=int(series.end[-1]),
        last_seen=int(series.end[places[-1]]) if places.size else None,
        support=ups + downs + flats,
        ups=ups,
        downs=downs,
        flats=flats,
        base_n=int(np.count_nonzero(known)),
        lead=_lead(series) if rule.pattern in LEADS else None,
    )
    return _weigh(bare, int(np.count_nonzero(known > 0)))


def _weigh(bare: Evidence, all_ups: int) -> Evidence:
    n = bare.ups + bare.downs
    if n < LEAST_SUPPORT:
        return bare
    low, high = wilson(bare.ups, n)
    return replace(
        bare,
        up_share=bare.ups / n,
        up_low=low,
        up_high=high,
        base_rate=all_ups / bare.base_n,
        p_value=fisher_exact(bare.ups, n, all_ups, bare.base_n),
        status="OK",
    )


def _lead(series: Series) -> Lead | None:
    lag, r, p = series.lead[-1], series.lead_r[-1], series.lead_p[-1]
    if np.isnan(lag) or np.isnan(r) or np.isnan(p):
        return None
    return Lead(best_lag=int(lag), r=float(r), p_best=float(p))


def trailing(values: Array) -> tuple[Array, Array]:
    """Mean and sample deviation of the known ones among the 60 values before each; NaN below 20 of them."""
    padded = np.concatenate([np.full(TRAILING, np.nan), values])[:-1]
    windows = np.lib.stride_tricks.sliding_window_view(padded, TRAILING)
    there = ~np.isnan(windows)
    n = there.sum(axis=1)
    filled = np.where(there, windows, 0.0)
    mean = filled.sum(axis=1) / np.maximum(n, 1)
    spread = np.where(there, windows - mean[:, None], 0.0)
    deviation = np.sqrt((spread**2).sum(axis=1) / np.maximum(n - 1, 1))
    enough = n >= LEAST_TRAILING
    return np.where(enough, mean, np.nan), np.where(enough, deviation, np.nan)


def standing(values: Array) -> Array:
    """Each value in deviations from the mean of those before it; NaN where these are too few or all the same."""
    mean, deviation = trailing(values)
    answer: Array = np.divide(values - mean, deviation, out=np.full(len(values), np.nan), where=deviation > 0)
    return answer


def _mood_leads(up: bool) -> Callable[[Series], Bools]:
    def find(series: Series) -> Bools:
        sure = (series.lead_p < SURE) & (series.lead > 0)
        leading = np.arange(len(series)) + 1 - np.where(sure, series.lead, 1).astype(np.int64)
        sure &= leading >= 0
        above = series.mood - trailing(series.mood)[0]
        pointed = series.lead_r * above[np.maximum(leading, 0)]
        return sure & (pointed > 0 if up else pointed < 0)

    return find


def _price_leads(up: bool) -> Callable[[Series], Bools]:
    def find(series: Series) -> Bools:
        return (series.lead_p < SURE) & (series.lead < 0) & (series.change > 0 if up else series.change < 0)

    return find


def _divergence(sign: float) -> Callable[[Series], Bools]:
    def find(series: Series) -> Bools:
        return (sign * standing(series.mood) > APART) & (sign * standing(series.change) < -APART)

    return find


def _burst(series: Series) -> Bools:
    loud: Bools = series.buzz_z > LOUD
    return loud


def _consensus(up: bool) -> Callable[[Series], Bools]:
    def find(series: Series) -> Bools:
        scored = series.positive + series.negative + series.neutral
        agreed = series.positive if up else series.negative
        return (scored >= LEAST_SCORED) & (agreed >= UNANIMOUS * scored)

    return find


LEADS = ("MOOD_LEADS", "PRICE_LEADS")
_APART = (
    f"by more than {APART:g} deviation each, against the mean and deviation of the {TRAILING} bars before "
    f"(at least {LEAST_TRAILING} of them known)"
)
_SEARCH = (
    f"The last {TRAILING} bars' correlation of mood and return has p_best below {SURE:g} and its best lag says that"
)

RULES: tuple[Rule, ...] = (
    Rule(
        "MOOD_LEADS",
        "up",
        f"{_SEARCH} mood leads; the mood that is as many bars before the next bar points up, by the sign of r.",
        _mood_leads(up=True),
    ),
    Rule(
        "MOOD_LEADS",
        "down",
        f"{_SEARCH} mood leads; the mood that is as many bars before the next bar points down, by the sign of r.",
        _mood_leads(up=False),
    ),
    Rule("PRICE_LEADS", "up", f"{_SEARCH} the return leads; this bar's return was above 0.", _price_leads(up=True)),
    Rule("PRICE_LEADS", "down", f"{_SEARCH} the return leads; this bar's return was below 0.", _price_leads(up=False)),
    Rule("DIVERGENCE", "up", f"Mood stood high and the return low, {_APART}.", _divergence(1.0)),
    Rule("DIVERGENCE", "down", f"Mood stood low and the return high, {_APART}.", _divergence(-1.0)),
    Rule("BUZZ_BURST", None, f"buzz_z of the bucket that ends with the bar was above {LOUD:g}.", _burst),
    Rule(
        "CONSENSUS",
        "up",
        f"At least {LEAST_SCORED} posts since the bar before were scored, and {UNANIMOUS:.0%} of them positive.",
        _consensus(up=True),
    ),
    Rule(
        "CONSENSUS",
        "down",
        f"At least {LEAST_SCORED} posts since the bar before were scored, and {UNANIMOUS:.0%} of them negative.",
        _consensus(up=False),
    ),
)
