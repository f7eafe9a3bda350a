"""From messages to rows by table; what cannot be read is given up."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from confluent_kafka import Message

from schemas.clocks import CLOCK_HEADER
from schemas.codec import DecodeError, UnknownSchema, codec_for
from schemas.deadletters import Redriven, parse_redriven
from schemas.replays import DERIVED, LIVE, replayed, warm_up_of
from schemas.topics import RAW_TOPICS, dead_letter_topic

from .ledger import Part
from .letters import GivenUp
from .rows import TABLE_OF_TOPIC, dead_letter_row, table_of


class Row(NamedTuple):
    """Values of a row, and the message and the record they came from; a dead letter has no record.

    ``again`` says of a redriven record where its original stands.
    """

    values: tuple[Any, ...]
    message: Message
    record: Any
    again: Redriven | None = None


@dataclass(slots=True)
class Batch:
    """What a chunk holds: rows by topic (as TOPICS names it), dead letters, and what cannot be read."""

    facts: dict[str, list[Row]] = field(default_factory=lambda: defaultdict(list))
    dead_letters: list[Row] = field(default_factory=list)
    given_up: list[GivenUp] = field(default_factory=list)


class _Source(NamedTuple):
    """A topic of facts: its live name, and how bytes become a record, and a record the values of a row."""

    topic: str
    decode: Callable[[bytes | None], Any]
    row: Callable[[Any, str, int, int], tuple[Any, ...]]


class Reader:
    """Reads the topics of the live flow, or those that a replay makes anew, for a consumer group."""

    def __init__(self, replay: str, group: str) -> None:
        self._replay, self._group = replay, group
        tables = tuple(TABLE_OF_TOPIC) if replay == LIVE else DERIVED
        self._facts = {
            replayed(name, replay): _Source(name, codec_for(name).decode, table_of(name).row) for name in tables
        }
        self._letters = {dead_letter_topic(replayed(name, replay)) for name in (*RAW_TOPICS, *tables)}

    @property
    def fact_topics(self) -> list[str]:
        """Names of the topics that have a table."""
        return list(self._facts)

    @property
    def dead_letter_topics(self) -> set[str]:
        """Names of the topics of dead letters."""
        return self._letters

    def read(self, messages: Mapping[Part, Sequence[Message]]) -> Batch:
        """Turn messages, by partition, into rows; clocks, warm-up, and what is redriven for others, are none."""
        batch = Batch()
        for part, some in messages.items():
            source = self._facts.get(part.topic)
            if source is None:
                batch.dead_letters += [self._letter(message) for message in some]
            else:
                self._facts_of(part, source, some, batch)
        return batch

    def _facts_of(self, part: Part, source: _Source, messages: Sequence[Message], batch: Batch) -> None:
        # One loop without calls of ours: this is most of what a row costs.
        decode, row, replay, partition = source.decode, source.row, self._replay, part.partition
        rows: list[Row] = []
        for message in messages:
            again = None
            headers = message.headers()
            if headers:
                if message.value() is None and (is_clock(message) or warm_up_of(headers)):
                    continue
                again = parse_redriven(headers)
                if again is not None and again.group != self._group:
                    continue  # for another group: this one had the original
            try:
                record = decode(message.value())
                rows.append(Row(row(record, replay, partition, message.offset()), message, record, again))
            except UnknownSchema as error:
                batch.given_up.append(GivenUp(message, "unknown_schema", "UnknownSchema", str(error)))
            except DecodeError as error:
                batch.given_up.append(GivenUp(message, "undecodable", "DecodeError", str(error)))
            except OverflowError as error:
                batch.given_up.append(GivenUp(message, "refused", "OverflowError", str(error)))
        if rows:
            batch.facts[source.topic] += rows

    def _letter(self, message: Message) -> Row:
        content = (message.key(), message.value(), message.headers())
        values = dead_letter_row(message.topic(), message.partition(), message.offset(), self._replay, content)
        return Row(values, message, None)


def is_clock(message: Message) -> bool:
    """Whether a message is a clock and no fact."""
    return message.value() is None and any(name == CLOCK_HEADER for name, _ in message.headers() or ())
