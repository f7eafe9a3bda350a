"""Raw topic against the first stage's topic: what must have come out, told again from what went in.

Each partition is accounted for alone, because a key keeps its partition. ``end`` is where the raw log ended
when the account began: what stands behind it may have come out already, but need not.
"""

from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import Any, NamedTuple, Protocol

from schemas.records import Quote, RawPost, RawQuote, ScoredPost

from .account import Edge
from .letters import Tries, Try, digest
from .reading import Fact
from .rows import spoken

Key = tuple[Any, ...]
POST_MEMORY = 30 * 24 * 3600 * 1_000_000


class Went(NamedTuple):
    """A raw fact: where it stands, what it says (``content`` decides sameness, ``body`` must come out equal)."""

    offset: int
    content: int
    body: int
    order: int


class Came(NamedTuple):
    """A fact of the first stage's topic."""

    offset: int
    body: int
    revision: int
    late: bool


class Rules(Protocol):
    """What makes two raw facts the same, and which of them come out."""

    def key(self, record: Any) -> Key: ...
    def went(self, offset: int, record: Any) -> Went: ...
    def came(self, offset: int, record: Any) -> Came: ...
    def survivors(self, went: Sequence[Went]) -> list[tuple[Went, int]]: ...


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
        return Went(offset, hash(tuple(said)), self._body(record), record.ingest_time)

    def came(self, offset: int, record: Quote) -> Came:
        """A quote."""
        return Came(offset, self._body(record), record.revision, "late" in record.flags)

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
        return Went(offset, content, self._body(record), record.revision)

    def came(self, offset: int, record: ScoredPost) -> Came:
        """A scored post."""
        forgotten = "late" in record.flags and record.event_time < self._newest - POST_MEMORY
        return Came(offset, self._body(record), record.revision, forgotten)

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


class Recount:
    """The account of one partition between a raw topic and the first stage's.

    A record that is sent back is another try of the same fact: ``in`` and ``dead`` count facts, and a fact is dead
    while its last try failed.
    """

    def __init__(self, edge: Edge, rules: Rules, partition: int, end: int, tries: Tries) -> None:
        self.edge = edge
        self._rules, self._partition, self._end, self._tries = rules, partition, end, tries
        self._given_up: set[int] = set()
        self._went: dict[Key, list[Went]] = {}
        self._came: dict[Key, list[Came]] = {}

    def take_raw(self, facts: Iterable[Fact]) -> None:
        """Take the raw facts in order of the log."""
        for fact in facts:
            number = self._tries.of(fact)
            if number is None:
                continue
            if self._tries.counts(number, fact):
                self._count(fact.offset)
            if number in self._tries.dead.bytes_at:
                self._bury(fact, number)
                continue
            self._resolve(fact, number)
            if fact.record is None:
                if fact.offset < self._end:
                    self.edge.blame("missing", f"{self._place(fact.offset)} cannot be decoded and is no dead letter")
            else:
                self._went.setdefault(self._rules.key(fact.record), []).append(
                    self._rules.went(fact.offset, fact.record)
                )

    def take_out(self, facts: Iterable[Fact]) -> None:
        """Take what the first stage wrote."""
        for fact in facts:
            self.edge.facts_out += 1
            if fact.record is None:
                self.edge.blame("altered", f"{self._place(fact.offset)} of the output cannot be decoded")
                continue
            self._came.setdefault(self._rules.key(fact.record), []).append(self._rules.came(fact.offset, fact.record))

    def close(self) -> None:
        """Blame what does not add up."""
        for offset in self._tries.dead.twice:
            self.edge.blame("extra", f"{self._place(offset)} is a dead letter twice")
        for key, went in self._went.items():
            self._settle(key, went, self._came.pop(key, []))
        for key, came in self._came.items():
            self.edge.blame("extra", f"{spoken(key)} came out ({self._where(came)}) and never went in")

    def _count(self, offset: int) -> None:
        if offset < self._end:
            self.edge.facts_in += 1

    def _bury(self, fact: Fact, number: Try) -> None:
        if fact.offset < self._end and number[0] not in self._given_up:
            self._given_up.add(number[0])
            self.edge.dead += 1
        if self._tries.dead.bytes_at[number] != digest(fact.key, fact.value):
            self.edge.blame("altered", f"{self._place(fact.offset)} is a dead letter with other bytes")

    def _resolve(self, fact: Fact, number: Try) -> None:
        if fact.offset < self._end and number[0] in self._given_up:
            self._given_up.discard(number[0])
            self.edge.dead -= 1

    def _settle(self, key: Key, went: list[Went], came: list[Came]) -> None:
        # What stands behind the end may be done or not: the account holds if it holds for some place between.
        sure = sum(fact.offset < self._end for fact in went)
        accounts = [self._compare(went[:n], came) for n in range(sure, len(went) + 1)]
        best = min(accounts, key=lambda account: len(account.troubles))
        self.edge.duplicates += accounts[0].duplicates if sure else 0
        for trouble, what in best.troubles:
            self.edge.blame(trouble, f"{spoken(key)}: {what}")

    def _compare(self, went: Sequence[Went], came: Sequence[Came]) -> "_Account":
        # The watermark never falls: of the facts of one key the late ones are the last.
        late = [fact for fact in came if fact.late]
        timely = [fact for fact in came if not fact.late]
        cut = max(0, len(went) - len(late))
        expected = self._rules.survivors(went[:cut])
        account = _Account(cut - len(expected), [])
        for (fact, revision), got in zip(expected, timely, strict=False):
            if got.revision != revision:
                account.blame("altered", f"revision {got.revision} at {self._where([got])} should be {revision}")
            elif got.body != fact.body:
                account.blame("altered", f"{self._where([got])} is not what {self._place(fact.offset)} said")
        for fact, revision in expected[len(timely) :]:
            account.blame("missing", f"{self._place(fact.offset)} (revision {revision}) did not come out")
        for got in timely[len(expected) :]:
            account.blame("extra", f"revision {got.revision} at {self._where([got])} came out once too often")
        for fact, got in zip(went[cut:], late, strict=False):
            if got.body != fact.body:
                account.blame("altered", f"{self._where([got])} is not what {self._place(fact.offset)} said")
        for got in late[len(went) - cut :]:
            account.blame("extra", f"late, at {self._where([got])}, came out once too often")
        return account

    def _place(self, offset: int) -> str:
        return f"partition {self._partition} offset {offset}"

    def _where(self, came: Sequence[Came]) -> str:
        return f"output offset {', '.join(str(fact.offset) for fact in came)}"


class _Account:
    """What one way of reading the facts of one key leaves over."""

    def __init__(self, duplicates: int, troubles: list[tuple[Any, str]]) -> None:
        self.duplicates, self.troubles = duplicates, troubles

    def blame(self, trouble: str, what: str) -> None:
        self.troubles.append((trouble, what))
