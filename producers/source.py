"""What a source is: an origin and a stream of events that say what is known, and up to when.

A source knows nothing of Kafka. It starts from the position that :class:`producers.runner.Runner` found to be
safely in the topics, and hands out events; whatever stands between two marks is written together or not at all.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from schemas.records import Gap, RawPost, RawQuote


@dataclass(frozen=True, slots=True)
class Fact:
    """A raw record, and the source's position once it is written."""

    record: RawQuote | RawPost
    position: str | tuple[int, ...] = ""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A piece of the source's input that cannot become a record; it goes to the dead letters of ``topic``.

    Attributes:
        topic: the raw topic the record would have gone to.
        file: name of the input, its identity in the dead letter.
        line: number of the line in that input, from 1.
        value: the line's bytes, without the line break.
        error: what is wrong, without any of the text.
        position: the source's position once this is written.
    """

    topic: str
    file: str
    line: int
    value: bytes
    error: Exception
    position: str | tuple[int, ...] = ""


@dataclass(frozen=True, slots=True)
class Mark:
    """A clock: every fact with ``event_time <= time`` (microseconds UTC) came before; a restart may begin here."""

    time: int
    position: str = ""


@dataclass(frozen=True, slots=True)
class Blind:
    """The source saw nothing for a while; the next mark ends it. The gap goes to ``gaps.v1``."""

    gap: Gap


@dataclass(frozen=True, slots=True)
class Pause:
    """Nothing to do for so many seconds: what was marked is committed now."""

    seconds: float


@dataclass(frozen=True, slots=True)
class End:
    """The source truly ended; never handed out because of a signal."""

    position: str = ""


Event = Fact | Unreadable | Mark | Blind | Pause | End


class Source(Protocol):
    """Where raw facts come from."""

    @property
    def origin(self) -> str:
        """``<source or recording>/<producer instance>``, the name in the clocks."""

    @property
    def live(self) -> bool:
        """Whether event time is the wall clock's, so that a wrong clock of this machine matters."""

    @property
    def begins(self) -> int | None:
        """Earliest event time of a source of the past: it enters only topics that hold nothing later. Microseconds."""

    def events(self, position: str | None) -> Iterator[Event]:
        """Events after a position that an earlier mark carried; None = from the beginning.

        Raises:
            UserError: the position is not of this source.
        """
