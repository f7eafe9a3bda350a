"""From a failing history to a small one: fewer inputs, fewer steps, smaller counts, for as long as it fails.

Delta debugging (Zeller and Hildebrandt, 2002): drop ever smaller parts of a sequence and keep what still fails.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from .histories import History

T = TypeVar("T")
Fails = Callable[[History], bool]


def shrink(history: History, fails: Fails, runs: int = 2000) -> History:
    """A history that fails too and from which nothing can be left out by itself, or what ``runs`` runs come to."""
    left = runs

    def still(candidate: History) -> bool:
        nonlocal left
        left -= 1
        return left >= 0 and fails(candidate)

    before = None
    while history != before and left > 0:
        before = history
        history = _fewer_steps(history, still)
        history = _fewer_inputs(history, still)
        history = _smaller_counts(history, still)
    return history


def _fewer_steps(history: History, fails: Fails) -> History:
    return replace(history, steps=_fewest(history.steps, lambda steps: fails(replace(history, steps=steps))))


def _fewer_inputs(history: History, fails: Fails) -> History:
    return replace(history, inputs=_fewest(history.inputs, lambda inputs: fails(replace(history, inputs=inputs))))


def _fewest(items: tuple[T, ...], fails: Callable[[tuple[T, ...]], bool]) -> tuple[T, ...]:
    """Leave out parts, from halves down to single items, while what is left fails."""
    size = max(1, len(items) // 2)
    while items:
        shorter = _without_parts(items, size, fails)
        if len(shorter) == len(items) and size == 1:
            break
        size = max(1, size // 2) if len(shorter) == len(items) else min(size, max(1, len(shorter) // 2))
        items = shorter
    return items


def _without_parts(items: tuple[T, ...], size: int, fails: Callable[[tuple[T, ...]], bool]) -> tuple[T, ...]:
    at = 0
    while at < len(items):
        candidate = (*items[:at], *items[at + size :])
        if fails(candidate):
            items = candidate
        else:
            at += size
    return items


def _smaller_counts(history: History, fails: Fails) -> History:
    for number, step in enumerate(history.steps):
        for count in _below(step.count):
            steps = (*history.steps[:number], step._replace(count=count), *history.steps[number + 1 :])
            if fails(replace(history, steps=steps)):
                history = replace(history, steps=steps)
                break
    return history


def _below(count: int) -> Sequence[int]:
    return sorted({n for n in (1, 2, count // 4, count // 2, count - 1) if 0 < n < count})
