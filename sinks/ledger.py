"""The offset ledger: which facts of a partition a store holds, kept beside the facts, moved with them or not at all.

``next_offset`` of a partition says: everything below is stored. A writer moves it from where it believes it to
stand; a writer that believes wrongly (a second process, a paused one that woke up, a commit whose answer was lost)
moves nothing, and its chunk is dropped.
"""

from collections.abc import Mapping
from typing import NamedTuple

import psycopg

from infra.errors import UserError

_ENTER = """
INSERT INTO sink_offset (sink, replay, topic, partition, next_offset)
SELECT %(sink)s, %(replay)s, p.topic, p.partition, p.start
FROM unnest(%(topics)s::text[], %(partitions)s::int[], %(starts)s::bigint[]) AS p (topic, partition, start)
ON CONFLICT DO NOTHING
"""
_READ = """
SELECT o.topic, o.partition, o.next_offset
FROM sink_offset AS o
JOIN unnest(%(topics)s::text[], %(partitions)s::int[]) AS p (topic, partition) USING (topic, partition)
WHERE o.sink = %(sink)s AND o.replay = %(replay)s
"""
_ADVANCE = """
UPDATE sink_offset AS o
SET next_offset = p.finish, updated_at = clock_timestamp()
FROM unnest(%(topics)s::text[], %(partitions)s::int[], %(begins)s::bigint[], %(ends)s::bigint[])
    AS p (topic, partition, start, finish)
WHERE o.sink = %(sink)s AND o.replay = %(replay)s AND o.topic = p.topic AND o.partition = p.partition
    AND o.next_offset = p.start
"""


class Part(NamedTuple):
    """A partition of a topic."""

    topic: str
    partition: int


class Bounds(NamedTuple):
    """What a log holds of a partition, [low, high), and what the consumer group committed (None = nothing)."""

    low: int
    high: int
    committed: int | None


class Ledger:
    """The ledger of one sink and one replay. Every method works in the caller's transaction."""

    def __init__(self, sink: str, replay: str) -> None:
        self._who = {"sink": sink, "replay": replay}

    def enter(self, connection: psycopg.Connection, starts: Mapping[Part, int]) -> dict[Part, int]:
        """Enter partitions never seen before at their ``starts``; returns next_offset of all."""
        asked = {**self._who, **_columns(starts), "starts": list(starts.values())}
        connection.execute(_ENTER, asked)
        return {Part(topic, partition): offset for topic, partition, offset in connection.execute(_READ, asked)}

    def advance(self, connection: psycopg.Connection, begins: Mapping[Part, int], ends: Mapping[Part, int]) -> bool:
        """Move partitions from ``begins`` to ``ends``; False if any stands elsewhere: then roll back."""
        finish = [ends[part] for part in begins]
        moved = connection.execute(
            _ADVANCE, {**self._who, **_columns(begins), "begins": list(begins.values()), "ends": finish}
        )
        return moved.rowcount == len(begins)


def require_contained(sink: str, offsets: Mapping[Part, int], bounds: Mapping[Part, Bounds]) -> None:
    """Check that the log still holds what a store lacks.

    Raises:
        UserError: it does not; the message says what is missing and how to go on without it.
    """
    for part, offset in offsets.items():
        low, high, _ = bounds[part]
        if offset < low:
            missing = f"the log begins at {low}: {low - offset} offsets were removed before they were stored"
        elif offset > high:
            missing = f"the log ends at {high}: the topic was made anew, or this is another cluster"
        else:
            continue
        raise UserError(
            f"{part.topic}/{part.partition}: {sink} has stored everything below offset {offset}, but {missing}. "
            "Restore the topic, or go on without what is missing by deleting the row of "
            f"table sink_offset where sink = '{sink}', topic = '{part.topic}' and partition = {part.partition}"
        )


def _columns(parts: Mapping[Part, int]) -> dict[str, list[str] | list[int]]:
    return {"topics": [part.topic for part in parts], "partitions": [part.partition for part in parts]}
