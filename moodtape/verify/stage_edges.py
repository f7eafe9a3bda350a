"""What a stage read against what it wrote, one partition after the other, in parts that move on together."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

from schemas.deadletters import parse_redriven

from .account import Edge
from .letters import Tries, tries_of
from .reading import Fact, Heard, Span, TopicReader, facts_only, in_step, require

Place = tuple[str, int]
"""A topic and the number of a partition."""


class Judge(Protocol):
    """Tells one stage's outputs again, fed with what the stage read and with what it wrote.

    The outputs of everything that it is fed as ``sure`` in a round are fed in that round, too, by its end. ``settle``
    blames what does not add up; ``last``: nothing more will come.
    """

    def take(self, topic: str, entry: Fact | Heard, sure: bool) -> None: ...
    def find(self, fact: Fact, round_: int) -> None: ...
    def proceed(self) -> None: ...
    def settle(self, round_: int, last: bool) -> None: ...


class StageEdge:
    """One stage's account, which may be gone on with in rounds.

    Args:
        reader: of the topics.
        inputs: topics that the stage reads.
        output: topic that it writes.
        group: the stage's consumer group.
        judge: makes the judge of a partition, given the first offset that is held of each input and of the output.
    """

    def __init__(
        self,
        reader: TopicReader,
        inputs: Sequence[str],
        output: str,
        group: str,
        judge: Callable[[Edge, int, Mapping[str, int]], Judge],
    ) -> None:
        self.edge = Edge(f"{' + '.join(inputs)} -> {output}")
        self._reader, self._inputs, self._output, self.group = reader, tuple(inputs), output, group
        self._make = judge
        self._judges: dict[int, Judge] = {}
        self._read: dict[Place, int] = {}
        self._round = 0
        self._open: list[tuple[int, dict[Place, int]]] = []

    def lag(self) -> int:
        """How many offsets of its inputs the stage has not read yet."""
        return sum(max(0, s.high - at) for s, at in self._committed())

    def go_on(self, last: bool) -> None:
        """Account for what was read and written since the last time.

        Args:
            last: the stage should have read all that there is: what it lacks is missing. Else only what it says
                that it has read is accounted for.
        """
        goals = {(s.topic, s.partition): s.high if last else min(s.high, at) for s, at in self._committed()}
        made = self._spans([self._output])
        later = self._spans(self._inputs)
        self._round += 1
        self._open.append((self._round, {place: span.high for place, span in later.items()}))
        tries = self._tries({**made, **later})
        for (_, partition), span in made.items():
            judge = self._judge(partition, {**made, **later})
            inputs = [self._new(span_, goals[place]) for place, span_ in later.items() if place[1] == partition]
            self._feed(judge, [*inputs, self._new(span, span.high)], tries, True)
            judge.settle(self._known(partition, goals), False)
            if last:
                rest = [self._new(span_, span_.high) for place, span_ in later.items() if place[1] == partition]
                self._feed(judge, rest, tries, False)
                judge.settle(self._round, True)
        self._open = [(n, ends) for n, ends in self._open if any(goals[place] < end for place, end in ends.items())]

    def _committed(self) -> Iterator[tuple[Span, int]]:
        """Each partition of the inputs, and how far the stage has come in it."""
        for topic in self._inputs:
            spans = require(self._reader.spans(topic), topic)
            committed = self._reader.committed(self.group, spans)
            yield from ((span, committed[span.partition]) for span in spans)

    def _spans(self, topics: Sequence[str]) -> dict[Place, Span]:
        return {(s.topic, s.partition): s for topic in topics for s in require(self._reader.spans(topic), topic)}

    def _new(self, span: Span, until: int) -> Span:
        """The part of a partition that was not read yet; from now on it counts as read."""
        place = (span.topic, span.partition)
        begin = max(span.low, self._read.get(place, 0))
        self._read[place] = max(begin, until)
        return Span(span.topic, span.partition, begin, max(begin, until))

    def _judge(self, partition: int, spans: Mapping[Place, Span]) -> Judge:
        if partition not in self._judges:
            lows = {topic: span.low for (topic, number), span in spans.items() if number == partition}
            self._judges[partition] = self._make(self.edge, partition, lows)
        return self._judges[partition]

    def _tries(self, spans: Mapping[Place, Span]) -> dict[Place, Tries]:
        made = {topic: tries_of(self._reader, topic, self.group) for topic in self._inputs}
        return {place: made[span.topic](span) for place, span in spans.items() if span.topic in made}

    def _feed(self, judge: Judge, spans: Sequence[Span], tries: Mapping[Place, Tries], sure: bool) -> None:
        for part in in_step(spans):
            for span in part:
                entries = self._reader.facts(span)
                if span.topic == self._output:
                    for fact in facts_only(entries):
                        if parse_redriven(fact.headers) is None:  # else somebody who read it wants it again
                            judge.find(fact, self._round)
                else:
                    for entry in tries[span.topic, span.partition].folded(entries):
                        judge.take(span.topic, entry, sure)
            judge.proceed()

    def _known(self, partition: int, goals: Mapping[Place, int]) -> int:
        """The last round of which everything that can explain its outputs has been read by now."""
        known = 0
        for number, ends in self._open:
            if any(goals[place] < end for place, end in ends.items() if place[1] == partition):
                break
            known = number
        return known
