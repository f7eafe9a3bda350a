"""Bring the state of partitions back: newest snapshot, then the inputs up to the committed offsets, silently."""

import time
from collections.abc import Callable, Sequence

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from infra import metrics
from infra.errors import FatalError
from infra.failpoints import failpoint
from infra.kafka import consumer_config, is_fatal
from infra.log import get_logger
from infra.offsets import log_ends
from streams.stage import Stage

from .core import PartitionCore
from .messages import entry_of

_log = get_logger(__name__)
_EMPTY: dict[str, bytes] = {}
STALL_SECONDS = 60.0


class Restorer:
    """Restores cores from the topics; used while nothing of the partitions is being read."""

    def __init__(self, bootstrap: str, stage: Stage, beat: Callable[[], None]) -> None:
        self._stage = stage
        self._bootstrap = bootstrap
        self._beat = beat
        self._config = consumer_config(bootstrap, f"{stage.group}.restore")

    def restore(self, cores: Sequence[PartitionCore], committed: dict[int, dict[str, int]]) -> None:
        """Fill fresh cores so that they stand at the committed offsets (partition -> topic -> offset)."""
        started = time.monotonic()
        consumer = Consumer(self._config)
        try:
            entries = self._read_state(consumer, [core.partition for core in cores])
            taken = sum(map(len, entries.values()))
            for core in cores:
                # Taken out: all bytes beside all that is made of them would be the most that is ever held.
                core.load(entries.pop(core.partition, _EMPTY), self._beat)
            folded = self._fold_silently(consumer, cores, committed)
        finally:
            consumer.close()
        seconds = time.monotonic() - started
        metrics.RESTORE_SECONDS.set(seconds)
        metrics.RESTORE_RECORDS.set(folded)
        _log.info(
            "restored",
            partitions=len(cores),
            entries=taken,
            folded=folded,
            seconds=round(seconds, 3),
        )

    def saved(self, partitions: Sequence[int]) -> dict[int, dict[str, bytes]]:
        """By partition the newest value of each entry of the committed snapshots."""
        consumer = Consumer(self._config)
        try:
            return self._read_state(consumer, partitions)
        finally:
            consumer.close()

    def _read_state(self, consumer: Consumer, partitions: Sequence[int]) -> dict[int, dict[str, bytes]]:
        """Newest value of each key, up to the HIGH watermark.

        Not up to the last stable offset: an open transaction of a zombie would hide the newest snapshot.
        """
        topic = self._stage.state
        found: dict[int, dict[str, bytes]] = {partition: {} for partition in partitions}

        def take(message: Message) -> None:
            key, value = (message.key() or b"").decode().partition(":")[2], message.value()
            if value is None:
                found[message.partition()].pop(key, None)
            else:
                found[message.partition()][key] = value

        ends = log_ends(self._bootstrap, [topic])
        spans = {(topic, p): (0, ends[topic, p]) for p in partitions if ends[topic, p] > 0}
        self._read(consumer, spans, take)
        return found

    def _fold_silently(
        self, consumer: Consumer, cores: Sequence[PartitionCore], committed: dict[int, dict[str, int]]
    ) -> int:
        by_partition, names = {core.partition: core for core in cores}, self._stage.sources
        count = 0
        spans = {}
        for core in cores:
            for topic, end in committed[core.partition].items():
                start = core.offsets.get(topic, 0)
                if end > start:
                    spans[topic, core.partition] = (start, end)
                core.offsets[topic] = max(end, start)

        def take(message: Message) -> None:
            nonlocal count
            core, topic = by_partition[message.partition()], message.topic()
            if message.offset() < committed[core.partition][topic]:
                entry = entry_of(message, names[topic])
                core.run([entry], core.decode([entry]), {})
                count += 1

        self._read(consumer, spans, take)
        return count

    def _read(
        self,
        consumer: Consumer,
        spans: dict[tuple[str, int], tuple[int, int]],
        take: Callable[[Message], None],
    ) -> None:
        """Read each (topic, partition) from start to end, ends excluded; markers advance the position too."""
        if not spans:
            return
        consumer.assign([TopicPartition(t, p, start) for (t, p), (start, _) in spans.items()])
        left = dict(spans)
        progressed = time.monotonic()
        while left:
            self._beat()
            failpoint("restoring")
            messages = consumer.consume(2000, 0.05)
            for message in messages:
                error = message.error()
                if error is not None:
                    if is_fatal(error):
                        raise KafkaException(error)
                    continue
                take(message)
            if messages:
                progressed = time.monotonic()
            elif time.monotonic() - progressed > STALL_SECONDS:
                raise FatalError(f"{self._stage.label}: state cannot be read to its end: {sorted(left)}")
            for position in consumer.position([TopicPartition(t, p) for t, p in left]):
                if position.offset >= left[position.topic, position.partition][1]:
                    del left[position.topic, position.partition]
        consumer.unassign()
