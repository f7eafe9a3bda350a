"""The Kafka thread of a worker: polls, hands out chunks, commits. Everything durable happens here, in order."""

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import NoReturn

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from infra import metrics
from infra.clock import Now
from infra.errors import FatalError
from infra.failpoints import failpoint
from infra.kafka import consumer_config, is_fatal
from infra.log import get_logger
from infra.settings import Settings
from schemas.deadletters import REASON_HEADER
from schemas.topics import DLQ_SUFFIX
from streams.stage import Stage

from .chunks import Chunk, Finished, Handover, Owned
from .core import Output, PartitionCore
from .ends import Ends
from .messages import entry_of
from .progress import Look, Progress, forget_lag, report_lag
from .restore import Restorer
from .transactions import CALL_SECONDS, Transactions

_log = get_logger(__name__)
POLL_SECONDS = 0.02
DRAIN_SECONDS = 2.0
PATIENCE_SECONDS = 30.0
LOOK_EVERY_SECONDS = 3.0
PENDING_CHUNKS = 1000
# Polls without a record, some two seconds.
MOST_DOUBTS = 100


class Pump:
    """Moves chunks from Kafka to the agent and their results back, in one transaction a moment.

    Args:
        send: hands the chunks of a poll to the agent; called in the Kafka thread, must not block.
        handover: where the agent puts what it finished.
        end: ends the process at once, saying why.
    """

    def __init__(
        self,
        stage: Stage,
        settings: Settings,
        bootstrap: str,
        instance: str,
        *,
        send: Callable[[Sequence[Chunk]], None],
        handover: Handover,
        end: Callable[[str], NoReturn],
        now: Now,
    ) -> None:
        self._stage = stage
        self._settings = settings
        self._send = send
        self._handover = handover
        self._end = end
        self._now = now
        self._stop = threading.Event()
        self._owned: dict[int, Owned] = {}
        self._pending: list[Finished] = []
        self._pending_since: float | None = None
        self._next_commit = 0.0
        self._next_look = 0.0
        self._paused = False
        self._beaten = time.monotonic()
        self._read_at = time.monotonic()
        self._finished = 0
        self._progress = Progress(settings.stall_seconds)
        self.assigned = False
        self._assignments = 0
        self._unsure: set[tuple[str, int]] = set()
        self._doubts = 0
        self._eager = settings.group_protocol == "classic"
        self._sources = stage.sources
        self._ends = Ends({} if stage.replay is None else stage.replay.ends)
        self._restorer = Restorer(bootstrap, stage, self.beat)
        self._transactions = Transactions(bootstrap, stage, instance)
        self._consumer = Consumer(self._consumer_config(bootstrap, instance))
        metrics.expect_dead_letters(stage.inputs)

    def _consumer_config(self, bootstrap: str, instance: str) -> dict[str, object]:
        settings = self._settings
        if self._eager:
            membership: dict[str, object] = {
                "partition.assignment.strategy": "range",
                "group.instance.id": instance,
                "session.timeout.ms": settings.session_timeout_ms,
                "heartbeat.interval.ms": min(2000, settings.session_timeout_ms // 3),
            }
        else:
            membership = {"group.protocol": "consumer", "group.remote.assignor": "range"}
        return consumer_config(bootstrap, self._stage.group, **membership)

    def beat(self) -> None:
        """Tell the watchdog that this thread is alive."""
        self._beaten = time.monotonic()

    def silence(self, limit: float) -> str | None:
        """A sentence if the thread has given no sign of life for ``limit`` seconds; called from any thread."""
        silent = time.monotonic() - self._beaten
        return f"the Kafka thread is silent for {silent:.0f} s" if silent > limit else None

    def stop(self) -> None:
        """Ask the thread to finish what is under way, commit and leave; called from any thread."""
        self._stop.set()

    def run(self) -> None:
        """Poll until stopped.

        Raises:
            FatalError: the process must end and be started again.
        """
        self._transactions.start(self.beat)
        self._consumer.subscribe(
            list(self._sources), on_assign=self._assign, on_revoke=self._revoke, on_lost=self._lost
        )
        while not self._stop.is_set():
            self._turn()
        self._give_up(list(self._owned.values()))
        self._owned.clear()
        # Only here: after an error the process ends, and closing could hang in the rebalance that failed.
        self._consumer.close()

    def _turn(self) -> None:
        self.beat()
        self._check_failure()
        messages = self._poll()
        if messages:
            self._read_at = time.monotonic()
            self._hand_out(messages)
        elif not self._paused:
            self._note_markers()
        self._commit_if_due()
        self._make_room()
        self._watch()

    def _poll(self) -> Sequence[Message]:
        assignments = self._assignments
        messages: list[Message] = self._consumer.consume(
            min(self._stage.consume_records, self._settings.consume_records), POLL_SECONDS
        )
        good = []
        for message in messages:
            error = message.error()
            if error is None:
                good.append(message)
            elif is_fatal(error):
                raise FatalError(f"consumer: {error.str()}")
            elif error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise FatalError(f"consumer: {error.str()}; run `moodtape topics create`")
        if good and assignments != self._assignments:
            # The call ran through a rebalance: what it gives may have been fetched before that, from elsewhere.
            self._read_again()
            return ()
        return self._ends.before(good, self._consumer)

    def _read_again(self) -> None:
        """Go back to where each partition was read up to."""
        places = [
            TopicPartition(topic, number, owned.read.get(topic, OFFSET_BEGINNING))
            for number, owned in self._owned.items()
            for topic in self._sources
        ]
        # Only of what it was not reading does the client forget the position at once.
        if self._eager:
            self._consumer.assign([])
        else:
            self._consumer.incremental_unassign(places)
        self._start(places)

    def _start(self, places: list[TopicPartition]) -> None:
        """Read from these offsets on."""
        if self._eager:
            self._consumer.assign(places)
        else:
            self._consumer.incremental_assign(places)
        self._unsure |= {
            (place.topic, place.partition) for place in self._consumer.position(places) if place.offset >= 0
        }
        self._paused = False

    def _hand_out(self, messages: Sequence[Message]) -> None:
        """Cut one poll into one chunk per topic and partition, in the order of the log."""
        groups: dict[tuple[str, int], list[Message]] = defaultdict(list)
        for message in messages:
            groups[message.topic(), message.partition()].append(message)
        positions = self._positions(list(groups))
        chunks = []
        for (topic, partition), group in groups.items():
            owned = self._owned.get(partition)
            if owned is None:
                continue
            metrics.RECORDS_IN.labels(topic).inc(len(group))
            self._unsure.discard((topic, partition))
            end = max(positions[topic, partition], group[-1].offset() + 1)
            chunks.append(self._chunk(owned, topic, end, group))
        if chunks:
            self._send(chunks)

    def _chunk(self, owned: Owned, topic: str, end: int, messages: Sequence[Message]) -> Chunk:
        """A chunk under way: it counts as read and in flight."""
        due = time.monotonic() >= owned.snapshot_at
        if due:
            owned.snapshot_at = time.monotonic() + self._settings.snapshot_interval_seconds
        owned.in_flight += 1
        owned.read[topic] = end
        name = self._sources[topic]
        return Chunk(owned, topic, end, [entry_of(m, name) for m in messages], due)

    def _positions(self, keys: Sequence[tuple[str, int]]) -> dict[tuple[str, int], int]:
        asked = [TopicPartition(topic, partition) for topic, partition in keys]
        found = {(tp.topic, tp.partition): tp.offset for tp in self._consumer.position(asked)}
        return {place: self._ends.cap(place, offset) for place, offset in found.items()}

    def _note_markers(self) -> None:
        """The log's last offsets may be transaction markers: an empty chunk commits the position behind them.

        After it was sent somewhere, the client may tell the position of before until it has come there: where it did so
        then, a position says nothing until it has told that it knows none, or has given a record.
        """
        keys = [(topic, number) for number in self._owned for topic in self._sources]
        chunks = []
        positions = self._positions(keys)
        self._unsure -= {place for place, position in positions.items() if position < 0}
        self._doubts = self._doubts + 1 if self._unsure else 0
        if self._doubts > MOST_DOUBTS:  # it came there without telling, and nothing but markers was there
            self._doubts = 0
            self._read_again()
            return
        for (topic, number), position in positions.items():
            if (topic, number) in self._unsure:
                continue
            owned = self._owned[number]
            if position > owned.read.get(topic, 0):
                chunks.append(self._chunk(owned, topic, position, []))
        if chunks:
            self._send(chunks)

    def _make_room(self) -> None:
        """Bound what is in flight: wait a little, then pause the partitions and keep polling."""
        if self._load() >= 1 and not self._paused:
            deadline = time.monotonic() + 1.0
            while self._load() >= 1 and time.monotonic() < deadline:
                self._handover.wait(0.05)
                self._commit_if_due()
            if self._load() >= 1:
                self._consumer.pause(self._consumer.assignment())
                self._paused = True
        elif self._paused and self._load() < 0.5:
            self._consumer.resume(self._consumer.assignment())
            self._paused = False

    def _load(self) -> float:
        """How full this worker is: 1 = nothing more may be read.

        What waits for its transaction takes room too: while none can be committed, reading stops.
        """
        in_flight = sum(owned.in_flight for owned in self._owned.values())
        return max(in_flight / self._stage.chunks_in_flight, len(self._pending) / PENDING_CHUNKS)

    def _collect(self) -> None:
        for item in self._handover.take():
            item.owned.in_flight -= 1
            self._finished += 1
            if item.owned.live:
                self._pending.append(item)

    def _commit_if_due(self) -> None:
        self._collect()
        if self._pending and time.monotonic() >= self._next_commit:
            self._commit()
            self._next_commit = time.monotonic() + self._settings.commit_interval_ms / 1000

    def _commit(self) -> None:
        if not self._pending:
            return
        failpoint("before-produce")
        self.beat()
        if self._transactions.commit(self._pending, self._consumer, self.beat):
            for item in self._pending:
                item.owned.committed[item.topic] = item.end
            count_written(output for item in self._pending for output in item.outputs)
            self._pending.clear()
            self._pending_since = None
            return
        self._pending_since = self._pending_since or time.monotonic()
        if time.monotonic() - self._pending_since > PATIENCE_SECONDS:
            raise FatalError("transactions keep failing")

    def _assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self.beat()
        numbers = self._co_partitioned(partitions)
        offsets = self._committed(consumer, partitions)
        committed: dict[int, dict[str, int]] = {number: {} for number in numbers}
        for tp in offsets:
            if tp.offset >= 0:
                committed[tp.partition][tp.topic] = tp.offset
        limit = self._settings.snapshot_records
        cores = [PartitionCore(self._stage, number, self._now, limit) for number in numbers]
        if cores:
            self._restorer.restore(cores, committed)
        for core in cores:
            read = dict(committed[core.partition])
            due = time.monotonic() + self._settings.snapshot_interval_seconds
            self._owned[core.partition] = Owned(core, committed[core.partition], read, due)
        targets = [
            TopicPartition(tp.topic, tp.partition, tp.offset if tp.offset >= 0 else OFFSET_BEGINNING) for tp in offsets
        ]
        self._start(targets)
        self._assignments += 1
        self.assigned = True
        _log.info("assigned", stage=self._stage.label, partitions=numbers)

    def _committed(self, consumer: Consumer, partitions: list[TopicPartition]) -> list[TopicPartition]:
        """Where the group stands. The broker does not tell before a dead worker's open transaction has timed out."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            self.beat()
            try:
                return consumer.committed(partitions, timeout=CALL_SECONDS) if partitions else []
            except KafkaException as error:
                if error.args[0].code() != KafkaError._TIMED_OUT or time.monotonic() > deadline:
                    raise FatalError(f"where the group stands is not known: {error.args[0].str()}") from error

    def _co_partitioned(self, partitions: Sequence[TopicPartition]) -> list[int]:
        by_topic = {topic: {tp.partition for tp in partitions if tp.topic == topic} for topic in self._sources}
        sets = list(by_topic.values())
        if any(numbers != sets[0] for numbers in sets):
            raise FatalError(f"the group's assignment splits partitions that belong together: {by_topic}")
        return sorted(sets[0])

    def _revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self.beat()
        numbers = {tp.partition for tp in partitions}
        self._give_up([owned for number, owned in self._owned.items() if number in numbers])
        for number in numbers:
            self._owned.pop(number, None)
        forget_lag(numbers, self._sources)
        self._unsure = {place for place in self._unsure if place[1] not in numbers}
        if self._eager:
            consumer.unassign()
        else:
            consumer.incremental_unassign(partitions)

    def _give_up(self, leaving: Sequence[Owned]) -> None:
        """Wait briefly for what is under way, commit it with a last snapshot, let go of the rest."""
        deadline = time.monotonic() + DRAIN_SECONDS
        while any(owned.in_flight for owned in leaving) and time.monotonic() < deadline:
            self._handover.wait(0.02)
            self._collect()
            self._check_failure()
        self._collect()
        for owned in leaving:
            if owned.in_flight == 0:
                self._snapshot_last(owned)
        self._commit()
        for owned in leaving:
            owned.live = False
        self._pending = [item for item in self._pending if item.owned.live]

    def _snapshot_last(self, owned: Owned) -> None:
        # Nothing of the partition is in flight, so the agent does not touch its core.
        if not owned.read:
            return
        topic, end = next(iter(owned.read.items()))
        self._pending.append(Finished(owned, topic, end, (), tuple(owned.core.dump())))

    def _lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        # An exception would be raised only when consume() returns. Until then the client joins again under our static
        # name, and that would throw out whoever has taken our place.
        self._end(f"lost {len(partitions)} partitions to another member")

    def _check_failure(self) -> None:
        failure = self._handover.failure
        if failure is not None:
            raise FatalError(f"agent: {failure!r}") from failure

    def _watch(self) -> None:
        """Show the lag, and end the process when it has input but does nothing with it."""
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + LOOK_EVERY_SECONDS
        if not self._paused:
            # A resume right after its pause may be lost (librdkafka issue 5591). Once more does no harm.
            self._consumer.resume(self._consumer.assignment())
        owned = list(self._owned.values())
        lag = report_lag(
            self._consumer, owned, self._sources, self._ends, ask=now - self._read_at > self._settings.stall_seconds
        )
        seen = Look(
            lag=lag,
            committed=sum(sum(item.committed.values()) for item in owned),
            in_flight=sum(item.in_flight for item in owned),
            finished=self._finished,
            waiting=self._handover.waiting,
        )
        problem = self._progress.look(now, seen)
        if problem is not None:
            raise FatalError(problem)


def count_written(outputs: Iterable[Output]) -> None:
    """Show which facts were written, and which dead letters."""
    written: Counter[str] = Counter()
    for output in outputs:
        if output.topic.endswith(DLQ_SUFFIX):
            reason = dict(output.headers).get(REASON_HEADER) or b""
            metrics.DEAD_LETTERS.labels(output.topic.removesuffix(DLQ_SUFFIX), reason.decode()).inc()
        elif output.key is not None:  # a clock has none
            written[output.topic] += 1
    for topic, count in written.items():
        metrics.RECORDS_OUT.labels(topic).inc(count)
