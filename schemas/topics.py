"""The topics: what is on them, how they are keyed, how long they are kept, and which partition a key goes to.

Reading starts here: the table below is in the order in which data moves.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from operator import attrgetter
from typing import Any

from .records import (
    Bar,
    Correlation,
    Gap,
    Instrument,
    Mention,
    Quote,
    RawPost,
    RawQuote,
    Record,
    ScoredPost,
    Sentiment,
)

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
PARTITIONS = 12
STATE_MESSAGE_BYTES = 8 * 1024 * 1024

RAW_QUOTES = "raw.quotes.v1"
RAW_POSTS = "raw.posts.v1"
QUOTES = "quotes.v1"
BARS = "bars.v1"
POSTS = "posts.v1"
MENTIONS = "mentions.v1"
SENTIMENT = "sentiment.v1"
CORRELATIONS = "correlations.v1"
GAPS = "gaps.v1"
INSTRUMENTS = "instruments.v1"

RAW_TOPICS = (RAW_QUOTES, RAW_POSTS)


symbol_key: Callable[[Any], str] = attrgetter("symbol")
"""Key of everything that is about one instrument."""
source_key: Callable[[Any], str] = attrgetter("source")
"""Key of what is about a source as a whole."""


def post_key(record: Any) -> str:
    """Key of a post: its source and the source's identity of it."""
    return f"{record.source}:{record.post_id}"


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """One topic of facts.

    Attributes:
        retention_ms: counted from the broker's append time; None = compacted.
        numeric: its records differ in numbers alone, so they have few layouts (:mod:`schemas.layouts`); of those with
            free text hardly two would have the same.
    """

    name: str
    record: type[Record]
    key: Callable[[Any], str]
    retention_ms: int | None
    partitions: int = PARTITIONS
    numeric: bool = False

    @property
    def subject(self) -> str:
        """Name of the value schema in a schema registry."""
        return f"{self.name}-value"


TOPICS: dict[str, TopicSpec] = {
    spec.name: spec
    for spec in (
        TopicSpec(RAW_QUOTES, RawQuote, symbol_key, 30 * DAY_MS, numeric=True),
        TopicSpec(RAW_POSTS, RawPost, post_key, 48 * HOUR_MS),
        TopicSpec(QUOTES, Quote, symbol_key, 7 * DAY_MS, numeric=True),
        TopicSpec(BARS, Bar, symbol_key, 400 * DAY_MS, numeric=True),
        TopicSpec(POSTS, ScoredPost, post_key, 30 * DAY_MS),
        TopicSpec(MENTIONS, Mention, symbol_key, 400 * DAY_MS),
        TopicSpec(SENTIMENT, Sentiment, symbol_key, 400 * DAY_MS),
        TopicSpec(CORRELATIONS, Correlation, symbol_key, 400 * DAY_MS, numeric=True),
        TopicSpec(GAPS, Gap, source_key, 400 * DAY_MS, partitions=1),
        TopicSpec(INSTRUMENTS, Instrument, symbol_key, None, partitions=1),
    )
}

TOPIC_OF_RECORD: dict[type[Record], TopicSpec] = {spec.record: spec for spec in TOPICS.values()}


DLQ_SUFFIX = ".dlq"


def dead_letter_topic(topic: str) -> str:
    """Where records of a topic go that cannot be processed."""
    return topic + DLQ_SUFFIX


def holds_texts(topic: str) -> bool:
    """Whether records of a topic hold the texts of posts: raw ones, a replay's copies of them, their dead letters."""
    return topic == RAW_POSTS or topic.startswith(f"{RAW_POSTS}.")


def state_topic(stage: str) -> str:
    """Where a stage keeps the snapshots of its partitions."""
    return f"{stage}.state.v1"


@lru_cache(maxsize=65_536)
def partition_of(key: str, partitions: int = PARTITIONS) -> int:
    """Partition that Java's client gives a key: positive murmur2 of its UTF-8 bytes modulo ``partitions``."""
    return (murmur2(key.encode()) & 0x7FFFFFFF) % partitions


def murmur2(data: bytes) -> int:
    """32-bit MurmurHash2 with Kafka's seed, as ``org.apache.kafka.common.utils.Utils.murmur2``; unsigned."""
    mask, m = 0xFFFFFFFF, 0x5BD1E995
    length = len(data)
    h = 0x9747B28C ^ length
    whole = length & ~3
    for i in range(0, whole, 4):
        k = int.from_bytes(data[i : i + 4], "little")
        k = k * m & mask
        k = (k ^ k >> 24) * m & mask
        h = h * m & mask ^ k
    rest = data[whole:]
    if rest:
        h = (h ^ int.from_bytes(rest, "little")) * m & mask
    h = (h ^ h >> 13) * m & mask
    return h ^ h >> 15
