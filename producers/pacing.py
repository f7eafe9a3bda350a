"""Clocks and pace of a source of the past: facts in order of event time become facts, marks and pauses."""

import time
from collections.abc import Callable, Iterator

from .source import End, Event, Fact, Mark, Pause, Unreadable

FACTS_BETWEEN_CLOCKS = 1000
JUMP = 600_000_000
_SECOND = 1_000_000

Position = tuple[int, ...]


class Pacing:
    """Puts a clock before the first fact, after every 1,000, at jumps of event time over 10 minutes, and at the end.

    Unreadable pieces count as facts do: a clock carries the position and ends a transaction. Before the first fact
    that clock says no more than ``begins``, between two facts no more than the earlier one.

    The one before the first is for topics in which other sources have ended: with it the stages know that this one has
    begun before they have any of its facts, and do not close what these facts lie in as that of the ended ones.
    Below full speed also one each second of the wall clock; facts then come in bursts, once a second, each
    when it is due. A clock's time is that of the next fact less one microsecond; at the end the last fact's.

    Args:
        write: turns a position into the text that a mark carries.
        speed: event seconds in a wall second; None = as fast as it goes.
        paced_from: event time (microseconds) before which the speed does not count.
        begins: no fact has an earlier event time (microseconds).
        monotonic: wall seconds.
    """

    def __init__(
        self,
        write: Callable[[Position], str],
        speed: float | None,
        paced_from: int = 0,
        begins: int = 0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._write = write
        self._speed = speed
        self._paced_from = paced_from
        self._begins = begins
        self._monotonic = monotonic
        self._since = 0
        self._last: int | None = None
        self._anchor: tuple[float, int] | None = None
        self._tick = 0.0
        self._horizon = 0

    def events(self, facts: Iterator[Fact | Unreadable], position: Position) -> Iterator[Event]:
        """Facts in order of event time, with marks, pauses and the end.

        Args:
            facts: each with a tuple as position.
            position: where the facts begin.
        """
        for item in facts:
            if isinstance(item, Fact):
                moment = item.record.event_time
                if self._clock_due(moment):
                    yield self._mark(moment - 1, position)
                if self._speed is not None and moment >= self._paced_from:
                    yield from self._wait(moment, position)
                self._last = moment
            elif self._since >= FACTS_BETWEEN_CLOCKS:
                # The next fact may be of the same time as the last.
                yield self._mark((self._begins if self._last is None else self._last) - 1, position)
            self._since += 1
            yield item
            position = item.position  # type: ignore[assignment]  # always a tuple here
        if self._last is not None:
            yield self._mark(self._last, position)
        yield End(self._write(position))

    def _clock_due(self, moment: int) -> bool:
        if self._last is None:
            return True
        return self._since >= FACTS_BETWEEN_CLOCKS or moment - self._last > JUMP

    def _mark(self, moment: int, position: Position) -> Mark:
        self._since = 0
        return Mark(moment, self._write(position))

    def _wait(self, moment: int, position: Position) -> Iterator[Event]:
        now = self._monotonic()
        if self._anchor is None:
            self._anchor, self._tick, self._horizon = (now, moment), now + 1, moment
        while moment > self._horizon or now >= self._tick:
            yield self._mark(moment - 1, position)
            if now < self._tick:
                yield Pause(self._tick - now)
                now = self._monotonic()
            self._horizon = self._event_time(now)
            if now >= self._tick:
                self._tick = now + 1

    def _event_time(self, now: float) -> int:
        started, first = self._anchor or (now, 0)
        return first + int((now - started) * (self._speed or 0) * _SECOND)
