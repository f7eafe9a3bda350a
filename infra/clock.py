"""Wall-clock time, the only place where it is read; logic is handed a ``Clock`` instead."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Now = Callable[[], int]
MICROS = 1_000_000
EARLIEST, LATEST = -2_208_988_800 * MICROS, 7_258_118_400 * MICROS
"""The years 1900 to 2199: what lies outside is no time of a fact, and calendars and databases end somewhere."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def now_micros() -> int:
    """Microseconds since 1970-01-01 UTC."""
    return time.time_ns() // 1000


def to_datetime(micros: int) -> datetime:
    """Exact UTC datetime of microseconds since 1970."""
    return _EPOCH + timedelta(0, 0, micros)


def from_datetime(moment: datetime) -> int:
    """Exact microseconds since 1970 of an aware datetime."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def to_rfc3339(micros: int) -> str:
    """RFC 3339 text in UTC with ``Z``; fractional digits only where needed."""
    return to_datetime(micros).isoformat().replace("+00:00", "Z")


def from_rfc3339(text: str) -> int:
    """Microseconds since 1970 of an RFC 3339 text.

    Raises:
        ValueError: unreadable, or without an offset.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no UTC offset")
    return from_datetime(moment)
