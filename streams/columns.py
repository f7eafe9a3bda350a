"""The last bars of a series as arrays, carried along from bar to bar instead of made anew."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .statistics import Array

Times = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Columns:
    """One entry a bar, in order.

    Attributes:
        end: of the last bar, microseconds UTC.
        change: ``return_log``, NaN where there is none.
        mood: mean score of the posts since the bar before, NaN where nothing was scored.
        buzz: ln(1 + mentions) of them.
        known: greatest known_time of the bar and of its moods.
    """

    end: int
    change: Array
    mood: Array
    buzz: Array
    known: Times

    def __len__(self) -> int:
        return len(self.change)

    def then(self, later: "Columns", width: int) -> "Columns":
        """The last ``width`` bars of these and those that follow."""
        return Columns(
            later.end,
            np.concatenate([self.change, later.change])[-width:],
            np.concatenate([self.mood, later.mood])[-width:],
            np.concatenate([self.buzz, later.buzz])[-width:],
            np.concatenate([self.known, later.known])[-width:],
        )


def make_columns(end: int, entries: Sequence[tuple[float, float, float, int]]) -> Columns:
    """Columns of ``(change, mood, buzz, known)`` of each bar."""
    change, mood, buzz, known = zip(*entries, strict=True) if entries else ((), (), (), ())
    return Columns(
        end,
        np.array(change, dtype=np.float64),
        np.array(mood, dtype=np.float64),
        np.array(buzz, dtype=np.float64),
        np.array(known, dtype=np.int64),
    )
