"""Bars and moods that came late, and what a correlation may have seen of them.

How the records of two inputs interleaved is in no log. A correlation is certain where nothing inside its window was
written after its own topic's clock had passed the correlation's end. Where something was, the stage may have seen it
or not. And where an input ended and came back, the stage may have met the ends of both at once, which closes what was
open, or only one of them at a time.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from .buckets import MICROS
from .correlation_figures import MOOD_INTERVAL, BarEntry, MoodEntry, Override

MOST_WAYS = 100
ALWAYS = 1 << 62
LONGEST_BUCKET = 26 * 3600 * MICROS
FORGET = 3 * 86_400 * MICROS
E = TypeVar("E", BarEntry, MoodEntry)


@dataclass(frozen=True, slots=True)
class Late(Generic[E]):
    """A record that came when ``clock`` had passed its end already, and what it took the place of."""

    clock: int
    interval: int
    entry: E
    former: E | None

    def touches(self, end: int, interval: int) -> bool:
        """Whether the stage may have seen it or not when it correlated the bar that ends there."""
        return self.interval == interval and self.clock >= end >= self.entry.end


@dataclass(slots=True)
class _Notes:
    bars: list[Late[BarEntry]] = field(default_factory=list)
    moods: list[Late[MoodEntry]] = field(default_factory=list)


class Latecomers:
    """Everything of one partition that came late."""

    def __init__(self) -> None:
        self._notes: dict[str, _Notes] = {}
        self._ended: dict[str, int] = {}
        self._returns: list[int] = []

    def note_bar(self, symbol: str, late: Late[BarEntry]) -> None:
        """A bar came."""
        if late.clock >= late.entry.end:
            self._notes.setdefault(symbol, _Notes()).bars.append(late)

    def note_mood(self, symbol: str, late: Late[MoodEntry]) -> None:
        """A mood came."""
        if late.clock >= late.entry.end:
            self._notes.setdefault(symbol, _Notes()).moods.append(late)

    def end(self, topic: str, clock: int) -> None:
        """An input ends when its clock is there."""
        self._ended.setdefault(topic, clock)

    def come_back(self, topic: str) -> None:
        """An input has a clock again."""
        if topic in self._ended:
            self._returns.append(self._ended.pop(topic))

    def forget(self, now: int) -> None:
        """Drop what touches no correlation any more."""
        for notes in self._notes.values():
            notes.bars = [late for late in notes.bars if late.entry.end >= now - FORGET]
            notes.moods = [late for late in notes.moods if late.entry.end >= now - FORGET]
        self._returns = [ended for ended in self._returns if ended + LONGEST_BUCKET >= now - FORGET]

    def is_unclear(self, end: int) -> bool:
        """Whether the bar there was open when an input ended that came back."""
        return any(ended < end <= ended + LONGEST_BUCKET for ended in self._returns)

    def ways(self, symbol: str, interval: int, end: int) -> list[Override]:
        """Each way in which the stage may have seen the first of the late bars and the first of the late moods.

        Empty where there are more than a hundred.
        """
        notes = self._notes.get(symbol, _Notes())
        bars = [late for late in notes.bars if late.touches(end, interval)]
        moods = [late for late in notes.moods if late.touches(end, MOOD_INTERVAL)]
        if (len(bars) + 1) * (len(moods) + 1) > MOST_WAYS:
            return []
        return [Override(left, right) for left in _prefixes(bars) for right in _prefixes(moods)]


def _prefixes(late: Sequence[Late[E]]) -> list[dict[int, E | None]]:
    """Entries by their end for each way to have seen the first of them and not the rest."""
    seen: dict[int, E | None] = {}
    for each in late:
        seen.setdefault(each.entry.end, each.former)
    ways = [dict(seen)]
    for each in late:
        seen[each.entry.end] = each.entry
        ways.append(dict(seen))
    return ways
