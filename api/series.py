"""An instrument's past as arrays: at each bar what was known in time, and which way the next one went.

Bars are those that exist, in order; a bar's mood is that of all posts since the bar before, so that nights and
weekends belong to the next bar, as in the correlations. *In time* means: by a tenth of an interval after the bar's
end. What a bar is judged on is the greatest revision of that moment; its outcome, the next bar's return, is the
greatest revision of all. So no judgement uses what came later, and no outcome an error that was mended.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infra.clock import MICROS, from_datetime

Array = NDArray[np.float64]
Times = NDArray[np.int64]
Row = Mapping[str, Any]
_FIVE_MINUTES = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Arrays of shape (n,), one entry a bar, NaN where nothing was known in time.

    Attributes:
        end: of the bar, microseconds UTC, ascending.
        change: ``return_log`` of the bar.
        volatility: ``volatility20``.
        outcome: ``return_log`` of the next bar, whenever it was known; NaN for the newest bar.
        mood: mean score of the posts since the bar before.
        mentions, positive, negative, neutral: of those posts; 0 where there were none.
        buzz_z: of the bucket that ends with the bar.
        lead: ``best_lag`` of mood and return over 60 bars, where the newest correlation is OK.
        lead_r: its coefficient.
        lead_p: ``p_best``.
    """

    end: Times
    change: Array
    volatility: Array
    outcome: Array
    mood: Array
    mentions: Array
    positive: Array
    negative: Array
    neutral: Array
    buzz_z: Array
    lead: Array
    lead_r: Array
    lead_p: Array

    def __len__(self) -> int:
        return len(self.end)

    def digest(self) -> bytes:
        """Sixteen bytes that change with any value."""
        return blake2b(b"".join(getattr(self, each.name).tobytes() for each in fields(self)), digest_size=16).digest()


def grace(interval: int) -> int:
    """How long after a bar's end something still is in time, microseconds."""
    return interval * MICROS // 10


def make_series(bars: Sequence[Row], moods: Sequence[Row], leads: Sequence[Row], interval: int) -> Series:
    """Lay rows side by side.

    Args:
        bars: ``event_time, known_time, return_log, volatility20`` of all revisions, by (event_time, revision).
        moods: ``event_time, known_time, score, mentions, positive, negative, neutral, buzz_z`` likewise, all of them
            after the start of the first bar.
        leads: ``event_time, known_time, best_lag, r, p_best, status`` likewise.
        interval: of bars and moods, seconds.
    """
    newest = {row["event_time"]: row for row in bars}
    ends = sorted(newest)
    due = dict(zip(ends, (from_datetime(end) + grace(interval) for end in ends), strict=True))
    timely = _in_time(bars, due, {end: end for end in ends})
    found = _in_time(leads, due, {end: end for end in ends})
    changes = [_number(newest[end]["return_log"]) for end in ends]
    return Series(
        end=np.array([from_datetime(end) for end in ends], dtype=np.int64),
        change=_column(timely, ends, "return_log"),
        volatility=_column(timely, ends, "volatility20"),
        outcome=np.array([*changes[1:], np.nan] if ends else []),
        **_moods(moods, ends, due),
        **_leads(found, ends),
    )


def _moods(rows: Sequence[Row], ends: Sequence[datetime], due: Mapping[datetime, int]) -> dict[str, Array]:
    """The posts of each stretch between two bars, added up."""
    bar_of = {row["event_time"]: _bar_of(row["event_time"], ends) for row in rows}
    timely = _in_time(rows, due, bar_of)
    names = ("mentions", "positive", "negative", "neutral")
    sums, total = {name: np.zeros(len(ends)) for name in names}, np.zeros(len(ends))
    for at, row in timely.items():
        place = bisect_left(ends, at)
        for name in names:
            sums[name][place] += row[name]
        if row["score"] is not None:
            total[place] += row["score"] * (row["positive"] + row["negative"] + row["neutral"])
    scored = sums["positive"] + sums["negative"] + sums["neutral"]
    mood = np.divide(total, scored, out=np.full(len(ends), np.nan), where=scored > 0)
    return {**sums, "mood": mood, "buzz_z": _column(timely, ends, "buzz_z")}


def _leads(found: Mapping[datetime, Row], ends: Sequence[datetime]) -> dict[str, Array]:
    """The newest correlation at each bar: minutes have one only at the ends of five, which stands for the next four."""
    sure: dict[datetime, Row] = {}
    last: Row | None = None
    for end in ends:
        last = found.get(end, last)
        if last is not None and last["status"] == "OK" and end - last["event_time"] < _FIVE_MINUTES:
            sure[end] = last
    names = {"lead": "best_lag", "lead_r": "r", "lead_p": "p_best"}
    return {ours: _column(sure, ends, theirs) for ours, theirs in names.items()}


def _bar_of(at: datetime, ends: Sequence[datetime]) -> datetime | None:
    """End of the first bar that ends at a moment or after it."""
    place = bisect_left(ends, at)
    return ends[place] if place < len(ends) else None


def _in_time(
    rows: Sequence[Row], due: Mapping[datetime, int], bar_of: Mapping[datetime, datetime | None]
) -> dict[datetime, Row]:
    """By event_time the greatest revision that was known when its bar was due."""
    answer: dict[datetime, Row] = {}
    for row in rows:
        bar = bar_of.get(row["event_time"])
        if bar is not None and from_datetime(row["known_time"]) <= due[bar]:
            answer[row["event_time"]] = row
    return answer


def _column(rows: Mapping[datetime, Row], ends: Sequence[datetime], name: str) -> Array:
    return np.array([_number(rows[end][name]) if end in rows else np.nan for end in ends], dtype=np.float64)


def _number(value: float | None) -> float:
    return np.nan if value is None or not np.isfinite(value) else float(value)
