"""One full and one bare record of every topic, composed by us; their bytes are the golden files beside this."""

from schemas.records import (
    Bar,
    Correlation,
    Gap,
    Indicators,
    Instrument,
    Mention,
    PostMention,
    Quote,
    RawPost,
    RawQuote,
    Record,
    ScoredPost,
    Sentiment,
    SentimentScore,
    SourceBar,
)
from schemas.topics import (
    BARS,
    CORRELATIONS,
    GAPS,
    INSTRUMENTS,
    MENTIONS,
    POSTS,
    QUOTES,
    RAW_POSTS,
    RAW_QUOTES,
    SENTIMENT,
)

NOON = 1_647_453_600_000_001
LATER = NOON + 250_000
_SCORE = {"score": 0.5, "positive": 0.625, "negative": 0.125, "neutral": 0.25, "label": "positive"}
_MODEL = {"model": "lexicon", "model_version": "1-abc"}
_POST = {"source": "reddit", "post_id": "t3_k49281", "revision": 2, "event_time": NOON, "ingest_time": LATER}
_WHERE = {"author": "5b6cb254a82e1947", "community": "größe", "url": "https://example.org/p/1?a=b&c=d"}
_PRICE = {
    "source": "yahoo",
    "symbol": "^GSPC",
    "event_time": NOON,
    "ingest_time": LATER,
    "price": 4357.86,
    "volume": 1200.0,
    "bid": 4357.5,
    "ask": 4358.0,
    "bid_size": 3.0,
    "ask_size": 4.0,
    "currency": "USD",
    "session": "OVERNIGHT",
    "sequence": -9_007_199_254_740_993,
    "bar": SourceBar(interval=60, open=4357.0, high=4359.25, low=4356.125, volume=1200.0),
}
_INDICATORS = Indicators(
    return_log=-0.001,
    sma20=1.0,
    ema12=2.0,
    ema26=3.0,
    macd=-1.0,
    macd_signal=-0.5,
    rsi14=55.5,
    bollinger_upper=9.0,
    bollinger_lower=7.0,
    atr14=0.25,
    volatility20=0.0125,
    obv=-12_345.0,
)

SAMPLES: dict[str, tuple[Record, Record]] = {
    RAW_QUOTES: (RawQuote(**_PRICE), RawQuote(source="s", symbol="A", event_time=-1)),  # type: ignore[arg-type]
    RAW_POSTS: (
        RawPost(
            **_POST,  # type: ignore[arg-type]
            **_WHERE,
            text="Zwölf Boxkämpfer 🚀\r\n株式 $TSLA “up”",
            language="de",
            reply_to="t1_a",
            repost_of="t3_b",
            likes=-4,
            replies=7,
            reposts=2**40,
            symbols=("TSLA", "BRK-B"),
            deleted=True,
        ),
        RawPost(source="s", post_id="1", event_time=0),
    ),
    QUOTES: (
        Quote(**_PRICE, revision=1, flags=("late", "jump")),  # type: ignore[arg-type]
        Quote(source="s", symbol="A", event_time=-1),
    ),
    BARS: (
        Bar(
            symbol="BRK-B",
            interval=300,
            start=NOON,
            event_time=NOON + 300_000_000,
            known_time=LATER,
            revision=3,
            open=1.5,
            high=2.5,
            low=0.5,
            close=2.0,
            volume=10.0,
            trades=4,
            vwap=1.75,
            source="yahoo",
            flags=("straddles",),
            indicators=_INDICATORS,
        ),
        Bar(symbol="A", interval=60, start=0, event_time=60_000_000),
    ),
    POSTS: (
        ScoredPost(
            **_POST,  # type: ignore[arg-type]
            **_WHERE,
            language="de",
            spam=0.125,
            flags=("late",),
            deleted=True,
            mentions=(
                PostMention(symbol="TSLA", rule="cashtag", confidence=0.95),
                PostMention(symbol="BRK-B", rule="name", confidence=0.8),
            ),
            sentiment=SentimentScore(**_SCORE, **_MODEL),  # type: ignore[arg-type]
        ),
        ScoredPost(source="s", post_id="1", event_time=0),
    ),
    MENTIONS: (
        Mention(
            symbol="TSLA",
            **_POST,  # type: ignore[arg-type]
            **_WHERE,
            rule="cashtag",
            confidence=0.95,
            spam=0.125,
            flags=("late",),
            deleted=True,
            **_SCORE,  # type: ignore[arg-type]
            **_MODEL,
            fingerprint=-(2**63),
            words=("up", "株式"),
        ),
        Mention(symbol="A", source="s", post_id="1", event_time=0),
    ),
    SENTIMENT: (
        Sentiment(
            symbol="TSLA",
            interval=300,
            start=NOON,
            event_time=NOON + 300_000_000,
            known_time=LATER,
            revision=1,
            mentions=9,
            duplicates=1,
            authors=7,
            score=0.25,
            positive=4,
            negative=2,
            neutral=2,
            score_stddev=0.5,
            score_weighted=0.125,
            buzz_z=-1.5,
            sources={"reddit": 5, "x": 4},
            keywords=("calls", "moon"),
            coverage=0.75,
            **_MODEL,
        ),
        Sentiment(symbol="A", interval=60, start=0, event_time=60_000_000),
    ),
    CORRELATIONS: (
        Correlation(
            symbol="TSLA",
            interval=300,
            window=60,
            event_time=NOON,
            known_time=LATER,
            revision=0,
            pair="BUZZ_VOLATILITY",
            method="SPEARMAN",
            n=58,
            n_effective=41.5,
            r=-0.25,
            p_value=0.0625,
            ci_low=-0.5,
            ci_high=0.125,
            lags=(-1, 0, 1),
            r_by_lag=(0.5, None, -0.25),
            best_lag=-1,
            p_best=0.03125,
            status="OK",
            method_version=2,
        ),
        Correlation(symbol="A", interval=60, window=390, event_time=0),
    ),
    GAPS: (
        Gap(source="bluesky", stream="posts", start=NOON, event_time=LATER, reason="socket silent", missed=12),
        Gap(source="s", event_time=0),
    ),
    INSTRUMENTS: (
        Instrument(
            symbol="META",
            name="Meta Platforms, Inc.",
            exchange="NASDAQ",
            currency="USD",
            former_symbols=("FB",),
            aliases=("facebook", "meta"),
            former_until=("2022-06-09",),
            calendar="XNAS",
            kind="STOCK",
        ),
        Instrument(symbol="A"),
    ),
}
