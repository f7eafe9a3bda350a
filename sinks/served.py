"""Redis or Valkey at a switch: one version goes, the other comes, in one transaction of the server."""

from collections.abc import Iterable, Sequence

import psycopg
import redis

from infra.errors import TransientError
from schemas.replays import LIVE

from .latest import CHANNEL, EXPIRE_SECONDS, SERVING, TOPICS, Entry, update_messages
from .rows import TABLE_OF_TOPIC

_TIMEOUT_SECONDS = 10
# Held by whoever changes which version is served, until the database and Redis agree again.
SWITCH_LOCK = 0x6D6F6F73


def served_version(connection: psycopg.Connection) -> str:
    """The version that readers see: ``live`` or the ID of a replay."""
    row = connection.execute("SELECT replay FROM served").fetchone()
    return row[0] if row else LIVE


class ServedCache:
    """Redis or Valkey, seen as what holds the newest of the version that readers see."""

    def __init__(self, redis_url: str) -> None:
        self._client = redis.Redis.from_url(
            redis_url, socket_timeout=_TIMEOUT_SECONDS, socket_connect_timeout=_TIMEOUT_SECONDS, decode_responses=True
        )

    def hold(self, replay: str, entries: Sequence[Entry]) -> int:
        """Let the entries of a version take the place of everything that is there; returns how many were gone.

        Until the next switch a replay's entries stand alone: the live sink lets its facts pass by.

        Raises:
            TransientError: the server is away; nothing was changed, or everything.
        """
        try:
            held = self._held()
            with self._client.pipeline(transaction=True) as pipe:
                for first in range(0, len(held), 1000):
                    pipe.delete(*held[first : first + 1000])
                if replay == LIVE:
                    pipe.delete(SERVING)
                else:
                    pipe.set(SERVING, replay)
                self._write(pipe, entries, () if replay == LIVE else ("replay", replay))
                for message in update_messages(entries, replay):
                    pipe.publish(CHANNEL, message)
                pipe.execute()
        except redis.RedisError as error:
            raise TransientError(f"redis: {error}") from error
        return len(held)

    def close(self) -> None:
        """Give the connections back."""
        self._client.close()

    def _held(self) -> list[str]:
        found: list[str] = []
        for topic in TOPICS:
            found += self._client.scan_iter(f"{TABLE_OF_TOPIC[topic]}:*", count=1000)
        return sorted(set(found))

    @staticmethod
    def _write(pipe: "redis.client.Pipeline", entries: Iterable[Entry], more: tuple[str, ...]) -> None:
        for entry in entries:
            values = entry.values if entry.field is None else (entry.field, *entry.values)
            pipe.hset(entry.key, items=[*values, *more])
            pipe.expire(entry.key, EXPIRE_SECONDS)
