"""What differs between two sides, in numbers."""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from statistics import mean, median
from typing import Any

from .rows import Rows, Side

LEVEL = 0.05
Told = dict[str, Any]


def changes(before: Side, after: Side) -> Told:
    """Of mentions, of moods by interval, of correlations by interval."""
    return {
        "mentions": mentions(before.mentions, after.mentions),
        "moods": _by_interval(moods, before.moods, after.moods),
        "correlations": _by_interval(correlations, before.correlations, after.correlations),
    }


def mentions(before: Rows, after: Rows) -> Told:
    """Which came and went, by rule; of those on both sides, whose label is another."""
    both = [(before[key], after[key]) for key in before.keys() & after.keys()]
    scored = [(old, new) for old, new in both if old.label and new.label]
    return {
        **_counted(before, after),
        "came": _counter(after[key].rule for key in after.keys() - before.keys()),
        "went": _counter(before[key].rule for key in before.keys() - after.keys()),
        "models": [_counter(f"{row.model} {row.model_version}" for row in rows.values()) for rows in (before, after)],
        "unscored": [sum(row.label is None for row in rows.values()) for rows in (before, after)],
        "labels": [_counter(row.label for row in rows.values() if row.label) for rows in (before, after)],
        "scored_on_both": len(scored),
        "other_label": _counter(f"{old.label} -> {new.label}" for old, new in scored if old.label != new.label),
    }


def moods(before: Rows, after: Rows) -> Told:
    """How far the scores of the buckets that both sides have moved, and how often to the other side of zero."""
    both = [(before[key], after[key]) for key in before.keys() & after.keys()]
    scored = [(old, new) for old, new in both if old.score is not None and new.score is not None]
    return {
        **_counted(before, after),
        "other_mentions": sum(old.mentions != new.mentions for old, new in both),
        "scored": [sum(row.score is not None for row in rows.values()) for rows in (before, after)],
        "mean_score": [
            _mean([row.score for row in rows.values() if row.score is not None]) for rows in (before, after)
        ],
        "mean_move": _mean([abs(new.score - old.score) for old, new in scored]),
        "other_sign": sum(old.score * new.score < 0 for old, new in scored),
        "scored_on_both": len(scored),
    }


def correlations(before: Rows, after: Rows) -> Told:
    """Statuses, and of the figures that are OK on both sides how far r moved and what is called significant."""
    both = [(before[key], after[key]) for key in before.keys() & after.keys()]
    ok = [(old, new) for old, new in both if old.status == new.status == "OK"]
    return {
        **_counted(before, after),
        "statuses": [_counter(row.status for row in rows.values()) for rows in (before, after)],
        "other_status": _counter(f"{old.status} -> {new.status}" for old, new in both if old.status != new.status),
        "ok_on_both": len(ok),
        "median_move_of_r": _median([abs(new.r - old.r) for old, new in ok]),
        "other_sign": sum(old.r * new.r < 0 for old, new in ok),
        "other_best_lag": sum(old.best_lag != new.best_lag for old, new in ok),
        "median_n_effective": [_median([pair[place].n_effective for pair in ok]) for place in (0, 1)],
        "below_level": [sum(pair[place].p_value < LEVEL for pair in ok) for place in (0, 1)],
        "below_level_on_both": sum(old.p_value < LEVEL and new.p_value < LEVEL for old, new in ok),
    }


def _by_interval(tell: Callable[[Rows, Rows], Told], before: Rows, after: Rows) -> dict[str, Told]:
    intervals = sorted({row.interval for rows in (before, after) for row in rows.values()})
    return {f"{interval} s": tell(_of(before, interval), _of(after, interval)) for interval in intervals}


def _of(rows: Rows, interval: int) -> Rows:
    return {key: row for key, row in rows.items() if row.interval == interval}


def _counted(before: Rows, after: Rows) -> Told:
    return {"before": len(before), "after": len(after), "on_both": len(before.keys() & after.keys())}


def _counter(words: Iterable[Hashable]) -> Told:
    return {str(word): count for word, count in Counter(words).most_common()}


def _mean(values: Sequence[float]) -> float | None:
    return round(mean(values), 4) if values else None


def _median(values: Sequence[float]) -> float | None:
    return round(median(values), 4) if values else None
