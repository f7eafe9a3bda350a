"""What the first stages let through: which raw facts are the same, and which of them come out."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any, NamedTuple, Protocol

from schemas.records import Quote, RawPost, RawQuote, ScoredPost

Key = tuple[Any, ...]
POST_MEMORY = 30 * 24 * 3600 * 1_000_000


class Went(NamedTuple):
    """A raw fact: where it stands, what it says (``content`` decides sameness, ``body`` must come out equal)."""

    offset: int
    content: int
    body: int
    order: int
    time: int


class Came(NamedTuple):
    """A fact of the first stage's topic."""

    offset: int
    body: int
    revision: int
    late: bool
    time: int


class Rules(Protocol):
    """What makes two raw facts the same, and which of them come out."""

    def key(self, record: Any) -> Key: ...
    def went(self, offset: int, record: Any) -> Went: ...
    def came(self, offset: int, record: Any) -> Came: ...
    def survivors(self, went: Sequence[Went]) -> list[tuple[Went, int]]: ...
    def may_repeat(self, first: Went, until: int) -> bool: ...


class QuoteRules:
    """Same key: another payload replaces if its ingest_time is greater, else it is a duplicate."""

    _shared = tuple(f.name for f in fields(RawQuote))

    def key(self, record: RawQuote | Quote) -> Key:
        """(source, symbol, interval or 0, event_time, sequence or 0)."""
        interval = record.bar.interval if record.bar else 0
        return (record.source, record.symbol, interval, record.event_time, record.sequence or 0)

    def went(self, offset: int, record: RawQuote) -> Went:
        """A raw quote; its order is its ingest_time."""
        said = [getattr(record, name) for name in self._shared if name != "ingest_time"]
        return Went(offset, hash(tuple(said)), self._body(record), record.ingest_time, record.event_time)

    def came(self, offset: int, record: Quote) -> Came:
        """A quote."""
        return Came(offset, self._body(record), record.revision, "late" in record.flags, record.event_time)

    def _body(self, record: RawQuote | Quote) -> int:
        return hash(tuple(getattr(record, name) for name in self._shared))

    def survivors(self, went: Sequence[Went]) -> list[tuple[Went, int]]:
        """The facts of one key that come out, each with its revision; the rest are duplicates."""
        out: list[tuple[Went, int]] = []
        for fact in went:
            if not out:
                out.append((fact, 0))
            elif fact.content != out[-1][0].content and fact.order > out[-1][0].order:
                out.append((fact, out[-1][1] + 1))
        return out

    def may_repeat(self, first: Went, until: int) -> bool:
        """Whether the first fact held of a key may say once more what was removed, all of it not after ``until``."""
        return first.time <= until


class PostRules:
    """Same post: a higher revision with another text, other symbols or deletion comes out, the rest does not.

    A post more than 30 days behind is no longer remembered: it may come again, flagged late.
    """

    _shared = ("source", "post_id", "revision", "event_time", "ingest_time", "community", "deleted")

    def __init__(self) -> None:
        self._newest = 0

    def key(self, record: RawPost | ScoredPost) -> Key:
        """(source, post_id)."""
        return (record.source, record.post_id)

    def went(self, offset: int, record: RawPost) -> Went:
        """A raw post; its order is its revision."""
        self._newest = max(self._newest, record.event_time)
        content = hash((record.text, record.symbols, record.deleted))
        return Went(offset, content, self._body(record), record.revision, record.event_time)

    def came(self, offset: int, record: ScoredPost) -> Came:
        """A scored post."""
        forgotten = "late" in record.flags and record.event_time < self._newest - POST_MEMORY
        return Came(offset, self._body(record), record.revision, forgotten, record.event_time)

    def _body(self, record: RawPost | ScoredPost) -> int:
        # Of a deleted post nothing is passed on that tells who wrote it.
        person = (None, None) if isinstance(record, RawPost) and record.deleted else (record.author, record.url)
        return hash((*(getattr(record, name) for name in self._shared), *person))

    def survivors(self, went: Sequence[Went]) -> list[tuple[Went, int]]:
        """The revisions of one post that come out."""
        out: list[tuple[Went, int]] = []
        highest = -1
        for fact in went:
            if fact.order > highest:
                highest = fact.order
                if not out or fact.content != out[-1][0].content:
                    out.append((fact, fact.order))
        return out

    def may_repeat(self, first: Went, until: int) -> bool:
        """Whether the first fact held of a post may say once more what was removed, all of it not after ``until``."""
        return first.order > 0 or first.time <= until
