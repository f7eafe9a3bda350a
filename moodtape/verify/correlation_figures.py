"""Bars and moods of one instrument laid side by side: the two series of a correlation, told from records."""

import math
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from schemas.records import Bar, Correlation, Sentiment

from .buckets import DAY, MICROS
from .mood_figures import same
from .window_statistics import METHOD_VERSION, Floats, Told, tell

MOOD_INTERVAL = 60
REACH = {60: 12, 390: 30}
METHODS = ("PEARSON", "SPEARMAN")
COMPARED = tuple(name for name in Told._fields if name != "p_by_lag")
COMMON = ("n", "r", "lags", "r_by_lag")
NAN = float("nan")
_MOST_BARS = 1200
_KEPT_BARS = 600
_KEPT_MOODS = 70 * DAY * MICROS


class BarEntry(NamedTuple):
    """What a correlation takes of a bar."""

    end: int
    start: int
    change: float
    known: int
    revision: int


class MoodEntry(NamedTuple):
    """What a correlation takes of a 60 s mood: sum of score x n, n, mentions."""

    end: int
    total: float
    n: int
    mentions: int
    known: int
    revision: int


class Override(NamedTuple):
    """Entries to take instead of those of a sheet, by their end; None = there is none."""

    bars: Mapping[int, BarEntry | None] = {}
    moods: Mapping[int, MoodEntry | None] = {}


class Window(NamedTuple):
    """The last bars up to one of them, shape (bars,) each; ``known`` has the known_time of the bar and its moods."""

    mood: Floats
    buzz: Floats
    change: Floats
    known: npt.NDArray[np.int64]

    def last(self, width: int) -> "Window":
        """The last bars of them."""
        return Window(self.mood[-width:], self.buzz[-width:], self.change[-width:], self.known[-width:])


def bar_entry(bar: Bar) -> BarEntry:
    """The part of a bar that counts."""
    change = bar.indicators.return_log
    return BarEntry(bar.event_time, bar.start, NAN if change is None else change, bar.known_time, bar.revision)


def mood_entry(mood: Sentiment) -> MoodEntry:
    """The part of a 60 s mood that counts."""
    n = mood.positive + mood.negative + mood.neutral
    total = 0.0 if mood.score is None else mood.score * n
    return MoodEntry(mood.event_time, total, n, mood.mentions, mood.known_time, mood.revision)


def windows_of(interval: int) -> tuple[int, ...]:
    """Windows in bars of an interval in seconds."""
    return (60,) if interval == DAY else (60, 390)


def is_due(interval: int, end: int) -> bool:
    """Whether the bar that ends there gets correlations: those of 60 s only at ends of five minutes."""
    return interval != 60 or end % (300 * MICROS) == 0


class Sheet:
    """The bars of all intervals and the 60 s moods of one instrument, the highest revision of each."""

    def __init__(self) -> None:
        self.bars: dict[int, dict[int, BarEntry]] = {}
        self.moods: dict[int, MoodEntry] = {}
        self._bar_ends: dict[int, list[int]] = {}
        self._mood_ends: list[int] = []

    def put_bar(self, interval: int, entry: BarEntry) -> BarEntry | None:
        """Keep a bar unless it is older than the kept one; what it takes the place of."""
        bars, ends = self.bars.setdefault(interval, {}), self._bar_ends.setdefault(interval, [])
        former = bars.get(entry.end)
        if former is None:
            insort(ends, entry.end)
        if former is None or entry.revision > former.revision:
            bars[entry.end] = entry
        return former

    def put_mood(self, entry: MoodEntry) -> MoodEntry | None:
        """Keep a mood unless it is older than the kept one; what it takes the place of."""
        former = self.moods.get(entry.end)
        if former is None:
            insort(self._mood_ends, entry.end)
        if former is None or entry.revision > former.revision:
            self.moods[entry.end] = entry
        return former

    def reach(self, interval: int, end: int, width: int) -> int | None:
        """Where the stretch of the first bar of a full window begins; None where there are fewer bars."""
        ends = self._bar_ends.get(interval, [])
        before = bisect_right(ends, end) - width - 1
        return ends[before] if before >= 0 else None

    def trim(self) -> None:
        """Let go of what no window of a bar still to come can reach."""
        for interval, ends in self._bar_ends.items():
            if len(ends) > _MOST_BARS:
                for end in ends[:-_KEPT_BARS]:
                    del self.bars[interval][end]
                del ends[:-_KEPT_BARS]
        if len(self._mood_ends) > _MOST_BARS:
            oldest = [ends[0] for ends in self._bar_ends.values() if ends]
            before = bisect_left(
                self._mood_ends, min(oldest, default=self._mood_ends[-1] - _KEPT_MOODS) - 2 * DAY * MICROS
            )
            for end in self._mood_ends[:before]:
                del self.moods[end]
            del self._mood_ends[:before]

    def window(self, interval: int, end: int, width: int, instead: Override | None = None) -> Window | None:
        """The last ``width`` bars up to the one that ends at ``end``, earliest first; None without a mood inside.

        The mood of a 60 s bucket belongs to the first bar that ends at it or after it; that of the very first bar
        begins where the bar does.
        """
        if instead is None and self._is_quiet(interval, end, width):
            return None
        if instead is not None and instead.bars.get(end, self.bars[interval][end]) is None:
            return None  # the bar itself was not there yet
        bars, edge = self._bars_until(interval, end, width, instead.bars if instead else {})
        moods = self._moods_between(edge, end, instead.moods if instead else {})
        if not moods:
            return None
        places = np.searchsorted([bar.end for bar in bars], [mood.end for mood in moods], side="left")
        total, n, mentions = (
            np.bincount(places, weights=[mood[i] for mood in moods], minlength=len(bars)) for i in (1, 2, 3)
        )
        known = np.array([bar.known for bar in bars])
        np.maximum.at(known, places, [mood.known for mood in moods])
        return Window(
            mood=np.where(n > 0, total / np.where(n > 0, n, 1.0), np.nan),
            buzz=np.log1p(mentions),
            change=np.array([bar.change for bar in bars]),
            known=known,
        )

    def _is_quiet(self, interval: int, end: int, width: int) -> bool:
        """Whether there is surely no mood in a window; most symbols are quiet, so this is asked first."""
        ends = self._bar_ends[interval]
        edge = bisect_right(ends, end) - width - 1
        latest = bisect_right(self._mood_ends, end)
        return not latest or (edge >= 0 and self._mood_ends[latest - 1] <= ends[edge])

    def _bars_until(
        self, interval: int, end: int, width: int, instead: Mapping[int, BarEntry | None]
    ) -> tuple[list[BarEntry], int]:
        """The bars, and where the stretch of the first of them begins."""
        ends, bars = self._bar_ends.get(interval, []), self.bars.get(interval, {})
        last = bisect_right(ends, end)
        kept = [bars[at] for at in ends[max(0, last - width - len(instead) - 1) : last] if at not in instead]
        if instead:
            kept = sorted([*kept, *(bar for bar in instead.values() if bar is not None and bar.end <= end)])
        found = kept[-width:]
        return found, kept[-width - 1].end if len(kept) > width else found[0].start

    def _moods_between(self, start: int, end: int, instead: Mapping[int, MoodEntry | None]) -> list[MoodEntry]:
        ends = self._mood_ends[bisect_right(self._mood_ends, start) : bisect_right(self._mood_ends, end)]
        found = [self.moods[at] for at in ends if at not in instead]
        if instead:
            found = sorted([*found, *(m for m in instead.values() if m is not None and start < m.end <= end)])
        return found


