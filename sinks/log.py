"""The Kafka side of a sink: the partitions of this process, chunks of them, and where they stand."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from confluent_kafka import (
    OFFSET_INVALID,
    Consumer,
    ConsumerGroupState,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec

from infra.bounded import Unanswered, within
from infra.errors import FatalError, ServiceUnavailable, TransientError
from infra.kafka import admin_client, consumer_config, is_fatal
from infra.log import get_logger
from infra.settings import Settings

from .ledger import Bounds, Part

_LOG = get_logger(__name__)
_TIMEOUT_SECONDS = 20.0
_ANSWER_SECONDS = 2.0
_CLOSE_SECONDS = 5.0
# States of a group that waits for nobody.
_COMPLETE = {ConsumerGroupState.EMPTY, ConsumerGroupState.STABLE, ConsumerGroupState.DEAD}
# A chunk is a transaction of the store: with a backlog it holds as much as five of a worker's polls.
_POLLS_A_CHUNK = 5


@dataclass(frozen=True, slots=True)
class Chunk:
    """What one poll gave: messages by partition, and for each that moved where the chunk begins and ends.

    ``ends`` lies behind clocks and transaction markers too; a chunk may hold no message at all.
    """

    messages: Mapping[Part, Sequence[Message]]
    begins: Mapping[Part, int]
    ends: Mapping[Part, int]


class KafkaLog:
    """The partitions that the group gave this process, read from where :meth:`seek` says and not before."""

    def __init__(self, settings: Settings, bootstrap: str, group: str, topics: Sequence[str]) -> None:
        self._records = _POLLS_A_CHUNK * settings.consume_records
        self._bootstrap = bootstrap
        self._group = group
        self._next: dict[Part, int] = {}
        self._assigned: list[Part] = []
        self._unsure: set[Part] = set()
        self.moved = False
        self.given: int | None = None
        self._consumer = Consumer(_consumer_settings(settings, bootstrap, group))
        self._consumer.subscribe(list(topics), on_assign=self._on_assign, on_revoke=self._on_revoke)

    def idle(self, seconds: float) -> None:
        """Stay in the group for so long while reading nothing."""
        message = self._consumer.poll(seconds)
        if message is not None and message.error() is not None:
            _complain(message.error())

    def bounds(self) -> dict[Part, Bounds]:
        """What the log holds of each assigned partition.

        Raises:
            TransientError: the broker does not answer.
        """
        if not self._assigned:
            return {}
        committed = self._committed()  # before the ends, which only grow: never behind them
        # A client of its own each time: one that has seen a broker before it restarted asks with the leaders' epochs of
        # then, is refused (FENCED_LEADER_EPOCH), and never asks for new ones.
        admin = admin_client(self._bootstrap)
        low, high = self._offsets(admin, OffsetSpec.earliest()), self._offsets(admin, OffsetSpec.latest())
        return {part: Bounds(low[part], high[part], done) for part, done in committed.items()}

    def behind(self) -> dict[Part, int]:
        """Where reading stands in each partition that has more to be read; asks the broker.

        Raises:
            TransientError: the broker does not answer.
        """
        if not self._next:
            return {}
        ends = self._offsets(admin_client(self._bootstrap), OffsetSpec.latest(), IsolationLevel.READ_COMMITTED)
        return {part: offset for part, offset in self._next.items() if offset < ends[part]}

    def is_forgotten(self) -> bool:
        """Whether the group's coordinator says that the group waits for nobody, so not for this process either.

        It is asked by a client of its own; one that does not answer has forgotten nobody.
        """
        admin = admin_client(self._bootstrap)  # held: without it nothing answers any more
        try:
            # A coordinator that is away while it is asked ends the whole process (librdkafka issue 4605): only one of
            # which a broker has just told is asked.
            admin.list_topics(timeout=_ANSWER_SECONDS)
            asked = admin.describe_consumer_groups([self._group], request_timeout=_ANSWER_SECONDS)
            return asked[self._group].result(2 * _ANSWER_SECONDS).state in _COMPLETE
        except (KafkaException, TimeoutError):
            return False

    def seek(self, offsets: Mapping[Part, int]) -> None:
        """Read on from these offsets, one for each assigned partition, and tell the group so."""
        self._next = dict(offsets)
        self.moved = False
        # Only of what it was not reading does the client forget the position at once.
        self.hold()
        self._consumer.assign(_places(offsets))
        told = self._consumer.position(_places(offsets))
        self._unsure = {Part(place.topic, place.partition) for place in told if place.offset != OFFSET_INVALID}
        self.commit(offsets)

    def hold(self) -> None:
        """Read nothing until the next :meth:`seek`."""
        # Not paused: a partition that is paused, assigned and resumed in a row may stay paused for ever (librdkafka
        # issue 5591).
        self._consumer.assign([])

    def read(self, seconds: float) -> Chunk | None:
        """The next chunk, waiting at most so long for it; None where nothing moved.

        Raises:
            FatalError: the client is dead, or the log lost what was to be read.
        """
        messages = self._consume(seconds)
        if self.moved:
            return None
        ends = self._ends(messages)
        if not ends:
            return None
        begins = {part: self._next[part] for part in ends}
        if not all(part in ends and _lie_between(begins[part], ends[part], some) for part, some in messages.items()):
            # A record fetched before the last seek: the store says where to read on.
            self.moved = True
            return None
        return Chunk(messages, begins, ends)

    def _consume(self, seconds: float) -> dict[Part, list[Message]]:
        messages: dict[Any, list[Message]] = defaultdict(list)
        for message in self._consumer.consume(self._records, seconds):
            if message.error() is None or _complain(message.error()):
                messages[message.topic(), message.partition()].append(message)
        return {Part(*part): some for part, some in messages.items()}

    def done(self, chunk: Chunk) -> None:
        """The chunk is stored: the next one begins at its end."""
        self._next.update(chunk.ends)
        self.commit(chunk.ends)

    def commit(self, offsets: Mapping[Part, int]) -> None:
        """Commit offsets to the group, without waiting; a failure is mended by the next commit."""
        if not offsets:
            return
        try:
            self._consumer.commit(offsets=_places(offsets), asynchronous=True)
        except KafkaException as error:
            _LOG.debug("offsets not committed", error=str(error))

    def lags(self) -> dict[Part, int]:
        """Offsets between what is stored and the end of the log, as far as the client knows it."""
        lags = {}
        for part, offset in self._next.items():
            _, high = self._consumer.get_watermark_offsets(TopicPartition(*part), cached=True)
            lags[part] = max(0, high - offset)
        return lags

    def close(self) -> None:
        """Commit what is stored and leave the group, or be gone without where that takes too long.

        A client may try for ever (librdkafka issue 3740), and what it would tell is in the store as well.
        """
        try:
            within(_CLOSE_SECONDS, self._leave)
        except Unanswered:
            _LOG.warning("the group was not left in time", group=self._group)

    def _leave(self) -> None:
        try:
            if self._next:
                self._consumer.commit(offsets=_places(self._next), asynchronous=False)
        except KafkaException as error:
            _LOG.debug("offsets not committed", error=str(error))
        self._consumer.close()

    def _on_assign(self, consumer: Consumer, places: list[TopicPartition]) -> None:
        self._assigned = [Part(place.topic, place.partition) for place in places]
        self._next, self.moved, self.given = {}, True, len(places)
        self.hold()  # until the store has said where to read

    def _on_revoke(self, consumer: Consumer, places: list[TopicPartition]) -> None:
        self._assigned, self._next, self.moved, self.given = [], {}, True, None
        consumer.unassign()

    def _ends(self, came: Iterable[Part]) -> dict[Part, int]:
        """Up to where each partition was read, of those that moved.

        After a seek the client may tell the position of before until it has come to the new one: where it did so then,
        a position says nothing until it has told that it knows none, or has given a record. (Should it come there
        without either, the loop finds the partition stuck and the process is started again.)
        """
        places = self._consumer.position([TopicPartition(*part) for part in self._next])
        ends = {Part(place.topic, place.partition): place.offset for place in places}
        self._unsure.difference_update(came, [part for part, end in ends.items() if end == OFFSET_INVALID])
        return {part: end for part, end in ends.items() if end > self._next[part] and part not in self._unsure}

    def _offsets(
        self, admin: AdminClient, spec: Any, isolation: IsolationLevel = IsolationLevel.READ_UNCOMMITTED
    ) -> dict[Part, int]:
        asked = {TopicPartition(*part): spec for part in self._assigned}
        try:
            futures = admin.list_offsets(asked, isolation_level=isolation, request_timeout=_TIMEOUT_SECONDS)
            return {Part(p.topic, p.partition): f.result(2 * _TIMEOUT_SECONDS).offset for p, f in futures.items()}
        except (KafkaException, TimeoutError) as error:
            raise TransientError(f"Kafka does not tell its offsets: {error}") from error

    def _committed(self) -> dict[Part, int | None]:
        try:
            places = self._consumer.committed([TopicPartition(*p) for p in self._assigned], timeout=_TIMEOUT_SECONDS)
        except KafkaException as error:
            raise TransientError(f"Kafka does not tell its offsets: {error}") from error
        return {Part(p.topic, p.partition): p.offset if p.offset >= 0 else None for p in places}


def existing_topics(bootstrap: str) -> set[str]:
    """Names of the topics that a broker has.

    Raises:
        ServiceUnavailable: it does not answer.
    """
    try:
        return set(admin_client(bootstrap).list_topics(timeout=_TIMEOUT_SECONDS).topics)
    except KafkaException as error:
        raise ServiceUnavailable(f"Kafka at {bootstrap}: {error.args[0].str()}") from error


def _consumer_settings(settings: Settings, bootstrap: str, group: str) -> dict[str, Any]:
    extra: dict[str, Any] = {
        "partition.assignment.strategy": "range",
        "session.timeout.ms": settings.session_timeout_ms,
        # Offsets come from the store; where they point outside the log there is a loss to be told, not to be hidden.
        "auto.offset.reset": "error",
        # A topic that is made while we start is noticed within seconds, not minutes.
        "topic.metadata.refresh.interval.ms": 5000,
    }
    if settings.instance is not None:
        extra["group.instance.id"] = f"{group}.{settings.instance}"
    return consumer_config(bootstrap, group, **extra)


def _lie_between(begin: int, end: int, messages: Sequence[Message]) -> bool:
    """Whether all messages of a partition are of [begin, end)."""
    offsets = [message.offset() for message in messages]
    return bool(begin <= min(offsets) and max(offsets) < end)


def _places(offsets: Mapping[Part, int]) -> list[TopicPartition]:
    return [TopicPartition(part.topic, part.partition, offset) for part, offset in offsets.items()]


def _complain(error: KafkaError) -> bool:
    if is_fatal(error):
        raise FatalError(f"Kafka's client is dead: {error.str()}")
    if error.code() == KafkaError._AUTO_OFFSET_RESET:
        raise FatalError(f"the log was cut while it was read: {error.str()}")
    _LOG.warning("kafka", error=error.str())
    return False
