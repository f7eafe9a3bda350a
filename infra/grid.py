"""The bucket grid: which bucket of an interval a moment lies in.

A bucket is ``(start, end]``: a fact at the very end belongs to the bucket it ends. Intervals shorter than a day
are counted from 1970-01-01 UTC; 86400 runs from midnight to midnight of one time zone, so it has 23 to 25 hours
where the clocks are changed.
"""

from bisect import bisect_left
from datetime import date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from .clock import MICROS, from_datetime, to_datetime
from .errors import UserError

INTERVALS = (60, 300, 3600, 86400)
DAY = 86400


class Grid:
    """Buckets of every interval; days are those of one time zone."""

    def __init__(self, day_zone: str) -> None:
        """Make the grid of an IANA zone such as ``America/New_York``.

        Raises:
            UserError: there is no such zone.
        """
        try:
            self._zone = ZoneInfo(day_zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise UserError(f"day_zone: {day_zone!r} is no IANA time zone, such as America/New_York") from None
        self.day_zone = day_zone
        self._years: dict[int, list[int]] = {}
        self._day = (0, 0)

    def bucket(self, event_time: int, interval: int) -> tuple[int, int]:
        """``(start, end]`` that contains a moment, microseconds UTC; ``interval`` in seconds, any positive one.

        Raises:
            ValueError: a day outside the years 1 to 9999.
        """
        if interval == DAY:
            day = self._day
            if not day[0] < event_time <= day[1]:
                day = self._day = self._find_day(event_time)
            return day
        width = interval * MICROS
        end = -(-event_time // width) * width
        return end - width, end

    def previous(self, start: int, interval: int) -> tuple[int, int]:
        """The bucket that ends at ``start``."""
        return self.bucket(start, interval)

    def next(self, end: int, interval: int) -> tuple[int, int]:
        """The bucket that begins at ``end``."""
        return self.bucket(end + 1, interval)

    def straddles(self, event_time: int, length: int, interval: int) -> bool:
        """Whether a source bar of ``length`` seconds ending at ``event_time`` crosses an edge of ``interval``.

        A source's day that ends at an edge is that day, however many hours it has.
        """
        start, end = self.bucket(event_time, interval)
        if length == interval == DAY and event_time == end:
            return False
        return event_time - length * MICROS < start

    def _find_day(self, event_time: int) -> tuple[int, int]:
        try:
            edges = self._edges(to_datetime(event_time).astimezone(self._zone).year)
        except OverflowError as error:
            raise ValueError(f"{event_time} is outside the calendar") from error
        after = bisect_left(edges, event_time)
        return edges[after - 1], edges[after]

    def _edges(self, year: int) -> list[int]:
        if year not in self._years:
            first, last = date(year, 1, 1) - timedelta(days=2), date(year + 1, 1, 2)
            midnights = [self._midnight(first + timedelta(days=n)) for n in range((last - first).days + 1)]
            # A day that a zone left out (Apia, 30 December 2011) has no length and is no bucket.
            self._years[year] = midnights[:1] + [b for a, b in pairwise(midnights) if b > a]
        return self._years[year]

    def _midnight(self, day: date) -> int:
        return from_datetime(datetime(day.year, day.month, day.day, tzinfo=self._zone))
