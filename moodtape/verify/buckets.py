"""The buckets ``(start, end]`` that bars and moods are made for, told from the calendar alone."""

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

MICROS = 1_000_000
DAY = 86_400
INTERVALS = (60, 300, 3600, DAY)
KEPT = 2 * 3600 * MICROS
"""A bucket takes facts until the watermark is so far past its end."""


class Bucket(NamedTuple):
    """One bucket of one instrument: (start, end], microseconds UTC; interval in seconds."""

    symbol: str
    interval: int
    start: int
    end: int


class Calendar:
    """Buckets ``(start, end]``; days run from midnight to midnight of a zone."""

    def __init__(self, zone: str) -> None:
        self._zone = ZoneInfo(zone)
        self._day = lru_cache(maxsize=512)(self._day_of)
        self._previous = lru_cache(maxsize=512)(self._previous_of)

    def bucket(self, moment: int, interval: int) -> tuple[int, int]:
        """Start and end of the bucket that holds a moment, microseconds UTC."""
        if interval == DAY:
            # A fact at midnight belongs to the day that it ends: ask for the instant before.
            local = datetime.fromtimestamp((moment - 1) // MICROS, UTC).astimezone(self._zone)
            return self._day(local.date())
        length = interval * MICROS
        start = (moment - 1) // length * length
        return start, start + length

    def previous(self, start: int, interval: int, count: int) -> tuple[int, ...]:
        """Ends of the ``count`` buckets before the one that begins at ``start``, earliest first."""
        if interval != DAY:
            return tuple(start - n * interval * MICROS for n in range(count - 1, -1, -1))
        return self._previous(start, count)

    def _previous_of(self, start: int, count: int) -> tuple[int, ...]:
        ends = [start]
        while len(ends) < count:
            ends.append(self.bucket(ends[-1], DAY)[0])
        return tuple(reversed(ends))

    def _day_of(self, day: date) -> tuple[int, int]:
        return self._midnight(day), self._midnight(day + timedelta(days=1))

    def _midnight(self, day: date) -> int:
        return int(datetime(day.year, day.month, day.day, tzinfo=self._zone).timestamp()) * MICROS
