"""Fills Redis or Valkey from the database when it holds nothing, as after a crash, or not what is served."""

from collections.abc import Mapping
from contextlib import closing

import psycopg

from infra.log import get_logger
from schemas.replays import LIVE

from .latest import TOPICS, LatestStore
from .ledger import Part
from .newest import newest_entries
from .served import SWITCH_LOCK, ServedCache, served_version

_LOG = get_logger(__name__)
_CONNECTION = {
    "connect_timeout": 3,
    "application_name": "moodtape sink latest",
    "options": "-c statement_timeout=30s -c lock_timeout=5s",
}
_STORED = """
SELECT topic, partition, next_offset FROM sink_offset WHERE sink = 'timescale' AND replay = %s AND topic = ANY(%s)
"""


class Refill:
    """What :class:`sinks.latest.LatestStore` calls when the server is empty.

    Args:
        database_url: where the facts are.
        redis_url: the server, for a replay that takes the place of the live facts.
    """

    def __init__(self, database_url: str, redis_url: str) -> None:
        self._database_url, self._redis_url = database_url, redis_url

    def __call__(self, store: LatestStore) -> Mapping[Part, int] | None:
        """Fill the server with the version that readers see.

        Returns:
            Up to which offsets the live facts are in it now, so that reading goes on there; None where the database
            is away: what comes is written all the same, and the rest when it is back.

        Raises:
            TransientError: Redis is away again.
        """
        try:
            with psycopg.connect(self._database_url, **_CONNECTION) as connection:  # type: ignore[arg-type]
                return self._fill(connection, store)
        except psycopg.Error as error:
            _LOG.warning("not filled from the database", problem=str(error).strip().partition("\n")[0])
            return None

    def served(self) -> str | None:
        """The version that readers see; None while somebody switches, or where the database is away."""
        try:
            with psycopg.connect(self._database_url, **_CONNECTION) as connection:  # type: ignore[arg-type]
                taken = connection.execute("SELECT pg_try_advisory_xact_lock_shared(%s)", (SWITCH_LOCK,)).fetchone()
                return served_version(connection) if taken and taken[0] else None
        except psycopg.Error:
            return None

    def _fill(self, connection: psycopg.Connection, store: LatestStore) -> Mapping[Part, int]:
        # Entries and offsets of one moment: what the database lacks is read from the log again. No switch meanwhile.
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.execute("SELECT pg_advisory_xact_lock_shared(%s)", (SWITCH_LOCK,))
        replay = served_version(connection)
        stored = connection.execute(_STORED, (LIVE, list(TOPICS))).fetchall()
        entries = list(newest_entries(connection, replay))
        if replay == LIVE == store.serving():
            store.put(entries)
        else:
            with closing(ServedCache(self._redis_url)) as cache:
                cache.hold(replay, entries)
        _LOG.info("filled from the database", entries=len(entries), replay=replay)
        return {Part(topic, partition): offset for topic, partition, offset in stored}
