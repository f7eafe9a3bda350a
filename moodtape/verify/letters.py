"""The dead letters of a topic, by the place of the original."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from schemas.deadletters import DeadLetter, NotADeadLetter, parse_dead_letter
from schemas.topics import dead_letter_topic

from .reading import TopicReader

Digest = int


@dataclass(frozen=True, slots=True)
class Buried:
    """Where the dead letters of one partition of one topic say they come from.

    ``bytes_at`` has a digest of key and value for each offset of the original; ``twice`` lists offsets that one
    consumer group gave up more than once.
    """

    bytes_at: Mapping[int, Digest]
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


def buried(reader: TopicReader, topic: str) -> dict[int, Buried]:
    """The dead letters of a topic's own records, by partition; a recording's bad lines are not among them."""
    found: dict[int, dict[int, Digest]] = {}
    times: Counter[tuple[int, int, str]] = Counter()
    for message, letter in letters_of(reader, topic):
        if letter is None or letter.topic != topic:
            continue
        found.setdefault(letter.partition, {})[letter.offset] = digest(message.key(), message.value())
        times[letter.partition, letter.offset, letter.group] += 1
    twice = [(partition, offset) for (partition, offset, _), count in times.items() if count > 1]
    return {
        partition: Buried(offsets, tuple(sorted(o for p, o in twice if p == partition)))
        for partition, offsets in found.items()
    }
