"""The records of the contract, one frozen class for each ``.avsc`` beside this file.

Names and order of the fields are those of the schemas (a test holds the two together); the schemas' ``doc``
texts say what each means. Times are ``int`` microseconds since 1970-01-01 UTC, prices are in the instrument's
currency, ``None`` means unknown.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Session = Literal["UNKNOWN", "PRE", "REGULAR", "POST", "OVERNIGHT", "CLOSED"]
Pair = Literal["UNKNOWN", "MOOD_RETURN", "BUZZ_VOLATILITY"]
Method = Literal["UNKNOWN", "PEARSON", "SPEARMAN"]
Status = Literal["UNKNOWN", "OK", "INSUFFICIENT", "DEGENERATE"]
Kind = Literal["UNKNOWN", "STOCK", "FUND", "INDEX", "CRYPTO", "DERIVED"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceBar:
    """A bar as the source built it."""

    interval: int = 0
    open: float = 0.0
    high: float = 0.0
    low: float = 0.0
    volume: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RawQuote:
    """A price as its source said it."""

    source: str
    symbol: str
    event_time: int
    ingest_time: int = 0
    price: float = 0.0
    volume: float | None = None
    bid: float | None = None
    ask: float | None = None
    bid_size: float | None = None
    ask_size: float | None = None
    currency: str | None = None
    session: Session = "UNKNOWN"
    sequence: int | None = None
    bar: SourceBar | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RawPost:
    """A post as its source said it; the author already a salted hash."""

    source: str
    post_id: str
    revision: int = 0
    event_time: int
    ingest_time: int = 0
    author: str | None = None
    text: str = ""
    url: str | None = None
    community: str | None = None
    language: str | None = None
    reply_to: str | None = None
    repost_of: str | None = None
    likes: int | None = None
    replies: int | None = None
    reposts: int | None = None
    symbols: tuple[str, ...] = ()
    deleted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """A validated, deduplicated and flagged price."""

    source: str
    symbol: str
    event_time: int
    ingest_time: int = 0
    price: float = 0.0
    volume: float | None = None
    bid: float | None = None
    ask: float | None = None
    bid_size: float | None = None
    ask_size: float | None = None
    currency: str | None = None
    session: Session = "UNKNOWN"
    sequence: int | None = None
    bar: SourceBar | None = None
    revision: int = 0
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Indicators:
    """Over the bars that exist, in order, as known when emitted. Equal to TA-Lib."""

    return_log: float | None = None
    sma20: float | None = None
    ema12: float | None = None
    ema26: float | None = None
    macd: float | None = None
    macd_signal: float | None = None
    rsi14: float | None = None
    bollinger_upper: float | None = None
    bollinger_lower: float | None = None
    atr14: float | None = None
    volatility20: float | None = None
    obv: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A closed bucket of prices with its indicators. The bucket is (start, event_time]."""

    symbol: str
    interval: int
    start: int
    event_time: int
    known_time: int = 0
    revision: int = 0
    open: float = 0.0
    high: float = 0.0
    low: float = 0.0
    close: float = 0.0
    volume: float = 0.0
    trades: int = 0
    vwap: float | None = None
    source: str = ""
    flags: tuple[str, ...] = ()
    indicators: Indicators = field(default_factory=Indicators)


@dataclass(frozen=True, slots=True, kw_only=True)
class PostMention:
    """An instrument named by a post."""

    symbol: str = ""
    rule: str = ""
    confidence: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SentimentScore:
    """What one model says of one text."""

    score: float = 0.0
    positive: float = 0.0
    negative: float = 0.0
    neutral: float = 0.0
    label: str = ""
    model: str = ""
    model_version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredPost:
    """What was found out about a post; no text."""

    source: str
    post_id: str
    revision: int = 0
    event_time: int
    ingest_time: int = 0
    author: str | None = None
    community: str | None = None
    url: str | None = None
    language: str | None = None
    spam: float = 0.0
    flags: tuple[str, ...] = ()
    deleted: bool = False
    mentions: tuple[PostMention, ...] = ()
    sentiment: SentimentScore | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Mention:
    """One instrument in one post, scored."""

    symbol: str
    source: str
    post_id: str
    revision: int = 0
    event_time: int
    ingest_time: int = 0
    author: str | None = None
    community: str | None = None
    url: str | None = None
    rule: str = ""
    confidence: float = 0.0
    spam: float = 0.0
    flags: tuple[str, ...] = ()
    deleted: bool = False
    score: float | None = None
    positive: float | None = None
    negative: float | None = None
    neutral: float | None = None
    label: str | None = None
    model: str | None = None
    model_version: str | None = None
    fingerprint: int | None = None
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentiment:
    """Mood of one instrument in the bucket (start, event_time]."""

    symbol: str
    interval: int
    start: int
    event_time: int
    known_time: int = 0
    revision: int = 0
    mentions: int = 0
    duplicates: int = 0
    authors: int = 0
    score: float | None = None
    positive: int = 0
    negative: int = 0
    neutral: int = 0
    score_stddev: float | None = None
    score_weighted: float | None = None
    buzz_z: float | None = None
    sources: Mapping[str, int] = field(default_factory=dict)
    keywords: tuple[str, ...] = ()
    coverage: float = 0.0
    model: str | None = None
    model_version: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Correlation:
    """Mood against price over the last bars of one instrument."""

    symbol: str
    interval: int
    window: int
    event_time: int
    known_time: int = 0
    revision: int = 0
    pair: Pair = "UNKNOWN"
    method: Method = "UNKNOWN"
    n: int = 0
    n_effective: float | None = None
    r: float | None = None
    p_value: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    lags: tuple[int, ...] = ()
    r_by_lag: tuple[float | None, ...] = ()
    best_lag: int | None = None
    p_best: float | None = None
    status: Status = "UNKNOWN"
    method_version: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A source was blind; written once, by its producer."""

    source: str
    stream: str = ""
    start: int = 0
    event_time: int
    reason: str = ""
    missed: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """What a symbol stands for."""

    symbol: str
    name: str = ""
    exchange: str | None = None
    currency: str | None = None
    former_symbols: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    former_until: tuple[str, ...] = ()
    calendar: str | None = None
    kind: Kind = "UNKNOWN"


Record = RawQuote | RawPost | Quote | Bar | ScoredPost | Mention | Sentiment | Correlation | Gap | Instrument
