"""The dead letters of a topic, by the place of the original, and the records that were sent back."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from schemas.deadletters import DeadLetter, NotADeadLetter, parse_dead_letter, parse_redriven
from schemas.topics import dead_letter_topic

from .reading import Fact, Heard, Span, TopicReader

Digest = int
Try = tuple[int, int]
"""Offset of the original and number of the try: 1 = the original itself, more = redriven."""
SINK_GROUP = "moodtape.sink.timescale"


@dataclass(frozen=True, slots=True)
class Buried:
    """What one consumer group gave up of one partition of a topic.

    ``bytes_at`` has a digest of key and value for each try that failed; ``twice`` lists offsets of originals of
    which one try has more than one letter.
    """

    bytes_at: Mapping[Try, Digest]
    twice: tuple[int, ...]


NONE = Buried({}, ())


def digest(key: bytes | None, value: bytes | None) -> Digest:
    """64 bits of a record's bytes, good within this process."""
    return hash((key, value))


def letters_of(reader: TopicReader, topic: str) -> Iterator[tuple[Any, DeadLetter | None]]:
    """Every message of a topic's dead letters, with what its headers say (None: unreadable)."""
    for span in reader.spans(dead_letter_topic(topic)):
        for message in reader.messages(span):
            try:
                yield message, parse_dead_letter(message.headers())
            except NotADeadLetter:
                yield message, None


def buried(reader: TopicReader, topic: str, group: str) -> dict[int, Buried]:
    """What a group gave up of a topic's own records, by partition; a recording's bad lines are not among them."""
    found: dict[int, dict[Try, Digest]] = {}
    twice: dict[int, set[int]] = {}
    for message, letter in letters_of(reader, topic):
        if letter is None or letter.topic != topic or letter.group != group:
            continue
        tries = found.setdefault(letter.partition, {})
        number = (letter.offset, letter.attempts)
        if number in tries:
            twice.setdefault(letter.partition, set()).add(letter.offset)
        tries[number] = digest(message.key(), message.value())
    return {partition: Buried(tries, tuple(sorted(twice.get(partition, ())))) for partition, tries in found.items()}


class Tries:
    """Tells the tries of one group in one partition apart, in order of the log.

    Args:
        low: first offset that the log still holds.
        since: the broker's time (ms) since when its dead letters are held; 0 = from the first.
    """

    def __init__(self, topic: str, partition: int, group: str, dead: Buried, low: int = 0, since: int = 0) -> None:
        self._place, self._group, self.dead, self._low = (topic, partition), group, dead, low
        self._since = since

    def of(self, fact: Fact) -> Try | None:
        """Which try of which original a record is; None where it was redriven for another group."""
        again = parse_redriven(fact.headers)
        if again is None:
            return fact.offset, 1
        if again.group != self._group or (again.topic, again.partition) != self._place:
            return None
        return again.offset, again.attempts

    def may_be_dead(self, fact: Fact) -> bool:
        """Whether a letter about a record may have been removed: it was written after the record."""
        return fact.append_ms < self._since

    def counts(self, number: Try, fact: Fact) -> bool:
        """Whether a record stands for its identity: the original, or a later try whose original is gone."""
        return number[0] == fact.offset or number[0] < self._low

    def folded(self, entries: Iterable[Fact | Heard]) -> Iterator[Fact | Heard]:
        """Clocks, and the records that the group took in: not those it gave up, nor those redriven for others."""
        for entry in entries:
            if isinstance(entry, Heard):
                yield entry
                continue
            number = self.of(entry)
            if number is not None and number not in self.dead.bytes_at:
                yield entry


def tries_of(reader: TopicReader, topic: str, group: str) -> Callable[[Span], Tries]:
    """For each partition of a topic the tries of a group."""
    dead = buried(reader, topic, group)
    since = {span.partition: reader.held_since(span) for span in reader.spans(dead_letter_topic(topic))}

    def tries(span: Span) -> Tries:
        number = span.partition
        return Tries(topic, number, group, dead.get(number, NONE), span.low, since.get(number, 0))

    return tries
