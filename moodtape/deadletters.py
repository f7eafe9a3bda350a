"""Looking at dead letters: which there are, why, and what one of them holds."""

import base64
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from infra.clock import to_rfc3339
from infra.errors import UserError
from schemas.clocks import Headers
from schemas.codec import DecodeError, codec_for, to_dict
from schemas.deadletters import DeadLetter, NotADeadLetter, parse_dead_letter
from schemas.topics import TOPICS, dead_letter_topic

from .verify.reading import TopicReader, require

SUFFIX = ".dlq"
HIDDEN_FIELDS = ("text",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Buried:
    """One message of a topic of dead letters. ``letter`` is None where its headers cannot be read.

    ``record`` is the original decoded, None where it cannot be.
    """

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    letter: DeadLetter | None
    record: Any

    @property
    def reason(self) -> str:
        """Why it is dead."""
        return self.letter.reason if self.letter else "unreadable headers"

    @property
    def origin(self) -> tuple[str, int, int]:
        """Topic, partition and offset of the original; its own place where nothing tells."""
        letter = self.letter
        if letter is None:
            return self.topic, self.partition, self.offset
        return letter.topic, letter.partition, letter.offset

    @property
    def moment(self) -> int | None:
        """Event time of the original; where it cannot be decoded, when it failed; microseconds UTC."""
        event_time: int | None = getattr(self.record, "event_time", None)
        if event_time is None and self.letter is not None:
            return self.letter.failed_at
        return event_time


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which dead letters to list; None = any. ``start`` is inclusive, ``end`` exclusive, microseconds UTC."""

    topic: str | None = None
    reason: str | None = None
    start: int | None = None
    end: int | None = None

    def has(self, letter: Buried) -> bool:
        """Whether a dead letter is among them."""
        if self.reason is not None and letter.reason != self.reason:
            return False
        moment = letter.moment
        if moment is None:
            return self.start is None and self.end is None
        return (self.start is None or moment >= self.start) and (self.end is None or moment < self.end)


def topic_names(topic: str | None) -> list[str]:
    """The topics of facts that a user's ``--topic`` means; ``X`` and ``X.dlq`` are the same.

    Raises:
        UserError: we have no such topic.
    """
    if topic is None:
        return list(TOPICS)
    name = topic.removesuffix(SUFFIX)
    if name not in TOPICS:
        raise UserError(f"no topic {name!r}; there are {', '.join(TOPICS)}")
    return [name]


def dead_letters(reader: TopicReader, wanted: Wanted) -> Iterator[Buried]:
    """The dead letters that are wanted, topic after topic, in the order of their logs."""
    for name in topic_names(wanted.topic):
        for span in reader.spans(dead_letter_topic(name)):
            for message in reader.messages(span):
                letter = read(message)
                if wanted.has(letter):
                    yield letter


def count(letters: Iterator[Buried], limit: int) -> tuple[list[Buried], Counter[tuple[str, str]]]:
    """The first ``limit`` dead letters, and how many there are by topic and reason."""
    first: list[Buried] = []
    counts: Counter[tuple[str, str]] = Counter()
    for letter in letters:
        counts[letter.topic, letter.reason] += 1
        if len(first) < limit:
            first.append(letter)
    return first, counts


def find(reader: TopicReader, topic: str, partition: int, offset: int) -> Buried:
    """A dead letter by the place of the original, or, with a topic ``X.dlq``, by its own.

    Raises:
        UserError: there is none.
    """
    (name,) = topic_names(topic)
    own = topic.endswith(SUFFIX)
    letters = dead_letter_topic(name)
    for span in require(reader.spans(letters), letters):
        for message in reader.messages(span):
            letter = read(message)
            place = (letter.topic, letter.partition, letter.offset) if own else letter.origin
            if place == (topic, partition, offset):
                return letter
    raise UserError(f"no dead letter of {topic} {partition} {offset}; `moodtape dlq list` shows those there are")


def read(message: Any) -> Buried:
    """What a message of a topic of dead letters holds."""
    headers = message.headers() or []
    try:
        letter = parse_dead_letter(headers)
    except NotADeadLetter:
        letter = None
    topic = message.topic()
    return Buried(
        topic=topic,
        partition=message.partition(),
        offset=message.offset(),
        key=message.key(),
        value=message.value(),
        headers=headers,
        letter=letter,
        record=_decoded(topic.removesuffix(SUFFIX), message.value()),
    )


def _decoded(topic: str, value: bytes | None) -> Any:
    try:
        return codec_for(topic).decode(value)
    except (DecodeError, KeyError):
        return None


def brief(letter: Buried) -> dict[str, Any]:
    """A dead letter as JSON values, without what it holds."""
    topic, partition, offset = letter.origin
    said = letter.letter
    return {
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.offset,
        "origin": {"topic": topic, "partition": partition, "offset": offset},
        "reason": letter.reason,
        "message": said.message if said else None,
        "stage": said.stage if said else None,
        "group": said.group if said else None,
        "attempts": said.attempts if said else None,
        "first_failed_at": to_rfc3339(said.failed_at) if said else None,
    }


def whole(letter: Buried, reveal: bool) -> dict[str, Any]:
    """A dead letter as JSON values with key, headers and record; texts and raw bytes only if ``reveal``."""
    headers = letter.letter.headers if letter.letter else letter.headers
    value = letter.value
    return {
        **brief(letter),
        "error": letter.letter.error if letter.letter else None,
        "key": None if letter.key is None else letter.key.decode(errors="replace"),
        "headers": [[name, None if text is None else text.decode(errors="replace")] for name, text in headers],
        "bytes": None if value is None else len(value),
        "value": base64.b64encode(value).decode() if reveal and value is not None else None,
        "record": None if letter.record is None else _shown(letter.record, reveal),
    }


def _shown(record: Any, reveal: bool) -> dict[str, Any]:
    data = to_dict(record)
    if reveal:
        return data
    return {k: f"({len(v)} characters, hidden)" if k in HIDDEN_FIELDS and v else v for k, v in data.items()}
