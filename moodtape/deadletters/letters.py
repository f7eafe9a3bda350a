"""Messages of the topics of dead letters: what each holds, and which of them are wanted."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from infra.errors import UserError
from moodtape.verify.reading import Span, TopicReader
from schemas.clocks import CLOCK_HEADER, Headers
from schemas.codec import DecodeError, codec_for
from schemas.deadletters import DeadLetter, NotADeadLetter, parse_dead_letter
from schemas.replays import LIVE, replayed
from schemas.topics import TOPICS, dead_letter_topic

SUFFIX = ".dlq"
Identity = tuple[object, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Buried:
    """One message of a topic of dead letters. ``letter`` is None where its headers cannot be read."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    letter: DeadLetter | None
    replay: str = LIVE

    @property
    def source(self) -> str:
        """The topic of facts whose dead letters it is among, by its live name."""
        return live_name(self.topic, self.replay)

    @property
    def reason(self) -> str:
        """Why it is dead."""
        return self.letter.reason if self.letter else "unreadable headers"

    @property
    def group(self) -> str:
        """Who gave it up."""
        return self.letter.group if self.letter else ""

    @property
    def attempts(self) -> int:
        """Which try failed; 0 where nothing tells."""
        return self.letter.attempts if self.letter else 0

    @property
    def origin(self) -> tuple[str, int, int]:
        """Topic, partition and offset of the original; its own place where nothing tells."""
        letter = self.letter
        if letter is None:
            return self.topic, self.partition, self.offset
        return letter.topic, letter.partition, letter.offset

    @property
    def place(self) -> tuple[str, int, int]:
        """Where ``dlq show`` finds it: at its original, or at its own place where that is no record of its topic."""
        if live_name(self.origin[0], self.replay) == self.source:
            return self.origin
        return self.topic, self.partition, self.offset

    @property
    def identity(self) -> Identity:
        """What is counted once, however many letters there are: the place of the original.

        A producer's letters name a file and a line, and files recur: who read it and what it said belong to it.
        """
        if self.letter is None or self.letter.topic in TOPICS:
            return self.origin
        return (*self.origin, self.group, hashlib.md5(self.value or b"", usedforsecurity=False).hexdigest())

    @property
    def record(self) -> Any:
        """The original decoded; None where it cannot be."""
        try:
            return codec_for(self.source).decode(self.value)
        except (DecodeError, KeyError):
            return None

    @property
    def is_clock(self) -> bool:
        """Whether the original meant to be a clock."""
        return any(name == CLOCK_HEADER for name, _ in self.headers)

    @property
    def moment(self) -> int | None:
        """Event time of the original; where it cannot be decoded, when it failed first; microseconds UTC."""
        event_time: int | None = getattr(self.record, "event_time", None)
        if event_time is None and self.letter is not None:
            return self.letter.failed_at
        return event_time


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which dead letters, of the live flow or of a replay; None = any. Times are [start, end), microseconds UTC."""

    topic: str | None = None
    reason: str | None = None
    start: int | None = None
    end: int | None = None
    key: str | None = None
    replay: str = LIVE

    def has(self, letter: Buried) -> bool:
        """Whether a dead letter is among them."""
        if self.reason is not None and letter.reason != self.reason:
            return False
        if self.key is not None and (letter.key is None or letter.key.decode(errors="replace") != self.key):
            return False
        moment = letter.moment
        if moment is None:
            return self.start is None and self.end is None
        return (self.start is None or moment >= self.start) and (self.end is None or moment < self.end)


def live_name(topic: str, replay: str = LIVE) -> str:
    """The live topic of facts of a topic of dead letters, or of facts, also of those of a replay."""
    name = topic.removesuffix(SUFFIX)
    return name if replay == LIVE else name.removesuffix(f".{replay}")


def topic_names(topic: str | None, replay: str = LIVE) -> list[str]:
    """The live topics of facts that a user's ``--topic`` means; ``X``, ``X.dlq`` and ``X.REPLAY.dlq`` are the same.

    Raises:
        UserError: we have no such topic.
    """
    if topic is None:
        return list(TOPICS)
    name = live_name(topic, replay)
    if name not in TOPICS:
        raise UserError(f"no topic {name!r}; there are {', '.join(TOPICS)}")
    return [name]


def letter_spans(reader: TopicReader, topic: str | None, replay: str = LIVE) -> Iterator[Span]:
    """What there is to read of dead letters of one topic, or of all, in the live flow or in a replay."""
    for name in topic_names(topic, replay):
        yield from reader.spans(dead_letter_topic(replayed(name, replay)))


def letters_in(reader: TopicReader, span: Span, replay: str = LIVE) -> Iterator[Buried]:
    """The dead letters of one partition, in order of the log."""
    return (read(message, replay) for message in reader.messages(span))


def read(message: Any, replay: str = LIVE) -> Buried:
    """What a message of a topic of dead letters holds."""
    headers = message.headers() or []
    try:
        letter = parse_dead_letter(headers)
    except NotADeadLetter:
        letter = None
    return Buried(
        topic=message.topic(),
        partition=message.partition(),
        offset=message.offset(),
        key=message.key(),
        value=message.value(),
        headers=headers,
        letter=letter,
        replay=replay,
    )
