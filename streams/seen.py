"""What the posts fold remembers: every post of the last 30 days of event time, and what its clocks told."""

from collections.abc import Iterator, Sequence
from heapq import heappop, heappush
from typing import Any, NamedTuple

import msgspec

from infra.clock import to_rfc3339
from schemas.clocks import Blind, Clock

SLICE = 600_000_000
KEEP = 30 * 86_400_000_000
PART_POSTS = 500
SHOWN = 10

Place = tuple[int, int]
"""(slice of event time, part of it): a snapshot writes whole parts, so they must stay small."""


class Seen(NamedTuple):
    """The highest revision of a post: its content's digest, its latest event time, the symbols it names."""

    revision: int
    digest: bytes
    time: int
    symbols: tuple[str, ...]


class _Kept(NamedTuple):
    seen: Seen
    part: int

    @property
    def place(self) -> Place:
        return self.seen.time // SLICE, self.part


_entries = msgspec.msgpack.Decoder(dict[str, Seen])
_noted = msgspec.msgpack.Decoder(tuple[list[str], list[tuple[str, int, int]]])
_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(_Kept).decode


class SeenPosts:
    """Posts by key, in slices of ten minutes of event time and parts of at most 500 posts.

    A month of posts is the largest thing that any fold keeps, so each is one packed string of bytes: half the room of
    the tuples in it, and nothing that the garbage collector walks through.
    """

    def __init__(self) -> None:
        self._posts: dict[str, bytes] = {}
        self._parts: dict[Place, list[str]] = {}
        """Keys by place, those that moved on to a later place included."""
        self._full: dict[int, int] = {}
        """How many parts of a slice are full, where any is."""
        self._oldest: list[Place] = []
        self._changed: dict[Place, None] = {}

    def get(self, key: str) -> Seen | None:
        """The highest revision of a post, None where it was not seen in 30 days."""
        kept = self._posts.get(key)
        return None if kept is None else _unpack(kept).seen

    def put(self, key: str, seen: Seen) -> None:
        """Remember a revision in the place of the last, whose time is not after its own."""
        kept, number = self._posts.get(key), seen.time // SLICE
        old = None if kept is None else _unpack(kept).place
        if old is not None and old[0] == number:
            place = old
        else:
            if old is not None:
                self._changed[old] = None
            place = self._free_place(number)
            self._parts[place].append(key)
        self._posts[key] = _pack(_Kept(seen, place[1]))
        self._changed[place] = None

    def _free_place(self, number: int) -> Place:
        part = self._full.get(number, 0)
        while len(self._parts.get((number, part), ())) >= PART_POSTS:
            part += 1
            self._full[number] = part
        place = (number, part)
        if place not in self._parts:
            self._open(place)
        return place

    def _open(self, place: Place) -> None:
        self._parts[place] = []
        heappush(self._oldest, place)

    def _inside(self, place: Place) -> Iterator[tuple[str, Seen]]:
        for key in self._parts[place]:
            kept = self._posts.get(key)
            if kept is not None and (found := _unpack(kept)).place == place:
                yield key, found.seen

    def forget(self, watermark: int) -> None:
        """Drop the slices that ended 30 days before the watermark."""
        while self._oldest and (self._oldest[0][0] + 1) * SLICE <= watermark - KEEP:
            place = heappop(self._oldest)
            for key, _ in list(self._inside(place)):
                del self._posts[key]
            del self._parts[place]
            self._full.pop(place[0], None)
            self._changed[place] = None

    def dump(self) -> Iterator[tuple[str, bytes | None]]:
        """The parts that changed since the last dump."""
        changed, self._changed = self._changed, {}
        for place in changed:
            yield f"{place[0]}.{place[1]}", _pack(dict(self._inside(place))) if place in self._parts else None

    def load(self, key: str, value: bytes) -> None:
        """Take one part back."""
        number, _, part = key.partition(".")
        place = (int(number), int(part))
        self._open(place)
        for post, seen in _entries.decode(value).items():
            self._parts[place].append(post)
            self._posts[post] = _pack(_Kept(seen, place[1]))

    def describe(self, symbol: str) -> dict[str, Any]:
        """For people: how many posts name a symbol, and the newest; empty where none does."""
        every = ((key, _unpack(kept).seen) for key, kept in self._posts.items())
        named = [(seen.time, key, seen) for key, seen in every if symbol in seen.symbols]
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
