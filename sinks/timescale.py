"""Every fact into PostgreSQL or TimescaleDB, once: group ``moodtape.sink.timescale``.

A chunk is one transaction: the ledger moves from where this process knows it to be, the rows are copied, commit.
If the ledger stands elsewhere, another process has stored the chunk and it is dropped.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from random import SystemRandom

import psycopg
from psycopg import sql

from infra.clock import now_micros
from infra.endpoints import Endpoints
from infra.errors import FatalError, TransientError
from infra.failpoints import failpoint
from infra.log import get_logger
from infra.memory import settle
from infra.metrics import COMMIT_SECONDS, Health, serve_health
from infra.migrate import check_schema
from infra.replays import note_build
from infra.settings import Settings
from infra.stopping import stop_on_signals
from schemas.replays import LIVE
from schemas.topics import MENTIONS, POSTS

from .bisection import store_all_but_refused
from .ledger import Bounds, Ledger, Part
from .letters import GivenUp, Letters
from .log import Chunk, KafkaLog, existing_topics
from .loop import SinkLoop, watch
from .reading import Batch, Reader, Row
from .retry import is_refusal, is_transient
from .rows import DEAD_LETTER_COLUMNS, Table, table_of

SINK = "timescale"
GROUP = "moodtape.sink.timescale"
_LOG = get_logger(__name__)
# A server that hangs, or a sink that was stopped in the middle of a transaction, must not block for ever.
_CONNECTION = {
    "connect_timeout": 5,
    "application_name": "moodtape sink timescale",
    "options": "-c statement_timeout=60s -c lock_timeout=20s -c idle_in_transaction_session_timeout=30s",
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
# One row for each identity: a copy of a letter changes nothing, the letter of a later try takes the place of the last.
_INSERT_DEAD_LETTERS = sql.SQL(
    "INSERT INTO dead_letter AS held ({columns}) VALUES ({values}) ON CONFLICT"
    " (replay, dlq_topic, origin_topic, origin_partition, origin_offset, consumer_group, value_sha256)"
    " DO UPDATE SET ({columns}, stored_at) = ROW ({news}, clock_timestamp()) WHERE excluded.attempts > held.attempts"
).format(
    columns=sql.SQL(", ").join(map(sql.Identifier, DEAD_LETTER_COLUMNS)),
    values=sql.SQL(", ").join(sql.Placeholder() * len(DEAD_LETTER_COLUMNS)),
    news=sql.SQL(", ").join(sql.SQL("excluded.{}").format(sql.Identifier(name)) for name in DEAD_LETTER_COLUMNS),
)
# What finds the row of a record by an index.
_FINDERS = ("symbol", "source", "post_id", "interval", "event_time", "replay", "topic_partition", "topic_offset")
# A post that was deleted is so in every version of the facts, whichever of them heard of it.
# Writers of posts and mentions share this lock; one that stores a deletion waits for them and keeps them out, so
# that no mention slips in with its author between the deletion and its commit.
_LOCK = 0x6D6F6F65
_DELETED = """
SELECT source, post_id, max(revision)
FROM post JOIN unnest(%s::text[], %s::text[]) AS p (source, post_id) USING (source, post_id)
WHERE deleted
GROUP BY source, post_id
"""
_FORGET = """
UPDATE {} AS t SET author = NULL, url = NULL
FROM unnest(%s::text[], %s::text[], %s::int[]) AS p (source, post_id, revision)
WHERE t.source = p.source AND t.post_id = p.post_id AND t.revision <= p.revision
    AND (t.author IS NOT NULL OR t.url IS NOT NULL)
"""


class TimescaleStore:
    """The database as a :class:`sinks.loop.Store`."""

    name = SINK

    def __init__(self, database_url: str, letters: Letters, reader: Reader, replay: str = LIVE) -> None:
        self._url, self._letters, self._reader, self._replay = database_url, letters, reader, replay
        self._ledger = Ledger(SINK, replay)
        self._connection: psycopg.Connection | None = None

    def place(self, bounds: Mapping[Part, Bounds]) -> dict[Part, int]:
        """Enter new partitions into the ledger; returns where it stands.

        Raises:
            TransientError: the database is away.
            UserError: the database lacks a migration.
        """
        try:
            connection = self._connected()
            with connection.transaction():
                offsets = self._ledger.enter(connection, {part: low for part, (low, _, _) in bounds.items()})
        except psycopg.Error as error:
            raise self._failed(error) from error
        return offsets

    def write(self, chunk: Chunk) -> bool:
        """Store a chunk and move the ledger in one transaction; False where the ledger stood elsewhere.

        Raises:
            TransientError: the database or Kafka is away; the ledger knows whether the chunk is stored.
            FatalError: the database says what only a person can mend.
        """
        batch = self._reader.read(chunk.messages)
        ours = False
        try:
            connection = self._connected()
            with COMMIT_SECONDS.time(), connection.transaction():
                ours = self._ledger.advance(connection, chunk.begins, chunk.ends)
                if not ours:
                    raise psycopg.Rollback
                # Before the ledger moves: a letter may be written twice, but never be missing.
                self._letters.send([*batch.given_up, *self._store(connection, batch)])
                failpoint("before-commit")
        except psycopg.Error as error:
            raise self._failed(error) from error
        failpoint("after-commit")
        return ours

    def idle(self) -> None:
        """Nothing of it needs looking after."""

    def close(self) -> None:
        """Give the connection back."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def _connected(self) -> psycopg.Connection:
        if self._connection is None:
            self._connection = psycopg.connect(self._url, autocommit=True, **_CONNECTION)  # type: ignore[arg-type]
            check_schema(self._connection)
            if self._replay == LIVE:
                note_build(self._connection)
        return self._connection

    def _failed(self, error: psycopg.Error) -> TransientError | FatalError:
        self.close()
        text = str(error).strip().partition("\n")[0]
        if is_transient(error):
            return TransientError(f"database: {text}")
        return FatalError(f"database: {type(error).__name__}: {text}")

    def _store(self, connection: psycopg.Connection, batch: Batch) -> list[GivenUp]:
        posts = [row.record for topic in (POSTS, MENTIONS) for row in batch.facts.get(topic, ())]
        if posts:
            deletes = any(row.record.deleted for row in batch.facts.get(POSTS, ()))
            lock = "pg_advisory_xact_lock" if deletes else "pg_advisory_xact_lock_shared"
            connection.execute(sql.SQL("SELECT {}(%s)").format(sql.Identifier(lock)), (_LOCK,))
        refused: list[GivenUp] = []
        for topic, rows in batch.facts.items():
            table = table_of(topic)
            new = [row for row in rows if row.again is None or not _is_stored(connection, table, row)]
            refused += _copy(connection, table, new)
        if posts:
            self._forget(connection, {(post.source, post.post_id) for post in posts})
        _insert_dead_letters(connection, batch.dead_letters)
        return refused

    def _forget(self, connection: psycopg.Connection, posts: set[tuple[str, str]]) -> None:
        asked = [(source.replace("\x00", ""), post.replace("\x00", "")) for source, post in sorted(posts)]
        sources, ids = (list(column) for column in zip(*asked, strict=True))
        found = connection.execute(_DELETED, (sources, ids)).fetchall()
        if not found:
            return
        deleted = [list(column) for column in zip(*found, strict=True)]
        for table in ("post", "mention"):
            connection.execute(sql.SQL(_FORGET).format(sql.Identifier(table)), deleted)


