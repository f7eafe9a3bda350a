"""Snapshot entries of what only grows, by the minute: each snapshot adds what is new, and a minute goes as a whole."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

import msgspec

ENTRY_ROWS = 4096  # rows in one entry: below 400 kB

Name = tuple[Any, ...]


class Rows(Protocol):
    """Something that rows are added to."""

    def fresh(self) -> Sequence[Any]:
        """The rows since the last time, each a plain list or tuple; more are to be noted again."""


class Journal:
    """Rows of many owners.

    Args:
        kind: first part of the entries' keys.
    """

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._changed: dict[int, list[tuple[Name, Rows]]] = {}
        self._counts: dict[int, int] = {}
        self._gone: list[str] = []

    def note(self, minute: int, name: Name, rows: Rows) -> None:
        """Rows are going to be added."""
        self._changed.setdefault(minute, []).append((name, rows))

    def drop(self, minute: int) -> None:
        """The rows of a minute are gone."""
        self._changed.pop(minute, None)
        self._gone += [self._key(minute, number) for number in range(self._counts.pop(minute, 0))]

    def dump(self) -> Iterator[tuple[str, bytes | None]]:
        """What is new and what is gone since the last time."""
        gone, self._gone = self._gone, []
        yield from ((key, None) for key in gone)
        changed, self._changed = self._changed, {}
        for minute, owners in changed.items():
            for piece in _cut((name, rows.fresh()) for name, rows in owners):
                number = self._counts.get(minute, 0)
                self._counts[minute] = number + 1
                yield self._key(minute, number), msgspec.msgpack.encode(piece)

    def load(self, rest: Sequence[str], value: bytes) -> tuple[int, list[tuple[Name, list[Any]]]]:
        """Take back an entry, by its key without the kind: its minute and its rows by the names of their owners."""
        minute, number = map(int, rest)
        self._counts[minute] = max(self._counts.get(minute, 0), number + 1)
        return minute, [(tuple(name), rows) for name, rows in msgspec.msgpack.decode(value)]

    def _key(self, minute: int, number: int) -> str:
        return f"{self._kind}\t{minute}\t{number}"


def _cut(owned: Iterable[tuple[Name, Sequence[Any]]]) -> Iterator[list[tuple[Name, Sequence[Any]]]]:
    """The same rows in pieces that make an entry each."""
    piece: list[tuple[Name, Sequence[Any]]] = []
    room = ENTRY_ROWS
    for name, rows in owned:
        for at in range(0, len(rows), ENTRY_ROWS):
            some = rows[at : at + ENTRY_ROWS]
            if len(some) > room:
                yield piece
                piece, room = [], ENTRY_ROWS
            piece.append((name, some))
            room -= len(some)
    if piece:
        yield piece
