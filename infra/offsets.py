"""Whose logs they are, where they end, where groups stand, and reading a topic from its start to its end."""

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import TypeVar

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Message,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec

from .errors import ServiceUnavailable, UserError
from .kafka import admin_client, consumer_config, is_fatal

TIMEOUT_SECONDS = 30
# A producer that died holds readers of its partitions back for as long as its transaction may last.
SILENCE_SECONDS = 60.0
_ASK_SECONDS = 10
# What a broker says while groups find their coordinator, as after its start.
_MOVING = (
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.NOT_COORDINATOR,
)
Partition = tuple[str, int]
T = TypeVar("T")


def log_ends(bootstrap: str, topics: Iterable[str]) -> dict[Partition, int]:
    """HIGH watermark of every partition of the topics: past open transactions and their markers too.

    Raises:
        ServiceUnavailable: the broker does not answer or has no such topic.
    """
    return _listed(bootstrap, topics, OffsetSpec.latest())


def log_starts(bootstrap: str, topics: Iterable[str]) -> dict[Partition, int]:
    """First offset that is still held of every partition of the topics.

    Raises:
        ServiceUnavailable: the broker does not answer or has no such topic.
    """
    return _listed(bootstrap, topics, OffsetSpec.earliest())


def _listed(bootstrap: str, topics: Iterable[str], spec: OffsetSpec) -> dict[Partition, int]:
    wanted = list(topics)
    # A broker that has just started, or just made a topic, answers for partitions that it does not lead yet; and a
    # client that learnt so does not ask for leaders again: hence a new one each time.
    return _patiently(bootstrap, lambda: _offsets(admin_client(bootstrap), wanted, spec), lambda _: True)


def _patiently(bootstrap: str, ask: Callable[[], T], may_pass: Callable[[KafkaError], bool]) -> T:
    """Ask a broker that may just have started, for 30 seconds.

    Raises:
        ServiceUnavailable: it refuses for another reason, or still.
    """
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while True:
        try:
            return ask()
        except KafkaException as error:
            cause: KafkaError = error.args[0]
            if not may_pass(cause) or time.monotonic() > deadline:
                raise ServiceUnavailable(f"Kafka at {bootstrap}: {cause.str()}") from error
            time.sleep(0.2)


def _offsets(admin: AdminClient, topics: Sequence[str], spec: OffsetSpec) -> dict[Partition, int]:
    asked = {TopicPartition(topic, number): spec for topic in topics for number in _numbers(admin, topic)}
    if not asked:
        return {}
    futures = admin.list_offsets(asked, isolation_level=IsolationLevel.READ_UNCOMMITTED, request_timeout=20)
    return {(tp.topic, tp.partition): future.result(TIMEOUT_SECONDS).offset for tp, future in futures.items()}


def _numbers(admin: AdminClient, topic: str) -> Sequence[int]:
    metadata = admin.list_topics(topic, timeout=_ASK_SECONDS)
    return sorted(metadata.topics[topic].partitions)


def cluster_of(bootstrap: str) -> str:
    """Identity of the cluster, within which an offset means something.

    Raises:
        ServiceUnavailable: the broker does not answer.
    """
    try:
        return str(admin_client(bootstrap).list_topics(timeout=_ASK_SECONDS).cluster_id)
    except KafkaException as error:
        raise ServiceUnavailable(f"Kafka at {bootstrap}: {error.args[0].str()}") from error


def topic_ids(bootstrap: str, topics: Iterable[str]) -> dict[str, str]:
    """Identity of each topic: one that was deleted and made anew has another, and its offsets begin again.

    Raises:
        ServiceUnavailable: the broker does not answer or has no such topic.
    """
    wanted = TopicCollection(list(topics))

    def ask() -> dict[str, str]:
        admin = admin_client(bootstrap)
        futures = admin.describe_topics(wanted, request_timeout=_ASK_SECONDS)
        return {name: str(future.result(TIMEOUT_SECONDS).topic_id) for name, future in futures.items()}

    return _patiently(bootstrap, ask, lambda _: True)


def committed_offsets(bootstrap: str, group: str, topics: Iterable[str]) -> dict[Partition, int]:
    """Committed offsets of a consumer group in topics; empty for an unknown group.

    Raises:
        ServiceUnavailable: the broker does not answer.
    """
    with closing(GroupOffsets(bootstrap, group, topics)) as asked:
        return asked.read()


