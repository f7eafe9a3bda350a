"""Things to be done when time passes a moment."""

import heapq
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

K = TypeVar("K", bound=Any)
T = TypeVar("T")


class Schedule(Generic[K, T]):
    """Items by moment, taken out in the order of the moments. A moment is an int or a tuple that begins with one."""

    def __init__(self) -> None:
        self._moments: list[K] = []
        self._items: dict[K, list[T]] = {}

    def add(self, moment: K, item: T) -> None:
        """Put an item at a moment."""
        try:
            self._items[moment].append(item)
        except KeyError:
            heapq.heappush(self._moments, moment)
            self._items[moment] = [item]

    def take(self, before: K | None = None) -> Iterator[tuple[K, list[T]]]:
        """Take out what is at moments less than ``before`` (None: all), earliest first."""
        moments = self._moments
        while moments and (before is None or moments[0] < before):
            moment = heapq.heappop(moments)
            yield moment, self._items.pop(moment)
