"""What a stage of the flow is: a pure fold over one partition, and the line of facts about it that wires it.

A fold knows nothing of Kafka, Faust, threads or the wall clock. The engine gives it the records of one
partition in the order of the log and writes what it returns; the same records give the same outputs.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from schemas.clocks import Clock
from schemas.records import Record
from schemas.replays import Replay
from schemas.topics import state_topic


class Emit(NamedTuple):
    """A record to be written; the key decides the partition.

    ``more``: None for a record of the topic; else ``record`` is the input, and what is written are its fields unchanged
    and these values of the fields behind them (``schemas.codec.EXTENDS``).
    """

    topic: str
    key: str
    record: Record
    more: tuple[Any, ...] | None = None


class Fold:
    """The state of one stage in one partition. Subclasses override what they need.

    Times are microseconds UTC. A method that changes state must be deterministic: no wall clock, no random
    numbers, no iteration over sets of strings.
    """

    def questions(self, records: Sequence[Any]) -> Sequence[str]:
        """Texts that must be scored before these records are folded; changes nothing."""
        return ()

    def fact(self, topic: str, record: Any, watermark: int | None, answers: Mapping[str, Any]) -> Sequence[Emit]:
        """Fold one record of an input topic.

        ``watermark`` is the partition's at this place of the log (None = not set yet); ``answers`` has a
        score for each text of :meth:`questions`.

        Raises:
            PoisonError: the record can never be processed; the state must be as before the call.
        """
        raise NotImplementedError

    def heard(self, clock: Clock) -> None:
        """See a clock before it moves the watermark."""

    def advance(self, watermark: int) -> Sequence[Emit]:
        """The watermark moved: emit what it closes, and revisions of what changed since it last moved."""
        return ()

    def flush(self) -> Sequence[Emit]:
        """Every origin ended: emit all that is open."""
        return ()

    def clock_notes(self) -> tuple[Sequence[str], Sequence[Any]]:
        """``(sources, blind)`` to ride on the next forwarded clock; taken once."""
        return (), ()

    def dump(self) -> Iterable[tuple[str, bytes | None]]:
        """What changed since the last dump, as (key, bytes), None for a key that is gone. Values below 1 MB."""
        return ()

    def load(self, key: str, value: bytes) -> None:
        """Take back one entry of :meth:`dump` into a fresh fold; afterwards nothing counts as changed."""

    def describe(self, symbol: str) -> Mapping[str, Any]:
        """What is kept of a symbol, for people, as JSON can hold it; empty = nothing. Times are RFC 3339."""
        return {}


Ask = Callable[[Sequence[str]], Awaitable[Mapping[str, Any]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One line of the topology.

    Attributes:
        name: also names the consumer group ``moodtape.<name>`` and the topic ``<name>.state.v1``.
        inputs: topics read, co-partitioned.
        clocked: output topics that carry this stage's clocks.
        broadcast: clocks go to every partition of ``clocked``, not only to the same number.
        upstream: for each input the topic whose partitions are the origins of its clocks; None = a raw topic.
        fan_in: each input partition hears every upstream partition, not only its own number.
        lateness: microseconds subtracted from the clocks; 0 but for first stages.
        fold: makes the empty state of a partition.
        ask: answers the fold's questions (scores); None where it has none.
        replay: the replay that it works for; None = the live flow. Folds and cores know the topics by their live
            names, what goes over the wire has the names of :meth:`topic` and :meth:`source`.
    """

    name: str
    inputs: tuple[str, ...]
    clocked: tuple[str, ...]
    fold: Callable[[], Fold]
    upstream: tuple[str | None, ...]
    broadcast: bool = False
    fan_in: bool = False
    lateness: int = 0
    ask: Ask | None = None
    consume_records: int = 1000
    chunks_in_flight: int = 24
    replay: Replay | None = None

    @property
    def label(self) -> str:
        """Its name, with that of its replay: of groups, transactional ids and locks."""
        return self.name if self.replay is None else f"{self.name}.{self.replay.id}"

    @property
    def group(self) -> str:
        """Its consumer group."""
        return f"moodtape.{self.label}"

    @property
    def state(self) -> str:
        """Topic of its snapshots."""
        return self.topic(state_topic(self.name))

    def topic(self, name: str) -> str:
        """Name over the wire of a topic that it writes."""
        return name if self.replay is None else self.replay.topic(name)

    def source(self, name: str) -> str:
        """Name over the wire of a topic that it reads."""
        return name if self.replay is None else self.replay.source(name)

    @property
    def sources(self) -> dict[str, str]:
        """Its inputs, by their names over the wire."""
        return {self.source(name): name for name in self.inputs}
