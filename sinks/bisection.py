"""Finding the rows that a store refuses by halving what was refused."""

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")
E = TypeVar("E", bound=Exception)


def store_all_but_refused(rows: Sequence[T], store: Callable[[Sequence[T]], E | None]) -> list[tuple[T, E]]:
    """Store rows; returns those refused, each with the error that it alone gives, in order.

    Args:
        rows: to be stored, possibly none.
        store: stores all rows of a sequence or none; returns the error where it refuses them for their content.
    """
    error = store(rows) if rows else None
    if error is None:
        return []
    if len(rows) == 1:
        return [(rows[0], error)]
    middle = len(rows) // 2
    return store_all_but_refused(rows[:middle], store) + store_all_but_refused(rows[middle:], store)
