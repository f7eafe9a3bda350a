"""The oracle of the sinks: what the topic holds, read without any code of the sinks, against what is stored."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from infra.offsets import read_to_end
from schemas.codec import codec_for
from schemas.topics import QUOTES

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_STORED = """
SELECT replay, topic_partition, topic_offset, source, symbol, event_time, ingest_time, price, volume, bid, ask,
    currency, session, revision, flags
FROM quote
"""


def facts_of_topic(bootstrap: str) -> "Counter[tuple[Any, ...]]":
    """The quotes of the topic as rows of ``_STORED``."""
    decode = codec_for(QUOTES).decode
    return Counter(
        ("live", message.partition(), message.offset(), *_values(decode(message.value())))
        for message in read_to_end(bootstrap, [QUOTES])
    )


def facts_of_table(database: str) -> "Counter[tuple[Any, ...]]":
    """What is stored, in the same shape; a row stored twice counts twice."""
    with psycopg.connect(database) as connection:
        return Counter((*row[:-1], tuple(row[-1])) for row in connection.execute(_STORED))


def _values(quote: Any) -> tuple[Any, ...]:
    return (
        quote.source,
        quote.symbol,
        _EPOCH + timedelta(microseconds=quote.event_time),
        _EPOCH + timedelta(microseconds=quote.ingest_time),
        *(quote.price, quote.volume, quote.bid, quote.ask, quote.currency, quote.session, quote.revision),
        tuple(quote.flags),
    )
