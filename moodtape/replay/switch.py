"""Which version readers see. The database decides, in one row; Redis or Valkey follows."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

import psycopg

from infra.database import connected
from infra.endpoints import Endpoints
from infra.errors import TransientError, UserError
from infra.offsets import committed_offsets
from infra.replays import Plan, require_plan
from schemas.replays import LIVE
from sinks.latest import GROUP, TOPICS, Entry, LatestStore
from sinks.newest import newest_entries
from sinks.served import SWITCH_LOCK, ServedCache, served_version

from ..pipeline import stored_offsets
from .compare import require_complete

_SETTLE_SECONDS = 15.0
_ASK_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Switched:
    """What a switch did. ``cached`` entries are in Redis now; None where Redis is away."""

    before: str
    now: str
    cached: int | None


def served(database: str) -> str:
    """The version that readers see.

    Raises:
        ServiceUnavailable: the database is away.
    """
    with connected(database) as connection:
        return served_version(connection)


@contextmanager
def switching(database: str) -> Iterator[psycopg.Connection]:
    """A connection, while which nobody else switches, or removes what could be switched to.

    Raises:
        ServiceUnavailable: the database is away.
    """
    with connected(database) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", (SWITCH_LOCK,))
        yield connection


def _require_whole(plan: Plan) -> None:
    """Refuse what readers cannot be shown."""
    require_complete(plan)
    if plan.reaggregated:
        raise UserError(
            f"replay {plan.id} was folded from stored mentions: it has no prices and posts for readers to see; "
            f"`moodtape replay compare {plan.id}` shows what is new in it"
        )


def switch(endpoints: Endpoints, name: str) -> Switched:
    """Let readers see a replay, or ``live``. Every answer is of one version, before, during and after it.

    Raises:
        UserError: there is no such replay, it is not complete, or it has moods and correlations alone.
        ServiceUnavailable: the database is away; nothing was changed.
    """
    # Two switches at once would leave the database with one version and Redis with the other.
    with switching(endpoints.database) as connection:
        if name != LIVE:
            _require_whole(require_plan(endpoints.database, name))
        before = served_version(connection)
        connection.execute("UPDATE served SET replay = %s, switched_at = clock_timestamp()", (name,))
        return Switched(before, name, _fill(endpoints, connection, name))


def _fill(endpoints: Endpoints, connection: psycopg.Connection, name: str) -> int | None:
    try:
        with closing(ServedCache(endpoints.redis)) as cache:
            entries = _entries(connection, name)
            cache.hold(name, entries)
        if name == LIVE:
            # What the live sink let pass by before the switch is in the database soon.
            _settle(endpoints)
            with closing(LatestStore(endpoints.redis)) as latest:
                latest.put(_entries(connection, name))
    except TransientError:
        return None
    return len(entries)


def _entries(connection: psycopg.Connection, name: str) -> list[Entry]:
    with connection.transaction():
        return list(newest_entries(connection, name))


def _settle(endpoints: Endpoints) -> None:
    """Wait until the database holds what the live sink of Redis has passed, if that takes no long time."""
    passed = committed_offsets(endpoints.kafka, GROUP, TOPICS)
    deadline = time.monotonic() + _SETTLE_SECONDS
    while time.monotonic() < deadline:
        stored = stored_offsets(endpoints.database)
        if all(stored.get(place, 0) >= offset for place, offset in passed.items()):
            return
        time.sleep(_ASK_SECONDS)
