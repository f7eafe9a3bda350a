"""Figures that must be there, and figures that are there, brought together by their logical keys."""

from collections.abc import Callable, Mapping
from typing import Any, Generic, Literal, NamedTuple, TypeVar

from .account import Edge, Trouble

Told = TypeVar("Told")
Key = tuple[Any, ...]


class _Expected(NamedTuple, Generic[Told]):
    told: Told
    sure: bool


class _Found(NamedTuple):
    record: Any
    round: int


class _Odd(NamedTuple, Generic[Told]):
    key: Key
    wrong: list[str]
    record: Any
    known: int


Verdict = Literal["wrong", "right", "unclear"]
MOST_ODD = 500
"""So many that differ may wait to be judged, and twice as many as could not be judged the last time."""
HEAD = 1000
END = 3
"""Where the end of its bucket stands in the key of every figure."""
FOREVER = 1 << 62


def _always(_: Key) -> bool:
    return True


def known_of(told: Any) -> int:
    """When what a figure must hold was known."""
    return int(told["known_time"] if isinstance(told, Mapping) else told.known_time)


class Matching(Generic[Told]):
    """What an edge's output must hold beside what it holds. Only what has no counterpart yet is kept.

    Args:
        edge: what the findings go to.
        differing: names of the fields in which a record is not what it must be.
        spoken: a logical key for people.
        explain: asked about a record that is not as expected, that nothing expects, or (None) that is expected and
            not there, before it is blamed.
        until: only what was, or had to be, known by then is blamed.
        ripe: tells whether all is taken in by now that may explain a figure, where that is not so at all times.
        headless: the output's first records were removed, so what is not there may have been: of buckets that end
            no later than those of the first thousand records, nothing is missed.
    """

    def __init__(
        self,
        edge: Edge,
        differing: Callable[[Told, Any], list[str]],
        spoken: Callable[[Key], str],
        explain: Callable[[Key, Any], Verdict] = lambda *_: "wrong",
        until: int = FOREVER,
        ripe: Callable[[], Callable[[Key], bool]] = lambda: _always,
        headless: bool = False,
    ) -> None:
        self.edge, self._until, self._ripe, self._room = edge, until, ripe, MOST_ODD
        self._head, self._removed_to = HEAD if headless else 0, FOREVER if headless else -FOREVER
        self._differing, self._spoken, self._explain = differing, spoken, explain
        self._expected: dict[Key, _Expected[Told]] = {}
        self._found: dict[Key, _Found] = {}
        self._odd: list[_Odd[Told]] = []

    @property
    def odd(self) -> int:
        """How many pairs differ and wait for :meth:`settle`."""
        return len(self._odd)

    def expect(self, key: Key, told: Told, sure: bool) -> None:
        """A figure follows from what went in; ``sure`` unless the stage may not have come so far yet."""
        self.edge.facts_in += sure and known_of(told) <= self._until
        found = self._found.pop(key, None)
        if found is None:
            self._expected[key] = _Expected(told, sure)
        else:
            self._compare(key, told, found.record)

    def judges(self, record: Any) -> bool:
        """Whether a figure was known by the moment that counts."""
        return bool(record.known_time <= self._until)

    def find(self, key: Key, record: Any, round_: int) -> None:
        """A figure stands in the output; what it follows from was read by the end of a round of that number."""
        self.edge.facts_out += self.judges(record)
        self._see_head(record)
        expected = self._expected.pop(key, None)
        if expected is not None:
            self._compare(key, expected.told, record)
        elif key in self._found:
            if self.judges(record):
                self.edge.blame("extra", f"{self._spoken(key)} stands twice in the topic")
        else:
            self._found[key] = _Found(record, round_)

    def _see_head(self, record: Any) -> None:
        if self._head:
            end = record.event_time
            self._removed_to = end if self._head == HEAD else max(self._removed_to, end)
            self._head -= 1

    def settle(
        self,
        round_: int,
        must: Callable[[Key], bool] = lambda _: True,
        ripe: Callable[[Key], bool] = lambda _: True,
    ) -> None:
        """All outputs of what surely went in were read: blame what is missing, and what has no reason to be there.

        Args:
            round_: all that went in by the end of this round was read.
            must: whether an expected figure had to be written by now.
            ripe: whether all is taken in that may explain a figure; the others wait for the next time.
        """
        self._judge_odd(ripe)
        for key in [k for k, expected in self._expected.items() if expected.sure and must(k) and ripe(k)]:
            known = known_of(self._expected.pop(key).told)
            if key[END] <= self._removed_to:
                self.edge.unjudged += 1
            else:
                self._blame("missing", key, None, " must be there and is not", known)
        for key in [k for k, found in self._found.items() if found.round <= round_ and ripe(k)]:
            record = self._found.pop(key).record
            self._blame("extra", key, record, ": nothing that went in gives it", record.known_time)

    def _compare(self, key: Key, told: Told, record: Any) -> None:
        wrong = self.names(told, record)
        if wrong:
            self._odd.append(_Odd(key, wrong, record, min(known_of(told), record.known_time)))
            if len(self._odd) > self._room:
                self._judge_odd(self._ripe())

    def _judge_odd(self, ripe: Callable[[Key], bool]) -> None:
        """Blame those that differ and have no reason to, as far as that can be told by now."""
        odd, self._odd = self._odd, []
        for each in odd:
            if ripe(each.key):
                self._blame("altered", each.key, each.record, f": {', '.join(each.wrong)}", each.known)
            else:
                self._odd.append(each)
        self._room = max(MOST_ODD, 2 * len(self._odd))

    def names(self, told: Told, record: Any) -> list[str]:
        """Names of the fields in which a record says what it must not."""
        return self._differing(told, record)

    def may_know(self, known: int, record: Any) -> bool:
        """Whether a record may follow from what was known by a moment and not before."""
        return bool(record.known_time == known)

    def _blame(self, trouble: Trouble, key: Key, record: Any, what: str, known: int) -> None:
        if known > self._until:
            return
        verdict = self._explain(key, record)
        if verdict == "wrong":
            self.edge.blame(trouble, self._spoken(key) + what)
        self.edge.unjudged += verdict == "unclear"


class Hindsight(Matching[Told]):
    """Only figures that say more than what was known at their ``known_time`` gives.

    What was read before a figure was written and is known by its ``known_time`` gives the figure that is expected;
    it may say that it was known later than that, never earlier. What is not there used nothing.
    """

    def settle(
        self,
        round_: int,
        must: Callable[[Key], bool] = lambda _: True,
        ripe: Callable[[Key], bool] = lambda _: True,
    ) -> None:
        """Blame what has no reason to be there."""
        super().settle(round_, lambda _: False, ripe)

    def names(self, told: Told, record: Any) -> list[str]:
        """As of any figure, but that it may say that it was known later."""
        late_enough = self.may_know(known_of(told), record)
        return [name for name in super().names(told, record) if name != "known_time" or not late_enough]

    def may_know(self, known: int, record: Any) -> bool:
        """It may say that it was known later."""
        return bool(record.known_time >= known)
