"""Which errors of a store pass by themselves, which are a row's own fault, and how long to wait."""

from random import Random

import psycopg
import redis

# Classes of SQLSTATE (its first two characters) and single states.
_TRANSIENT_CLASSES = frozenset({"08", "40", "53", "57", "58"})
_TRANSIENT_STATES = frozenset({"25006", "25P03", "55006", "55P03"})
_REFUSAL_CLASSES = frozenset({"22", "23", "54"})
_REDIS_TRANSIENT = (
    redis.exceptions.ConnectionError,
    redis.exceptions.TimeoutError,
    redis.exceptions.ReadOnlyError,
    redis.exceptions.OutOfMemoryError,
    redis.exceptions.TryAgainError,
    redis.exceptions.ClusterDownError,
)
_REDIS_FINAL = (redis.exceptions.AuthenticationError, redis.exceptions.AuthorizationError)


def is_transient(error: Exception) -> bool:
    """Whether the same call may succeed later.

    True for a server that is away, starting, stopping, overloaded, full or read-only, for a cancelled statement,
    a lock not got, a deadlock and a failed serialization.
    """
    if isinstance(error, psycopg.Error):
        return _is_transient_state(error)
    return isinstance(error, _REDIS_TRANSIENT) and not isinstance(error, _REDIS_FINAL)


def is_refusal(error: Exception) -> bool:
    """Whether a database refuses a row for what is in it, as it will for ever."""
    if not isinstance(error, psycopg.Error):
        return isinstance(error, OverflowError)
    if error.sqlstate is None:
        return isinstance(error, psycopg.DataError)
    return error.sqlstate[:2] in _REFUSAL_CLASSES


def _is_transient_state(error: psycopg.Error) -> bool:
    state = error.sqlstate
    if state is None:
        # Without a state the client speaks: a connection refused, lost or closed.
        return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    return state[:2] in _TRANSIENT_CLASSES or state in _TRANSIENT_STATES


class Backoff:
    """Waiting times in seconds: doubled from ``least`` up to ``most``, each drawn from the upper half."""

    def __init__(self, random: Random, least: float = 0.1, most: float = 5.0) -> None:
        self._random, self._least, self._most = random, least, most
        self.attempts = 0

    def next(self) -> float:
        """Time to wait now; grows with each call."""
        ceiling = min(self._most, self._least * 2.0 ** min(self.attempts, 30))
        self.attempts += 1
        return ceiling * self._random.uniform(0.5, 1.0)

    def reset(self) -> None:
        """It worked: start from the least again."""
        self.attempts = 0
