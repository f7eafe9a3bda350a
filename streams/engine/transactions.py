"""One Kafka transaction for everything a moment of a stage has to say: outputs, snapshots, offsets."""

import random
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from infra import metrics
from infra.bounded import Unanswered, within
from infra.errors import FatalError
from infra.failpoints import failpoint
from infra.kafka import producer_config
from infra.log import get_logger
from schemas.topics import TOPICS, dead_letter_topic
from streams.stage import Stage

from .chunks import Finished
from .core import Output

_log = get_logger(__name__)
CALL_SECONDS = 5.0
TRANSACTION_TIMEOUT_MS = 10_000
RETRY_SECONDS = 30.0
UNANSWERED_SECONDS = CALL_SECONDS + 1
# Each keeps its threads and buffers until its call returns.
MOST_HANGING = 5

# Said to a worker that lost its place: another process has it.
_FENCED = frozenset(
    {
        KafkaError._FENCED,
        KafkaError.INVALID_PRODUCER_EPOCH,
        KafkaError.PRODUCER_FENCED,
        KafkaError.FENCED_INSTANCE_ID,
        KafkaError.INVALID_PRODUCER_ID_MAPPING,
    }
)


class Transactions:
    """The transactional producer of one worker."""

    def __init__(self, bootstrap: str, stage: Stage, instance: str) -> None:
        self._state_topic = stage.state
        named = (*TOPICS, *map(dead_letter_topic, TOPICS))
        self._names = {name: stage.topic(name) for name in named if stage.topic(name) != name}
        self._config = producer_config(
            bootstrap,
            **{
                "transactional.id": f"{stage.group}.{instance}",
                "transaction.timeout.ms": TRANSACTION_TIMEOUT_MS,
            },
        )
        self._producer = Producer(self._config)
        self._hanging: list[threading.Thread] = []

    def start(self, beat: Callable[[], None]) -> None:
        """Take over the transactional id: an older process of this name is fenced, its transaction aborted."""
        self._insist(lambda: self._producer.init_transactions(CALL_SECONDS), beat)

    def commit(self, finished: Sequence[Finished], consumer: Consumer, beat: Callable[[], None]) -> bool:
        """Write chunks and their offsets, all or nothing.

        Returns:
            False when the group is between two generations, or the client hung: nothing was written, call again later.

        Raises:
            FatalError: this worker was fenced, or the broker refuses for good.
        """
        started = time.monotonic()
        try:
            self._producer.begin_transaction()
            for item in finished:
                self._write(item)
            failpoint("produced")
            self._send_offsets(finished, consumer, beat)
            failpoint("offsets-sent")
            self._insist(lambda: self._producer.commit_transaction(CALL_SECONDS), beat)
        except KafkaException as error:
            self._abort(error, beat)
            return False
        except Unanswered as error:
            self._hanging.append(error.thread)
        else:
            failpoint("committed")
            metrics.COMMITS.labels("committed").inc()
            metrics.COMMIT_SECONDS.observe(time.monotonic() - started)
            return True
        self._leave_behind(beat)
        return False

    def _write(self, item: Finished) -> None:
        for output in item.outputs:
            self._produce(output)
        partition = item.owned.partition
        for key, value in item.state:
            self._produce(Output(self._state_topic, partition, f"{partition}:{key}".encode(), value, []))

    def _produce(self, output: Output) -> None:
        topic, partition, key, value, headers = output
        topic = self._names.get(topic, topic)
        while True:
            try:
                # No delivery callback: a transaction with an undelivered record does not commit.
                self._producer.produce(
                    topic, value, key, -1 if partition is None else partition, headers=headers or None
                )
            except BufferError:
                self._producer.poll(0.05)
            else:
                return

    def _send_offsets(self, finished: Sequence[Finished], consumer: Consumer, beat: Callable[[], None]) -> None:
        ends: dict[tuple[str, int], int] = {}
        for item in finished:
            ends[item.topic, item.owned.partition] = item.end
        offsets = [TopicPartition(topic, partition, end) for (topic, partition), end in ends.items()]
        self._insist(lambda: self._send(offsets, consumer.consumer_group_metadata()), beat)

    def _send(self, offsets: Sequence[TopicPartition], group: Any) -> None:
        producer = self._producer

        def call() -> None:
            failpoint("offsets-sending")
            producer.send_offsets_to_transaction(offsets, group, CALL_SECONDS)

        # It ignores its time-out, and after a lost answer it may never return (librdkafka's issue 5456).
        within(UNANSWERED_SECONDS, call)

    def _insist(self, call: Callable[[], None], beat: Callable[[], None]) -> None:
        """Repeat a call of the transaction API while the client says that repeating may help."""
        deadline = time.monotonic() + RETRY_SECONDS
        while True:
            beat()
            try:
                call()
            except KafkaException as error:
                if not error.args[0].retriable() or time.monotonic() > deadline:
                    raise
                metrics.RETRIES.labels("transaction").inc()
                time.sleep(0.05 + 0.1 * random.random())  # noqa: S311  # jitter
            else:
                return

    def _leave_behind(self, beat: Callable[[], None]) -> None:
        """Go on with another producer of the same transactional id, while a call hangs in this one.

        Taking over the id aborts what was written; what the call still sends is refused, as that of a fenced process.
        """
        metrics.COMMITS.labels("aborted").inc()
        self._hanging = [thread for thread in self._hanging if thread.is_alive()]
        if len(self._hanging) > MOST_HANGING:
            raise FatalError(f"sending offsets hangs {len(self._hanging)} times")
        _log.warning("sending offsets hangs: another producer goes on", seconds=UNANSWERED_SECONDS)
        self._producer = Producer(self._config)
        try:
            self.start(beat)
        except KafkaException as error:
            raise FatalError(f"another producer could not go on: {error.args[0].str()}") from error

    def _abort(self, error: KafkaException, beat: Callable[[], None]) -> None:
        cause: KafkaError = error.args[0]
        metrics.COMMITS.labels("aborted").inc()
        if cause.fatal() or cause.code() in _FENCED:
            raise FatalError(f"fenced: {cause.str()}") from error
        _log.warning("transaction aborted, will be repeated", error=cause.name(), text=cause.str())
        try:
            self._insist(lambda: self._producer.abort_transaction(CALL_SECONDS), beat)
        except KafkaException as second:
            raise FatalError(f"abort failed: {second.args[0].str()}") from second
