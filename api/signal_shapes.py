"""What the routes of patterns and predictions answer; a number that is not known is null."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Literal

from pydantic import BaseModel, Field

from infra.clock import to_rfc3339

from .forecast import ALPHA, Forecast, Record, Score, sentence
from .patterns import LEAST_SUPPORT, TRAILING, Evidence, Lead

PATTERNS_CAUTION = (
    "A pattern is a description of the past: bars in a row are not independent, the strongest of many that were looked "
    "at look stronger than they are, and a q_value is the share of false finds only where its tests hold."
)
PREDICTION_CAUTION = (
    "A chance, not advice: the record is of the past, knows no costs, and a model that was better than the base rate "
    "may be so by luck once in twenty times."
)


class LeadShape(BaseModel):
    """The newest correlation of mood and return: positive lag = mood leads."""

    window: int = Field(default=TRAILING, description="Bars.")
    best_lag: int
    r: float
    p_best: float
    q_best: float | None = Field(description="p_best among the newest correlations of all that were looked at.")


class PatternItem(BaseModel):
    """One pattern of one instrument, and which way the next bar went after it."""

    symbol: str
    pattern: str
    side: Literal["up", "down"] | None = Field(description="Which way the mood or the price points.")
    definition: str
    active: bool = Field(description="The newest bar shows it.")
    event_time: str = Field(description="End of the newest bar.")
    last_seen: str | None
    support: int = Field(description="Earlier bars that showed it; the newest has no outcome and is not among them.")
    ups: int = Field(description="Of these, the next bar's return was above 0.")
    downs: int
    flats: int
    up_share: float | None = Field(description="ups / (ups + downs).")
    up_low: float | None = Field(description="95 % interval of up_share.")
    up_high: float | None
    base_rate: float | None = Field(description="The same over all bars looked back on.")
    base_n: int
    p_value: float | None = Field(description="Fisher's exact test of up_share against all other bars.")
    q_value: float | None = Field(description="p_value among all tests of this answer's search.")
    lead: LeadShape | None
    price_source: str | None
    model: str | None
    model_version: str | None
    status: Literal["OK", "INSUFFICIENT"] = Field(
        description=f"INSUFFICIENT, and shares null, below {LEAST_SUPPORT} ups and downs."
    )


class PatternsShape(BaseModel):
    """Patterns, what says most first."""

    interval: int
    items: list[PatternItem]
    symbols_looked_at: int
    tests: int = Field(description="p_values behind the q_values, shown or not.")
    status: Literal["ok", "no_data"]
    caution: str = PATTERNS_CAUTION


class ScoreShape(BaseModel):
    """How one forecaster did on the record's bars, with 95 % intervals."""

    hit_rate: float
    hit_low: float
    hit_high: float
    brier: float = Field(description="Mean squared error of the chance: 0 is perfect, .25 a coin's.")
    brier_low: float
    brier_high: float


class RecordShape(BaseModel):
    """Forecasts made before their bar, each by the model of the last refit before it."""

    n: int
    flats: int = Field(description="Bars that neither rose nor fell; they are in no figure.")
    ups: int
    model: ScoreShape
    base_rate: ScoreShape = Field(description="The share of ups in the same training bars.")
    mood_free: ScoreShape = Field(description="The same model without mood and buzz.")
    p_base_rate: float = Field(
        description="One-sided (Clark, West): that the model is not truly better than the base rate."
    )
    p_mood_free: float


class PredictionShape(BaseModel):
    """The chance that the next bar goes up rather than down, never without its record."""

    symbol: str
    interval: int
    event_time: str | None = None
    probability_up: float | None = None
    refitted_at: str | None = None
    trained_on: int | None = None
    record: RecordShape | None = None
    verdict: Literal["better", "no_better", "unknown"] = Field(
        default="unknown",
        description=f"better: a lower Brier score than the base rate's, and p_base_rate below {ALPHA:g}.",
    )
    sentence: str = "Nothing is stored."
    price_source: str | None = None
    model: str | None = None
    model_version: str | None = None
    status: Literal["ok", "no_data", "INSUFFICIENT"] = "no_data"
    caution: str = PREDICTION_CAUTION


def pattern_item(found: Evidence, origin: Mapping[str, Any]) -> PatternItem:
    """Evidence as it is told, with the ``price_source``, ``model`` and ``model_version`` behind it."""
    names = PatternItem.model_fields.keys() & {each.name for each in fields(found)}
    return PatternItem(
        **{name: getattr(found, name) for name in names - {"event_time", "last_seen", "lead"}},
        **origin,
        pattern=found.rule.pattern,
        side=found.rule.side,
        definition=found.rule.definition,
        event_time=to_rfc3339(found.event_time),
        last_seen=None if found.last_seen is None else to_rfc3339(found.last_seen),
        lead=None if found.lead is None else _lead(found.lead),
    )


def _lead(lead: Lead) -> LeadShape:
    return LeadShape(best_lag=lead.best_lag, r=lead.r, p_best=lead.p_best, q_best=lead.q_best)


def prediction_shape(symbol: str, interval: int, told: Forecast | None) -> PredictionShape:
    """A forecast as it is told; ``no_data`` of none."""
    shape = PredictionShape(symbol=symbol, interval=interval)
    if told is None:
        return shape
    more = {
        "event_time": to_rfc3339(told.event_time),
        "probability_up": told.probability_up,
        "refitted_at": None if told.refitted_at is None else to_rfc3339(told.refitted_at),
        "trained_on": told.trained_on,
        "record": None if told.record is None else _record(told.record),
        "verdict": told.verdict,
        "sentence": sentence(told),
        "status": "ok" if told.status == "OK" else "INSUFFICIENT",
    }
    return shape.model_copy(update=more)


def _record(record: Record) -> RecordShape:
    return RecordShape(
        n=record.n,
        flats=record.flats,
        ups=record.ups,
        model=_score(record.model),
        base_rate=_score(record.base),
        mood_free=_score(record.mood_free),
        p_base_rate=record.p_base,
        p_mood_free=record.p_mood_free,
    )


def _score(score: Score) -> ScoreShape:
    return ScoreShape(**{name: getattr(score, name) for name in ScoreShape.model_fields})