def run_timescale(
    settings: Settings, endpoints: Endpoints, stop: threading.Event | None = None, replay: str = LIVE
) -> None:
    """Run the sink until SIGTERM, or until ``stop`` is set.

    Raises:
        UserError: topics or tables are not as they should be, or the log lost what was not stored yet.
        FatalError: the process must be started again.
    """
    stop = stop_on_signals() if stop is None else stop
    group = GROUP if replay == LIVE else f"{GROUP}.{replay}"
    reader = Reader(replay, group)
    topics = [*reader.fact_topics, *sorted(reader.dead_letter_topics & existing_topics(endpoints.kafka))]
    letters = Letters(endpoints.kafka, "sink.timescale", group, reader.fact_topics, now_micros)
    store = TimescaleStore(endpoints.database, letters, reader, replay)
    health = Health()
    with closing(store), closing(KafkaLog(settings, endpoints.kafka, group, topics)) as log:
        loop = SinkLoop(log, store, now_micros, SystemRandom())
        watch(loop, health)
        _LOG.info("sink started", sink=SINK, port=serve_health(health, settings, f"sink-{SINK}"))
        settle()
        loop.run(stop)
    _LOG.info("sink stopped", sink=SINK)


def _copy(connection: psycopg.Connection, table: Table, rows: Sequence[Row]) -> list[GivenUp]:
    """COPY rows; those that the database refuses are left out and returned."""
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(
        sql.Identifier(table.name), sql.SQL(", ").join(map(sql.Identifier, table.columns))
    )

    def copy(part: Sequence[Row]) -> None:
        with connection.cursor() as cursor, cursor.copy(statement) as copying:
            copying.set_types(table.types)
            for row in part:
                copying.write_row(row.values)
            failpoint("copying")

    return [
        GivenUp(row.message, "refused", type(error).__name__, error.diag.message_primary or str(error))
        for row, error in _stored_but_refused(connection, rows, copy)
    ]


def _is_stored(connection: psycopg.Connection, table: Table, row: Row) -> bool:
    """Whether a redriven record's original has its row after all: its letter was written, then a COMMIT failed."""
    assert row.again is not None  # noqa: S101  # only redriven rows are asked for
    wanted = dict(zip(table.columns, row.values, strict=True))
    wanted |= {"topic_partition": row.again.partition, "topic_offset": row.again.offset}
    found = {name: wanted[name] for name in _FINDERS if name in wanted}
    values = [value.replace("\x00", "") if isinstance(value, str) else value for value in found.values()]
    query = sql.SQL("SELECT FROM {} WHERE {} LIMIT 1").format(
        sql.Identifier(table.name),
        sql.SQL(" AND ").join(sql.SQL("{} = %s").format(sql.Identifier(name)) for name in found),
    )
    return connection.execute(query, values).rowcount > 0


def _insert_dead_letters(connection: psycopg.Connection, rows: Sequence[Row]) -> None:
    def insert(part: Sequence[Row]) -> None:
        with connection.cursor() as cursor:
            cursor.executemany(_INSERT_DEAD_LETTERS, [row.values for row in part])

    for row, error in _stored_but_refused(connection, rows, insert):
        # It stays in its topic; a dead letter of a dead letter would have no end.
        _LOG.error("dead letter not stored", topic=row.message.topic(), offset=row.message.offset(), error=str(error))


def _stored_but_refused(
    connection: psycopg.Connection, rows: Sequence[Row], write: Callable[[Sequence[Row]], None]
) -> list[tuple[Row, psycopg.Error]]:
    def store(part: Sequence[Row]) -> psycopg.Error | None:
        try:
            with connection.transaction():
                write(part)
        except psycopg.Error as error:
            if is_refusal(error):
                return error
            raise
        return None

    return store_all_but_refused(rows, store)
