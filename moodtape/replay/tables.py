"""The tables of facts as two versions of them are compared: what names a record, and what depends on the scorer."""

from dataclasses import dataclass

from schemas.topics import BARS, CORRELATIONS, MENTIONS, POSTS, QUOTES, SENTIMENT
from sinks.rows import table_of

_PLACE = frozenset({"replay", "topic_partition", "topic_offset"})
_SCORE = frozenset({"score", "positive", "negative", "neutral", "model", "model_version"})
_INFERENCE = frozenset({"n", "n_effective", "r", "p_value", "ci_low", "ci_high", "r_by_lag", "best_lag", "p_best"})


@dataclass(frozen=True, slots=True)
class Compared:
    """One table.

    Attributes:
        topic: of its records.
        name: of the table.
        key: columns that name a record; null in one of them is a value like others.
        scored: columns that depend on the scorer.
        endless: columns that depend on every record before, so that no window ends what is missing there.
        last: whether only the last revision of a record is a function of the input.
    """

    topic: str
    name: str
    key: tuple[str, ...]
    scored: frozenset[str] = frozenset()
    endless: frozenset[str] = frozenset()
    last: bool = False

    @property
    def fields(self) -> tuple[str, ...]:
        """Columns that are compared."""
        names = table_of(self.topic).columns
        left_out = {*_PLACE, *self.key, *(("revision",) if self.last else ())}
        return tuple(name for name in names if name not in left_out)


TABLES = (
    Compared(QUOTES, "quote", ("source", "symbol", "event_time", "sequence", "bar_interval", "revision")),
    Compared(
        BARS,
        "bar",
        ("symbol", "interval", "event_time", "revision"),
        endless=frozenset({"ema12", "ema26", "macd", "macd_signal", "rsi14", "atr14", "obv"}),
    ),
    Compared(POSTS, "post", ("source", "post_id", "revision"), scored=_SCORE | {"label"}),
    Compared(MENTIONS, "mention", ("symbol", "source", "post_id", "revision"), scored=_SCORE | {"label"}),
    Compared(
        SENTIMENT,
        "sentiment",
        ("symbol", "interval", "event_time"),
        scored=_SCORE | {"score_stddev", "score_weighted"},
        last=True,
    ),
    Compared(
        CORRELATIONS,
        "correlation",
        ("symbol", "interval", "window", "event_time", "pair", "method"),
        scored=_INFERENCE | {"status"},
        last=True,
    ),
)