class Figure(NamedTuple):
    """One window to be told: where it stands, how many bars it may have, and the window itself."""

    symbol: str
    interval: int
    end: int
    width: int
    window: Window

    @property
    def known_time(self) -> int:
        """When all that is in the window was known."""
        return max(self.end, int(self.window.known.max()))


class Correlated(NamedTuple):
    """What a correlation must hold; anything where its window may have reached behind the logs (``held`` is False)."""

    known_time: int
    figures: Told
    held: bool = True


CorrelationKey = tuple[str, int, int, int, str, str]
"""symbol, interval, window, event_time, pair, method"""


def figures_of(sheet: Sheet, symbol: str, interval: int, end: int, instead: Override | None = None) -> list[Figure]:
    """The windows of a bar in which there is a mention."""
    widest = sheet.window(interval, end, max(windows_of(interval)), instead)
    if widest is None:
        return []
    windows = [(width, widest.last(width)) for width in windows_of(interval)]
    return [Figure(symbol, interval, end, width, window) for width, window in windows if window.buzz.any()]


def tell_all(figures: Sequence[Figure]) -> Iterator[tuple[CorrelationKey, Correlated]]:
    """The four correlations of each window."""
    for width, group in groupby(sorted(figures, key=lambda f: f.width), key=lambda f: f.width):
        same_width = list(group)
        mood = _filled([f.window.mood for f in same_width], width)
        buzz = _filled([f.window.buzz for f in same_width], width)
        change = _filled([f.window.change for f in same_width], width)
        for pair, x, y in (("MOOD_RETURN", mood, change), ("BUZZ_VOLATILITY", buzz, np.abs(change))):
            for figure, both in zip(same_width, tell(x, y, REACH[width]), strict=True):
                known = figure.known_time
                for method, told in zip(METHODS, both, strict=True):
                    key = (figure.symbol, figure.interval, width, figure.end, pair, method)
                    yield key, Correlated(known, told)


def _filled(rows: Sequence[Floats], width: int) -> Floats:
    """Rows of different lengths as one array, NaN before the shorter ones."""
    array = np.full((len(rows), width), np.nan)
    for line, row in zip(array, rows, strict=True):
        line[width - len(row) :] = row
    return array


def differing(told: Correlated, record: Correlation) -> list[str]:
    """Names of the fields in which a correlation is not what it must be; floats by more than one part in 10^9."""
    if not told.held:
        return []
    wrong = [] if record.known_time == told.known_time else ["known_time"]
    return wrong + differing_figures(told, record)


def differing_figures(told: Correlated, record: Correlation) -> list[str]:
    """As :func:`differing`, without the known_time.

    Of a record of an earlier method only what all methods agree upon is compared.
    """
    if record.method_version > METHOD_VERSION:
        return ["method_version"]
    names = COMPARED if record.method_version == METHOD_VERSION else COMMON
    return [name for name in names if not _agrees(name, getattr(told.figures, name), record, told.figures)]


def _agrees(name: str, value: Any, record: Correlation, told: Told) -> bool:
    kept = getattr(record, name)
    if name == "best_lag" and kept is not None and value is not None:
        # Two lags may be equally good but for the last bit.
        p = dict(zip(told.lags, told.p_by_lag, strict=True))
        return kept in p and math.isclose(p[kept], p[value], rel_tol=1e-6, abs_tol=1e-12)
    if name == "r_by_lag":
        return len(kept) == len(value) and all(map(same, kept, value))
    return same(kept, value)
