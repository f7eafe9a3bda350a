"""Raw topic against the first stage's topic: what must have come out, told again from what went in.

Each partition is accounted for alone, because a key keeps its partition. ``end`` is where the raw log ended
when the account began: what stands behind it may have come out already, but need not.
"""

from collections.abc import Iterable, Mapping, Sequence
from heapq import nsmallest
from typing import Any, NamedTuple

from schemas.deadletters import parse_redriven

from .account import Edge
from .first_stages import Came, Key, Rules, Went
from .letters import Tries, Try, digest
from .reading import NEVER, Fact
from .rows import spoken


class Held(NamedTuple):
    """Whether the raw topic and the first stage's still begin with their first record."""

    raw: bool
    out: bool


WHOLE = Held(True, True)
HEAD = 100
LATENESS = 2 * 3600 * 1_000_000


class Recount:
    """The account of one partition between a raw topic and the first stage's.

    A record that is sent back is another try of the same fact: ``in`` and ``dead`` count facts, and a fact is dead
    while its last try failed. Where the beginning of a log was removed, a key that does not add up is not judged if
    what is missing may have stood there. Of raw facts their times tell: what was removed is not much later than the
    first that are held. Of outputs their order does, which is that of their facts: the first that are held tell how far
    back the raw log is needed.
    """

    def __init__(self, edge: Edge, rules: Rules, partition: int, end: int, tries: Tries, held: Held = WHOLE) -> None:
        self.edge, self._held = edge, held
        self._rules, self._partition, self._end, self._tries = rules, partition, end, tries
        self._unlettered = 0
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
            doubtful = self._tries.may_be_dead(fact)
            if doubtful:
                self._unlettered = fact.offset + 1
            if number in self._tries.dead.bytes_at:
                self._bury(fact, number)
                continue
            self._resolve(fact, number)
            if fact.record is None:
                if doubtful:
                    self.edge.unjudged += 1
                elif fact.offset < self._end:
                    self.edge.blame("missing", f"{self._place(fact.offset)} cannot be decoded and is no dead letter")
            else:
                self._went.setdefault(self._rules.key(fact.record), []).append(
                    self._rules.went(fact.offset, fact.record)
                )

    def take_out(self, facts: Iterable[Fact]) -> None:
        """Take what the first stage wrote; what was sent back for somebody who read it is no output."""
        for fact in facts:
            if parse_redriven(fact.headers) is not None:
                continue
            self.edge.facts_out += 1
            if fact.record is None:
                self.edge.blame("altered", f"{self._place(fact.offset)} of the output cannot be decoded")
                continue
            self._came.setdefault(self._rules.key(fact.record), []).append(self._rules.came(fact.offset, fact.record))

    def close(self) -> None:
        """Blame what does not add up."""
        for offset in self._tries.dead.twice:
            self.edge.blame("extra", f"{self._place(offset)} is a dead letter twice")
        raw_from, until = max(self._raw_from(), self._unlettered), self._removed_until()
        gone = -1 if self._held.out else until
        for key, went in self._went.items():
            came = self._came.pop(key, [])
            removed = went[0].offset < raw_from or self._begins_before(came, until)
            self._settle(key, went, came, removed or (not came and self._rules.may_repeat(went[0], gone)))
        for key, came in self._came.items():
            if came[0].time <= until:
                self.edge.unjudged += 1
                continue
            self.edge.blame("extra", f"{spoken(key)} came out ({self._where(came)}) and never went in")

    def _removed_until(self) -> int:
        """No fact is later that was removed: nothing is so far ahead of what follows it. -1 if none was."""
        if self._held.raw:
            return -1
        head = nsmallest(HEAD, ((fact.offset, fact.time) for facts in self._went.values() for fact in facts))
        return max((time for _, time in head), default=NEVER) + LATENESS

    def _begins_before(self, came: Sequence[Came], until: int) -> bool:
        """Whether facts of a key may be removed: of its first output, or one that this is a revision of."""
        return bool(came) and (came[0].time <= until or (not self._held.raw and came[0].revision > 0))

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

    def _raw_from(self) -> int:
        """Raw offset from which on everything must have come out: outputs of what stands before may be removed."""
        if self._held.out:
            return 0
        return _furthest(self._came, self._went)

    def _settle(self, key: Key, went: list[Went], came: list[Came], removed: bool) -> None:
        # What stands behind the end may be done or not: the account holds if it holds for some place between.
        sure = sum(fact.offset < self._end for fact in went)
        accounts = [self._compare(went[:n], came) for n in range(sure, len(went) + 1)]
        best = min(accounts, key=lambda account: len(account.troubles))
        self.edge.duplicates += accounts[0].duplicates if sure else 0
        if removed:
            self.edge.unjudged += bool(best.troubles)
            return
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


def _furthest(first: Mapping[Key, Sequence[Went | Came]], other: Mapping[Key, Sequence[Went | Came]]) -> int:
    """The furthest place in the other log of the first hundred facts of a log; NEVER where none of them is there."""
    head = nsmallest(HEAD, ((fact.offset, fact.body, key) for key, facts in first.items() for fact in facts))
    places = ([f.offset for f in other.get(key, ()) if f.body == body] for _, body, key in head)
    return max((min(each) for each in places if each), default=NEVER)


class _Account:
    """What one way of reading the facts of one key leaves over."""

    def __init__(self, duplicates: int, troubles: list[tuple[Any, str]]) -> None:
        self.duplicates, self.troubles = duplicates, troubles

    def blame(self, trouble: str, what: str) -> None:
        self.troubles.append((trouble, what))