class GroupOffsets:
    """Tells again and again where a consumer group stands.

    Asked by a consumer that does not join: librdkafka's admin call crashes the process when the group's
    coordinator moves (2.16: ``rd_kafka_cgrp_op`` without a group).
    """

    def __init__(self, bootstrap: str, group: str, topics: Iterable[str]) -> None:
        self._bootstrap, self._topics = bootstrap, tuple(topics)
        self._consumer = Consumer(consumer_config(bootstrap, group))
        self._asked: list[TopicPartition] = []

    def read(self) -> dict[Partition, int]:
        """Committed offsets; empty for an unknown group.

        Raises:
            ServiceUnavailable: the broker does not answer.
        """
        found = _patiently(self._bootstrap, self._committed, lambda error: error.code() in _MOVING)
        return {(tp.topic, tp.partition): tp.offset for tp in found if tp.offset >= 0}

    def _committed(self) -> list[TopicPartition]:
        if not self._asked:
            known = self._consumer.list_topics(timeout=TIMEOUT_SECONDS).topics
            self._asked = [TopicPartition(topic, n) for topic in self._topics for n in known[topic].partitions]
        found: list[TopicPartition] = self._consumer.committed(self._asked, timeout=TIMEOUT_SECONDS)
        return found

    def close(self) -> None:
        """Give the connection back."""
        self._consumer.close()


def read_to_end(bootstrap: str, topics: Sequence[str]) -> Iterator[Message]:
    """Every committed record of the topics, from the logs' starts to their present ends, clocks included.

    Order is that of the log within a partition.

    Raises:
        ServiceUnavailable: the broker does not answer, or stops answering.
    """
    return read_until(bootstrap, log_ends(bootstrap, topics))


def read_until(
    bootstrap: str, ends: Mapping[Partition, int], starts: Mapping[Partition, int] | None = None
) -> Generator[Message, None, None]:
    """Every committed record of some partitions before offsets that their logs have reached.

    Args:
        bootstrap: host:port of Kafka.
        ends: the offsets before which it reads. A log that is empty up to there is none to be read.
        starts: where it begins; None = at the logs' starts, whatever is removed meanwhile.

    Raises:
        ServiceUnavailable: nothing comes for a minute before the end.
        UserError: of what begins at ``starts`` something is removed.
    """
    left = {key: end for key, end in ends.items() if end > (0 if starts is None else starts[key])}
    lost = {} if starts is None else {"auto.offset.reset": "error"}
    consumer = Consumer(consumer_config(bootstrap, "moodtape.reader", **lost))
    try:
        begins = dict.fromkeys(left, OFFSET_BEGINNING) if starts is None else starts
        consumer.assign([TopicPartition(*key, begins[key]) for key in left])
        yield from read_on(consumer, bootstrap, left)
    finally:
        consumer.close()


def read_on(
    consumer: Consumer,
    bootstrap: str,
    ends: Mapping[Partition, int],
    seconds: float = 0.1,
    monotonic: Callable[[], float] = time.monotonic,
) -> Iterator[Message]:
    """Every committed record from where a consumer was assigned to up to some offsets.

    Args:
        consumer: of exactly these partitions.
        bootstrap: host:port of Kafka.
        ends: the offsets before which it reads, none of them where it was assigned to.
        seconds: how long to wait for a full batch.
        monotonic: seconds that never go back.

    Raises:
        ServiceUnavailable: nothing comes for a minute before the end.
        UserError: what is to be read is removed, and the consumer does not pass over that.
    """
    left, came = dict(ends), monotonic()
    while left:
        for message in consumer.consume(5000, seconds):
            error = message.error()
            if error is not None:
                _require_readable(error, bootstrap)
            elif message.offset() < ends[message.topic(), message.partition()]:
                yield message
                came = monotonic()
        # The last offsets may be transaction markers, which no message stands for.
        for at in consumer.position([TopicPartition(topic, number) for topic, number in left]):
            if at.offset >= left[at.topic, at.partition]:
                del left[at.topic, at.partition]
        if left and monotonic() - came > SILENCE_SECONDS:
            (topic, number), end = next(iter(left.items()))
            raise ServiceUnavailable(
                f"{topic}/{number} cannot be read up to offset {end}: an unfinished transaction stands there, "
                f"or Kafka at {bootstrap} is gone"
            )


def _require_readable(error: KafkaError, bootstrap: str) -> None:
    """Pass over what a client mends itself."""
    if error.code() == KafkaError._AUTO_OFFSET_RESET:
        raise UserError("what was to be read was removed from the topics meanwhile, for they are kept for a time only")
    if is_fatal(error):
        raise ServiceUnavailable(f"Kafka at {bootstrap}: {error.str()}")
