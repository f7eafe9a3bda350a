"""What the routes answer. Names are fixed; a number that is not known is null, never 0 or "neutral"."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, Field

POSITIVE_ABOVE = 0.05
NEGATIVE_BELOW = -0.05
QuoteStatus = Literal["live", "stale", "no_data"]
MoodStatus = Literal["ok", "no_data", "partial"]
Label = Literal["positive", "negative", "neutral"]

CAUTION = (
    "A correlation over past bars describes that window only: it is neither a cause nor a forecast, the best lag is "
    "the strongest of many that were tried, and a small n_effective says little whatever r is."
)


class QuoteShape(BaseModel):
    """The newest price of an instrument."""

    symbol: str
    price: float | None = None
    change: float | None = Field(
        default=None, description="Against the close of the last day's bar before the quote's day."
    )
    change_percent: float | None = None
    bid: float | None = None
    ask: float | None = None
    volume: float | None = Field(default=None, description="Size of this fact, not a running total.")
    currency: str | None = None
    session: str | None = None
    event_time: str | None = None
    age_seconds: float | None = Field(default=None, description="Against the source's own clock when it is played.")
    source: str | None = None
    flags: list[str] = []
    status: QuoteStatus = "no_data"


class BarShape(BaseModel):
    """A closed bucket (start, event_time] of prices."""

    start: str
    event_time: str
    open: float
    high: float
    low: float
    close: float
    volume: float
    vwap: float | None
    revision: int
    source: str


class HistoryShape(BaseModel):
    """Bars, ascending by event_time."""

    symbol: str
    interval: int
    items: list[BarShape]
    next: str | None = None
    status: Literal["ok", "no_data"] = "ok"


class IndicatorsItem(BaseModel):
    """Indicators of one bar, as known when it was emitted."""

    event_time: str
    values: dict[str, float | None]
    source: str
    revision: int


class IndicatorsShape(BaseModel):
    """Indicators, ascending by event_time."""

    symbol: str
    interval: int
    items: list[IndicatorsItem]
    next: str | None = None
    status: Literal["ok", "no_data"] = "ok"


class InstrumentShape(BaseModel):
    """An instrument that is known."""

    symbol: str
    name: str
    exchange: str | None = None
    currency: str | None = None


class SearchShape(BaseModel):
    """Instruments found, best first."""

    items: list[InstrumentShape]


class SentimentShape(BaseModel):
    """The mood of an instrument in one bucket."""

    symbol: str
    interval: int
    start: str | None = None
    event_time: str | None = None
    revision: int | None = None
    score: float | None = None
    score_weighted: float | None = None
    label: Label | None = None
    mentions: int | None = None
    duplicates: int | None = None
    authors: int | None = None
    positive: int | None = None
    negative: int | None = None
    neutral: int | None = None
    buzz_z: float | None = None
    coverage: float | None = None
    sources: dict[str, int] = {}
    keywords: list[str] = []
    model: str | None = None
    model_version: str | None = None
    age_seconds: float | None = None
    stale: bool | None = None
    status: MoodStatus = "no_data"


class SentimentHistoryShape(BaseModel):
    """Moods, ascending by event_time."""

    symbol: str
    interval: int
    items: list[SentimentShape]
    next: str | None = None
    status: Literal["ok", "no_data"] = "ok"


class PostItem(BaseModel):
    """One post that named the instrument: where it is, what it scored, by which rule it was found."""

    source: str
    post_id: str
    revision: int
    event_time: str
    url: str | None
    community: str | None
    rule: str
    confidence: float
    spam: float
    flags: list[str]
    score: float | None
    label: str | None
    positive: float | None
    negative: float | None
    neutral: float | None
    model: str | None
    model_version: str | None


class PostsShape(BaseModel):
    """Posts behind a mood, ascending by event_time; deleted ones are left out."""

    symbol: str
    items: list[PostItem]
    next: str | None = None
    status: Literal["ok", "no_data"] = "ok"


class SourceItem(BaseModel):
    """How a post source is doing."""

    source: str
    status: Literal["live", "stale", "blind", "off"]
    last_event_time: str | None
    posts_24h: int
    gaps_24h: int
    quota_remaining: int | None = None
    spend_today_usd: float | None = None


class SourcesShape(BaseModel):
    """Every post source that is enabled or was heard of."""

    items: list[SourceItem]


class PairShape(BaseModel):
    """One pair of series by one method."""

    pair: str
    method: str
    n: int
    n_effective: float | None
    r: float | None
    p_value: float | None
    ci_low: float | None
    ci_high: float | None
    best_lag: int | None = Field(description="Bars; positive = mood leads.")
    p_best: float | None
    lags: list[int]
    r_by_lag: list[float | None]
    status: str
    method_version: int


class CorrelationShape(BaseModel):
    """Mood against price over the last bars of an instrument."""

    symbol: str
    interval: int
    window: int
    event_time: str | None = None
    pairs: list[PairShape] = []
    price_source: str | None = None
    model: str | None = None
    model_version: str | None = None
    age_seconds: float | None = None
    stale: bool | None = None
    status: Literal["ok", "no_data"] = "no_data"
    caution: str = CAUTION


class BestCorrelation(PairShape):
    """The correlation that says most at the newest end of an instrument."""

    interval: int
    window: int
    event_time: str
    price_source: str | None
    model: str | None
    model_version: str | None


class OverviewItem(BaseModel):
    """What is known of one instrument now."""

    symbol: str
    name: str | None
    quote: QuoteShape
    sentiment: SentimentShape
    correlation: BestCorrelation | None


class OverviewShape(BaseModel):
    """The live table."""

    items: list[OverviewItem]
    caution: str = CAUTION


def label_of(score: float | None) -> Label | None:
    """Positive above .05, negative below -.05, neutral between, None for no score."""
    if score is None:
        return None
    if score > POSITIVE_ABOVE:
        return "positive"
    return "negative" if score < NEGATIVE_BELOW else "neutral"


def mood_status(row: Mapping[str, Any]) -> MoodStatus:
    """``partial`` where posts were counted but none scored, or a source was blind for a part of the bucket."""
    return "ok" if row["score"] is not None and row["coverage"] >= 1.0 else "partial"
