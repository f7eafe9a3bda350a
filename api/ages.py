"""How old an answer is, and against which clock.

A live source is judged by the wall clock. A source that is *played* (the simulator; a recording) is judged by
its own clock, of which the stores show the newest event_time: for a price that of its source, for moods, posts
and correlations the later of their own and of the newest played price, because one recording carries both.

Played is what calls itself ``simulator``, and what was stored more than a day after it was first seen or ten
minutes before: a recording has the ingest_time of its day, and only a recording or an outage of more than a day
reaches the stores so late.
"""

from collections.abc import Mapping
from copy import copy
from datetime import datetime, timedelta
from typing import Any

from infra.clock import MICROS, Now, from_datetime

from .store import CLOCK_KEYS, Store

LIMITS = {"quote": 60, "sentiment": 180, "correlation": 1800}
"""Seconds after which an answer is stale; a bucket has its interval besides, for the next one cannot be there."""

SIMULATOR = "simulator"
_LONG_AGO = timedelta(days=1)
_AHEAD = timedelta(minutes=10)
_KEPT = MICROS


class Ages:
    """Tells the age of rows; asks for the newest event_time of a played source at most once a second."""

    def __init__(self, store: Store, now: Now) -> None:
        self._store, self._now = store, now
        self._newest: dict[tuple[str | int, ...], tuple[int, int]] = {}

    def over(self, store: Store) -> "Ages":
        """The same over another version of the rows."""
        made = copy(self)
        made._store = store
        return made

    async def of(self, table: str, row: Mapping[str, Any], as_of: int | None = None) -> float:
        """Seconds from the row's event_time to the reference, never below 0; to ``as_of`` where that is given."""
        reference = as_of if as_of is not None else await self.reference(table, row)
        return max(0, reference - from_datetime(row["event_time"])) / MICROS

    async def reference(self, table: str, row: Mapping[str, Any]) -> int:
        """What the clock of a row's origin says: the wall clock, or how far a played one has come."""
        if not is_played(row):
            return self._now()
        if table == "quote":
            return await self._newest_of(table, {"source": row["source"]})
        own = from_datetime(row["event_time"])
        if table in CLOCK_KEYS:
            own = await self._newest_of(table, {name: row[name] for name in CLOCK_KEYS[table]})
        return max(own, await self._newest_of("played", {}))

    async def _newest_of(self, table: str, key: dict[str, Any]) -> int:
        place = (self._store.replay, table, *key.values())
        asked, newest = self._newest.get(place, (0, 0))
        if self._now() - asked > _KEPT:
            row = await self._store.newest(table, **key)
            newest = from_datetime(row["event_time"]) if row and (table != "played" or is_played(row)) else 0
            asked = self._now()
            self._newest[place] = asked, newest
        return newest


def is_played(row: Mapping[str, Any]) -> bool:
    """Whether a row comes from a recording or the simulator."""
    if SIMULATOR in (row.get("source"), *(row.get("sources") or ())):
        return True
    known: datetime = row.get("known_time") or row["ingest_time"]
    late = row["stored_at"] - known
    return bool(late > _LONG_AGO or late < -_AHEAD)


def is_stale(table: str, age_seconds: float, interval: int = 0) -> bool:
    """Whether an answer of that age is stale."""
    return age_seconds > LIMITS[table] + interval
