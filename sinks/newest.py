"""What Redis or Valkey would hold of one version of the facts, read from the database."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import DictRow, dict_row

from infra.clock import from_datetime
from schemas.quick import maker
from schemas.records import Correlation, Quote, Sentiment, SourceBar
from schemas.topics import CORRELATIONS, QUOTES, SENTIMENT

from .latest import Entry, entry_of

_BATCH = 1000
# Each walks the index from symbol to symbol and takes the newest of each, however many rows there are.
_STATEMENTS = {
    QUOTES: """
WITH RECURSIVE s (symbol) AS (
    (SELECT symbol FROM quote WHERE replay = %(replay)s ORDER BY symbol LIMIT 1)
    UNION ALL
    SELECT (SELECT symbol FROM quote WHERE replay = %(replay)s AND symbol > s.symbol ORDER BY symbol LIMIT 1)
    FROM s WHERE s.symbol IS NOT NULL)
SELECT q.* FROM s CROSS JOIN LATERAL (
    SELECT * FROM quote WHERE replay = %(replay)s AND symbol = s.symbol
    ORDER BY event_time DESC, revision DESC, sequence DESC NULLS LAST, ingest_time DESC LIMIT 1) AS q
""",
    SENTIMENT: """
WITH RECURSIVE s (symbol) AS (
    (SELECT symbol FROM sentiment WHERE replay = %(replay)s ORDER BY symbol LIMIT 1)
    UNION ALL
    SELECT (SELECT symbol FROM sentiment WHERE replay = %(replay)s AND symbol > s.symbol ORDER BY symbol LIMIT 1)
    FROM s WHERE s.symbol IS NOT NULL)
SELECT m.* FROM s CROSS JOIN (values (60), (300), (3600), (86400)) AS i (seconds) CROSS JOIN LATERAL (
    SELECT * FROM sentiment WHERE replay = %(replay)s AND symbol = s.symbol AND interval = i.seconds
    ORDER BY event_time DESC, revision DESC LIMIT 1) AS m
""",
    CORRELATIONS: """
WITH RECURSIVE s (symbol) AS (
    (SELECT symbol FROM correlation WHERE replay = %(replay)s ORDER BY symbol LIMIT 1)
    UNION ALL
    SELECT (SELECT symbol FROM correlation WHERE replay = %(replay)s AND symbol > s.symbol ORDER BY symbol LIMIT 1)
    FROM s WHERE s.symbol IS NOT NULL)
SELECT c.*
FROM s CROSS JOIN (values (60), (300), (3600), (86400)) AS i (seconds) CROSS JOIN (values (60), (390)) AS w (bars)
CROSS JOIN LATERAL (
    SELECT event_time FROM correlation
    WHERE replay = %(replay)s AND symbol = s.symbol AND interval = i.seconds AND "window" = w.bars
    ORDER BY event_time DESC LIMIT 1) AS n CROSS JOIN LATERAL (
    SELECT DISTINCT ON (pair, method) * FROM correlation
    WHERE replay = %(replay)s AND symbol = s.symbol AND interval = i.seconds AND "window" = w.bars
        AND event_time = n.event_time
    ORDER BY pair, method, revision DESC) AS c
""",
}
_RECORDS: dict[str, type[Quote] | type[Sentiment] | type[Correlation]] = {
    QUOTES: Quote,
    SENTIMENT: Sentiment,
    CORRELATIONS: Correlation,
}


def newest_entries(connection: psycopg.Connection[Any], replay: str) -> Iterator[Entry]:
    """What is to be written for a version: the newest quote, moods and correlations of each of its symbols.

    The connection must be in a transaction.
    """
    for topic, statement in _STATEMENTS.items():
        read = _reader(_RECORDS[topic])
        with connection.cursor("newest", row_factory=dict_row) as cursor:
            cursor.itersize = _BATCH
            cursor.execute(statement, {"replay": replay}, binary=True)
            for row in cursor:
                yield entry_of(topic, read(row))


def _reader(kind: type[Quote] | type[Sentiment] | type[Correlation]) -> Callable[[DictRow], Any]:
    """A function that makes the record which a row of the database was made of."""
    make, names = maker(kind), [field.name for field in dataclasses.fields(kind)]

    def read(row: DictRow) -> Any:
        return make(*[_bar(row) if name == "bar" else _value(row[name]) for name in names])

    return read


def _value(value: Any) -> Any:
    if isinstance(value, datetime):
        return from_datetime(value)
    return tuple(value) if isinstance(value, list) else value


def _bar(row: Mapping[str, Any]) -> SourceBar | None:
    if row["bar_interval"] is None:
        return None
    return SourceBar(**{field.name: row[f"bar_{field.name}"] for field in dataclasses.fields(SourceBar)})
