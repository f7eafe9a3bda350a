"""What the posts fold remembers: every post of the last 30 days of event time, and what its clocks told."""

from collections.abc import Iterator, Sequence
from heapq import heappop, heappush
from typing import Any, NamedTuple

import msgspec

from infra.clock import to_rfc3339
from schemas.clocks import Blind, Clock

SLICE = 60_000_000
KEEP = 30 * 86_400_000_000
SLICE_POSTS = 4000
SHOWN = 10

Place = tuple[int, int]
"""(minute of event time, part of it): a snapshot writes whole parts, so they must stay small."""


class Seen(NamedTuple):
    """The highest revision of a post: its content's digest, its latest event time, the symbols it names."""

    revision: int
    digest: bytes
    time: int
    symbols: tuple[str, ...]


_entries = msgspec.msgpack.Decoder(dict[str, tuple[int, bytes, int, tuple[str, ...]]])
_noted = msgspec.msgpack.Decoder(tuple[list[str], list[tuple[str, int, int]]])


class SeenPosts:
    """Posts by key, in slices of a minute of event time and at most 4,000 posts."""

    def __init__(self) -> None:
        self._places: dict[str, Place] = {}
        self._slices: dict[Place, dict[str, Seen]] = {}
        self._oldest: list[Place] = []
        self._changed: dict[Place, None] = {}

    def get(self, key: str) -> Seen | None:
        """The highest revision of a post, None where it was not seen in 30 days."""
        place = self._places.get(key)
        return None if place is None else self._slices[place][key]

    def put(self, key: str, seen: Seen) -> None:
        """Remember a revision in the place of the last."""
        old = self._places.get(key)
        if old is None or old[0] != seen.time // SLICE:
            if old is not None:
                del self._slices[old][key]
                self._changed[old] = None
            old = self._places[key] = self._free_place(seen.time // SLICE)
        self._slices[old][key] = seen
        self._changed[old] = None

    def _free_place(self, minute: int) -> Place:
        part = 0
        while len(self._slices.get((minute, part), ())) >= SLICE_POSTS:
            part += 1
        place = (minute, part)
        if place not in self._slices:
            self._open(place)
        return place

    def _open(self, place: Place) -> None:
        self._slices[place] = {}
        heappush(self._oldest, place)

    def forget(self, watermark: int) -> None:
        """Drop the slices that ended 30 days before the watermark."""
        while self._oldest and (self._oldest[0][0] + 1) * SLICE <= watermark - KEEP:
            place = heappop(self._oldest)
            for key in self._slices.pop(place):
                del self._places[key]
            self._changed[place] = None

    def dump(self) -> Iterator[tuple[str, bytes | None]]:
        """The slices that changed since the last dump."""
        changed, self._changed = self._changed, {}
        for place in changed:
            entries = self._slices.get(place)
            yield f"{place[0]}.{place[1]}", None if entries is None else msgspec.msgpack.encode(entries)

    def load(self, key: str, value: bytes) -> None:
        """Take one slice back."""
        minute, _, part = key.partition(".")
        place = (int(minute), int(part))
        self._open(place)
        for post, entry in _entries.decode(value).items():
            self._slices[place][post] = Seen(*entry)
            self._places[post] = place

    def describe(self, symbol: str) -> dict[str, Any]:
        """For people: how many posts name a symbol, and the newest; empty where none does."""
        named = [(s.time, key, s) for part in self._slices.values() for key, s in part.items() if symbol in s.symbols]
        newest = sorted(named)[-SHOWN:][::-1]
        return {"posts": len(named), "newest": [_told(key, post) for _, key, post in newest]} if named else {}


def _told(key: str, post: Seen) -> dict[str, Any]:
    return {"key": key, "revision": post.revision, "event_time": to_rfc3339(post.time)}


class Notes:
    """Which sources' clocks were heard, and the blind spans that are still to be passed on."""

    KEY = "notes"

    def __init__(self) -> None:
        self._sources: list[str] = []
        self._blind: list[Blind] = []
        self._changed = False

    def hear(self, clock: Clock) -> None:
        """Note a raw clock."""
        if clock.source and clock.source not in self._sources:
            self._sources = sorted([*self._sources, clock.source])
            self._changed = True
        if clock.blind_from is not None and clock.blind_from < clock.time:
            self._blind.append(Blind(clock.source, clock.blind_from, clock.time))
            self._changed = True

    def take(self) -> tuple[Sequence[str], Sequence[Blind]]:
        """All sources, and the spans that were not taken yet."""
        blind, self._blind = self._blind, []
        self._changed = self._changed or bool(blind)
        return tuple(self._sources), tuple(blind)

    def dump(self) -> Iterator[tuple[str, bytes | None]]:
        """One entry where anything changed since the last dump."""
        if self._changed:
            self._changed = False
            yield self.KEY, msgspec.msgpack.encode((self._sources, [(b.source, b.start, b.end) for b in self._blind]))

    def load(self, value: bytes) -> None:
        """Take back an entry of :meth:`dump`."""
        self._sources, blind = _noted.decode(value)
        self._blind = [Blind(*span) for span in blind]
