"""Where logs end, where groups stand, and reading a topic from its start to its end."""

import time
from collections.abc import Iterable, Iterator, Sequence

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    IsolationLevel,
    KafkaException,
    Message,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec

from .errors import ServiceUnavailable
from .kafka import admin_client, consumer_config, is_fatal

TIMEOUT_SECONDS = 30
Partition = tuple[str, int]


def log_ends(bootstrap: str, topics: Iterable[str]) -> dict[Partition, int]:
    """HIGH watermark of every partition of the topics: past open transactions and their markers too.

    Raises:
        ServiceUnavailable: the broker does not answer or has no such topic.
    """
    admin = admin_client(bootstrap)
    wanted = list(topics)
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while True:
        try:
            return _log_ends(admin, wanted)
        except KafkaException as error:
            # A broker that has just started answers for partitions whose leader it does not lead yet.
            if time.monotonic() > deadline:
                raise ServiceUnavailable(f"Kafka at {bootstrap}: {error.args[0].str()}") from error
            time.sleep(0.2)


def _log_ends(admin: AdminClient, topics: Sequence[str]) -> dict[Partition, int]:
    asked = {
        TopicPartition(topic, number): OffsetSpec.latest() for topic in topics for number in _numbers(admin, topic)
    }
    if not asked:
        return {}
    futures = admin.list_offsets(asked, isolation_level=IsolationLevel.READ_UNCOMMITTED, request_timeout=20)
    return {(tp.topic, tp.partition): future.result(TIMEOUT_SECONDS).offset for tp, future in futures.items()}


def _numbers(admin: AdminClient, topic: str) -> Sequence[int]:
    metadata = admin.list_topics(topic, timeout=TIMEOUT_SECONDS)
    return sorted(metadata.topics[topic].partitions)


def committed_offsets(bootstrap: str, group: str, topics: Iterable[str]) -> dict[Partition, int]:
    """Committed offsets of a consumer group in topics; empty for an unknown group.

    Asked by a consumer that does not join: librdkafka's admin call crashes the process when the group's
    coordinator moves (2.16: ``rd_kafka_cgrp_op`` without a group).
    """
    consumer = Consumer(consumer_config(bootstrap, group))
    try:
        known = consumer.list_topics(timeout=TIMEOUT_SECONDS).topics
        asked = [TopicPartition(topic, number) for topic in topics for number in known[topic].partitions]
        found = consumer.committed(asked, timeout=TIMEOUT_SECONDS)
    except KafkaException as error:
        raise ServiceUnavailable(f"Kafka at {bootstrap}: {error.args[0].str()}") from error
    finally:
        consumer.close()
    return {(tp.topic, tp.partition): tp.offset for tp in found if tp.offset >= 0}


def read_to_end(bootstrap: str, topics: Sequence[str]) -> Iterator[Message]:
    """Every committed record of the topics, from the logs' starts to their present ends, clocks included.

    Order is that of the log within a partition.
    """
    left = {key: end for key, end in log_ends(bootstrap, topics).items() if end > 0}
    consumer = Consumer(consumer_config(bootstrap, "moodtape.reader"))
    try:
        consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for topic, number in left])
        while left:
            for message in consumer.consume(5000, 0.1):
                error = message.error()
                if error is None:
                    yield message
                elif is_fatal(error):
                    raise ServiceUnavailable(f"Kafka at {bootstrap}: {error.str()}")
            for at in consumer.position([TopicPartition(topic, number) for topic, number in left]):
                if at.offset >= left[at.topic, at.partition]:
                    del left[at.topic, at.partition]
    finally:
        consumer.close()
