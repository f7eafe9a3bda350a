"""The Kafka side of the bench: topics, the input, what was committed, what came out."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import NewTopic

from infra.kafka import admin_client, consumer_config, producer_config
from schemas.topics import PARTITIONS, partition_of

from .formats import SYMBOLS
from .workload import Oracle, digest

TIMEOUT = 30.0


class Broker:
    """Everything that is not measured."""

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap
        self._admin = admin_client(bootstrap)

    def create(self, *topics: str) -> None:
        """Create topics of 12 partitions and wait until they are there."""
        new = [NewTopic(topic, num_partitions=PARTITIONS, replication_factor=1) for topic in topics]
        for future in self._admin.create_topics(new, operation_timeout=TIMEOUT).values():
            future.result()

    def delete(self, *topics: str) -> None:
        """Delete topics."""
        for future in self._admin.delete_topics(list(topics), operation_timeout=TIMEOUT).values():
            future.result()

    def fill(self, topic: str, records: Iterable[tuple[bytes, bytes]]) -> None:
        """Write the input, keyed as Java's client would; not compressed, which every client can read."""
        producer = Producer(producer_config(self.bootstrap, **{"linger.ms": 50, "compression.type": "none"}))
        for key, value in records:
            while True:
                try:
                    producer.produce(topic, value, key)
                    break
                except BufferError:
                    producer.poll(0.1)
            producer.poll(0)
        if producer.flush(60):
            raise RuntimeError("the input was not delivered")

    def ends(self, topic: str) -> list[TopicPartition]:
        """End of each partition."""
        consumer = self._consumer("bench.look")
        try:
            return [
                TopicPartition(topic, p, consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=TIMEOUT)[1])
                for p in range(PARTITIONS)
            ]
        finally:
            consumer.close()

    @contextmanager
    def watching(self, group: str, source: str, output: str) -> "Iterator[Look]":
        """A look at what a group has committed and whether anything came out, without joining it."""
        consumer = self._consumer(group)
        try:
            yield Look(consumer, source, output)
        finally:
            consumer.close()

    def outcome(self, topic: str) -> Oracle:
        """Count and checksum of what was committed to a topic."""
        ends = self.ends(topic)
        consumer = self._consumer("bench.check")
        consumer.assign([TopicPartition(topic, tp.partition, 0) for tp in ends])
        count = checksum = 0
        try:
            while any(p.offset < e.offset for p, e in zip(consumer.position(ends), ends, strict=True) if e.offset):
                for message in consumer.consume(5000, 0.1):
                    if message.error() is None:
                        count += 1
                        checksum = (checksum + digest(message.key(), message.value())) % 2**64
        finally:
            consumer.close()
        return Oracle(count, checksum)

    def _consumer(self, group: str) -> Any:
        wide = {"queued.min.messages": 50_000, "queued.max.messages.kbytes": 32_768}
        return Consumer({**consumer_config(self.bootstrap, group), **wide})


class Look:
    """What can be seen of a run from outside."""

    def __init__(self, consumer: Any, source: str, output: str) -> None:
        self._consumer, self._source = consumer, source
        # Where the most frequent symbol goes.
        self._output = TopicPartition(output, partition_of(SYMBOLS[0], PARTITIONS))

    def committed(self) -> int:
        """Sum of the group's committed offsets."""
        try:
            found = self._consumer.committed([TopicPartition(self._source, p) for p in range(PARTITIONS)], TIMEOUT)
        except KafkaException:  # the group's coordinator is only just found
            return 0
        return sum(max(0, tp.offset) for tp in found)

    def has_output(self) -> bool:
        """Whether anything was written, committed or not."""
        try:
            return self._consumer.get_watermark_offsets(self._output, timeout=TIMEOUT)[1] > 0
        except KafkaException:  # the topic is only just there
            return False
