"""Sinks as one writes them by hand: ``python -m bench.sink.plain HOW BOOTSTRAP DATABASE GROUP``.

Read a poll, decode it, write its rows in one transaction, commit the offsets to the group. ``copy`` stores a poll twice
if it dies between the two commits. ``upsert`` and ``each`` store it once, as the place of a record in its topic is
unique (the index that this needs is made by the measurement): with psycopg's executemany, which sends a batch of one
prepared statement without waiting for the answers, and with a statement after the other, as most drivers do it.
"""

import signal
import sys
from collections.abc import Sequence
from typing import Any

import psycopg
from confluent_kafka import Consumer, Message
from psycopg import sql

from infra.kafka import consumer_config
from schemas.codec import codec_for
from schemas.topics import QUOTES
from sinks.rows import table_of

RECORDS = 1000
PLACE = ("replay", "topic_partition", "topic_offset")
TABLE = table_of(QUOTES)
NAMES = sql.SQL(", ").join(map(sql.Identifier, TABLE.columns))
COPY = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(sql.Identifier(TABLE.name), NAMES)
UPSERT = sql.SQL("INSERT INTO {} ({}) VALUES ({}) ON CONFLICT ({}) DO UPDATE SET {}").format(
    sql.Identifier(TABLE.name),
    NAMES,
    sql.SQL(", ").join([sql.Placeholder()] * len(TABLE.columns)),
    sql.SQL(", ").join(map(sql.Identifier, PLACE)),
    sql.SQL(", ").join(
        sql.SQL("{0} = EXCLUDED.{0}").format(sql.Identifier(name)) for name in TABLE.columns if name not in PLACE
    ),
)
Values = Sequence[tuple[Any, ...]]


def copy(connection: psycopg.Connection, rows: Values) -> None:
    """One COPY."""
    with connection.cursor() as cursor, cursor.copy(COPY) as copying:
        copying.set_types(TABLE.types)
        for row in rows:
            copying.write_row(row)


def upsert(connection: psycopg.Connection, rows: Values) -> None:
    """One prepared statement for all rows, in psycopg's pipeline."""
    with connection.cursor() as cursor:
        cursor.executemany(UPSERT, rows)


def each(connection: psycopg.Connection, rows: Values) -> None:
    """The prepared statement once for each row."""
    with connection.cursor() as cursor:
        for row in rows:
            cursor.execute(UPSERT, row, prepare=True)


WRITERS = {"copy": copy, "upsert": upsert, "each": each}


def rows_of(messages: Sequence[Message]) -> Values:
    """Rows of the quotes in a poll."""
    decode, row = codec_for(QUOTES).decode, TABLE.row
    return [row(decode(m.value()), "live", m.partition(), m.offset()) for m in messages if m.value() is not None]


def main(how: str, bootstrap: str, database: str, group: str) -> None:
    """Run until SIGTERM."""
    stopped: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: stopped.append(number))
    consumer = Consumer(consumer_config(bootstrap, group))
    consumer.subscribe([QUOTES])
    write = WRITERS[how]
    with psycopg.connect(database) as connection:
        while not stopped:
            messages = consumer.consume(RECORDS, 0.1)
            if not messages:
                continue
            write(connection, rows_of(messages))
            connection.commit()
            consumer.commit(asynchronous=True, offsets=consumer.position(consumer.assignment()))
    consumer.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
