"""The clients of confluent_kafka that the engine and the sinks use, over the broker in memory.

Each call lets other processes run first, so that whatever can happen between two calls does.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from random import Random
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, OFFSET_INVALID, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import OffsetSpec

from infra.bounded import Unanswered
from schemas.clocks import Headers

from .broker import PARTITIONS, Broker, Place, Slot, Transaction, place_of
from .groups import GroupMetadata
from .machine import this_process

FAULTS = ("no answer", "answer lost", "refused", "hangs")
"""What a transactional call may meet: nothing done, done but not told, refused so that it must be aborted; or, where
it is bounded, it returns at any time later."""

Callback = Callable[["SimConsumer", list[TopicPartition]], None]


class SimMessage:
    """A message, as far as anything of ours looks at one."""

    __slots__ = ("_error", "_offset", "_place", "_slot")

    def __init__(self, place: Place, offset: int, slot: Slot | None, error: KafkaError | None = None) -> None:
        self._place, self._offset, self._slot, self._error = place, offset, slot, error

    def topic(self) -> str:
        return self._place[0]

    def partition(self) -> int:
        return self._place[1]

    def offset(self) -> int:
        return self._offset

    def key(self) -> bytes | None:
        return self._slot.key

    def value(self) -> bytes | None:
        return self._slot.value

    def headers(self) -> Headers | None:
        return self._slot.headers or None

    def timestamp(self) -> tuple[int, int]:
        return 2, self._slot.append_ms

    def error(self) -> KafkaError | None:
        return self._error


class SimConsumer:
    """A ``read_committed`` consumer that commits only when told to."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        assert config["isolation.level"] == "read_committed"
        assert config["enable.auto.commit"] is False
        self._process = this_process()
        self._machine = self._process.machine
        self._broker: Broker = self._machine.services["broker"]
        self._chance: Random = self._machine.services["chance"]
        self._group = self._broker.group(config["group.id"])
        self._instance: str | None = config.get("group.instance.id")
        self._reset = config["auto.offset.reset"]
        self._topics: tuple[str, ...] = ()
        self._member: int | None = None
        self._generation = -1
        self._next: dict[Place, int] = {}
        self._told: set[Place] = set()
        self._stale: dict[Place, int] = {}
        self._paused: set[Place] = set()
        self._turn = 0
        self._empty = False
        self._raised: Exception | None = None

    def subscribe(
        self, topics: list[str], on_assign: Callback, on_revoke: Callback, on_lost: Callback | None = None
    ) -> None:
        self._topics = tuple(topics)
        self._on_assign, self._on_revoke, self._on_lost = on_assign, on_revoke, on_lost or on_revoke

    def consume(self, count: int, timeout: float) -> list[SimMessage]:
        self._process.wait(idle=self._empty)
        early = self._chance.random() < 0.1
        found = self._fetch(count) if early else []  # fetched before a rebalance that this call runs through
        dead = self._serve_group()
        if dead is not None:
            return [dead]
        if self._raised is not None:
            # A callback's error is raised when the call returns; until then the client goes on, and joins again.
            self._serve_group()
            raise self._raised
        if early:
            self._serve_group()
        else:
            found = self._fetch(count)
        self._empty = not found
        if not found:
            self._machine.now += timeout
        return found

    def poll(self, timeout: float) -> SimMessage | None:
        self._process.wait(timeout, idle=True)
        dead = self._serve_group()
        if self._raised is not None:
            raise self._raised
        return dead or next(iter(self._fetch(1)), None)

    def _serve_group(self) -> SimMessage | None:
        if not self._topics:
            return None
        if self._member is None:
            self._member = self._group.join(self._topics, self._instance, self._process, PARTITIONS)
            return None
        if self._group.replaced(self._member, self._instance):
            return SimMessage(("", 0), 0, None, KafkaError(KafkaError._FATAL, "fenced by the same static name", True))
        member = self._group.members.get(self._member)
        if member is None:
            self._member, self._generation = None, -1
            self._give_up(self._on_lost)
        elif self._group.rebalancing and not member.joined:
            self._give_up(self._on_revoke)
            self._group.rejoin(self._member, PARTITIONS)
        elif not self._group.rebalancing and self._generation != self._group.generation:
            self._generation = self._group.generation
            self._call(self._on_assign, self._group.assignment[self._member])
        return None

    def _give_up(self, callback: Callback) -> None:
        if self._next:
            self._call(callback, list(self._next))
            self._next = {}

    def _call(self, callback: Callback, places: Sequence[Place]) -> None:
        try:
            callback(self, [TopicPartition(*place) for place in places])
        except Exception as error:  # noqa: BLE001  # raised where the client raises it
            self._raised = error

    def _fetch(self, count: int) -> list[SimMessage]:
        logs, self._turn = self._broker.logs, self._turn + 1
        places = [place for place, at in self._next.items() if at < len(logs[place]) and place not in self._paused]
        found: list[SimMessage] = []
        if places:
            count = min(count, self._chance.randint(1, 2 * count))
        for number in range(len(places)):
            place = places[(self._turn + number) % len(places)]
            found += self._read(place, count - len(found))
        return found

    def _read(self, place: Place, count: int) -> list[SimMessage]:
        found: list[SimMessage] = []
        if not count:
            return found
        end = self._broker.stable_end(place)
        for offset, slot in self._broker.visible(place, self._next[place], end):
            if len(found) == count:
                # The position may stand before or behind markers that follow the last message.
                end = offset if self._chance.random() < 0.5 else found[-1].offset() + 1
                break
            found.append(SimMessage(place, offset, slot))
        if end > self._next[place]:
            self._told.add(place)
            self._stale.pop(place, None)
            self._next[place] = end
        return found

    def assign(self, places: Sequence[TopicPartition]) -> None:
        """From the offsets given; without one, from where the group stands, else from the log's start."""
        known = {OFFSET_BEGINNING: {}, OFFSET_INVALID: self._group.offsets}
        starts = (((p.topic, p.partition), p.offset) for p in places)
        # The position of a moment ago is told until the client has come to the new one.
        self._stale |= {key: self._next[key] for key in self._told if key in self._next}
        self._next = {key: known[offset].get(key, 0) if offset < 0 else offset for key, offset in starts}
        self._paused.clear()
        self._told.clear()

    def unassign(self) -> None:
        self._next = {}

    def assignment(self) -> list[TopicPartition]:
        return [TopicPartition(*place) for place in self._next]

    def pause(self, places: Sequence[TopicPartition]) -> None:
        self._paused |= {(p.topic, p.partition) for p in places}

    def resume(self, places: Sequence[TopicPartition]) -> None:
        self._paused -= {(p.topic, p.partition) for p in places}

    def position(self, places: Sequence[TopicPartition]) -> list[TopicPartition]:
        return [TopicPartition(p.topic, p.partition, self._position((p.topic, p.partition))) for p in places]

    def _position(self, place: Place) -> int:
        if place in self._told and place in self._next:
            return self._next[place]
        if place in self._stale and self._chance.random() < 0.5:
            return self._stale[place]
        self._stale.pop(place, None)
        return OFFSET_INVALID

    def committed(self, places: Sequence[TopicPartition], timeout: float) -> list[TopicPartition]:
        """Waits for transactions that hold offsets of these partitions."""
        self._process.wait()
        keys = [(p.topic, p.partition) for p in places]
        deadline = self._machine.now + timeout
        while self._broker.holds_back and any(key in sent for _, sent in self._group.pending for key in keys):
            if self._machine.now > deadline:
                raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "offsets of an open transaction", False, True))
            self._process.wait(0.05, idle=True)
        return [TopicPartition(*key, self._group.offsets.get(key, OFFSET_INVALID)) for key in keys]

    def commit(self, offsets: Sequence[TopicPartition], asynchronous: bool) -> None:
        self._process.wait()
        try:
            self._group.check(self.consumer_group_metadata())
        except KafkaException:
            if not asynchronous:
                raise
        else:
            self._group.offsets.update({(p.topic, p.partition): p.offset for p in offsets})

    def consumer_group_metadata(self) -> GroupMetadata:
        return GroupMetadata(self._group.name, self._generation, self._member or 0, self._instance)

    def get_watermark_offsets(self, place: TopicPartition, timeout: float = 0, cached: bool = False) -> tuple[int, int]:
        return 0, len(self._broker.logs[place.topic, place.partition])

    def close(self) -> None:
        """Static members stay in the group until their session ends."""
        self._process.wait()
        if self._topics:
            self._give_up(self._on_revoke)
        if self._member is not None and self._instance is None:
            self._group.leave(self._member, PARTITIONS)
        self._topics = ()


class SimProducer:
    """A transactional producer; a record counts when its transaction is committed."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._process = this_process()
        self._broker: Broker = self._process.machine.services["broker"]
        self._name = config["transactional.id"]
        self._epoch = -1
        self._transaction: Transaction | None = None
        self._process.machine.services["producers"][self._process.name, self._name] = self

    def init_transactions(self, timeout: float) -> None:
        self._process.wait()
        self._meet("no answer")
        epoch = self._broker.init(self._name)
        while epoch is None:
            self._process.wait(0.02, idle=True)
            epoch = self._broker.init(self._name)
        self._epoch = epoch
        self._meet("answer lost")

    def begin_transaction(self) -> None:
        self._process.wait()
        transaction = self._broker.begin(self._name, self._epoch)
        while transaction is None:
            self._process.wait(0.02, idle=True)
            transaction = self._broker.begin(self._name, self._epoch)
        self._transaction = transaction

    def produce(
        self, topic: str, value: bytes | None, key: bytes | None, partition: int, headers: Headers | None = None
    ) -> None:
        """What a fenced producer sends is refused; it hears of it in its next transactional call."""
        self._process.wait()
        place = place_of(topic, key) if partition == -1 else (topic, partition)
        if self._transaction.state == "open" and place[1] < PARTITIONS:
            self._broker.write(self._transaction, place, key, value, headers or [])

    def poll(self, timeout: float) -> int:
        self._process.wait(timeout)
        return 0

    def send_offsets_to_transaction(
        self, offsets: Sequence[TopicPartition], metadata: GroupMetadata, timeout: float
    ) -> None:
        self._process.wait()
        self._meet("no answer", "refused")
        self._broker.check_epoch(self._name, self._epoch)
        self._transaction.folded = self._process.folded
        self._broker.send_offsets(self._transaction, {(p.topic, p.partition): p.offset for p in offsets}, metadata)
        self._meet("answer lost")

    def commit_transaction(self, timeout: float) -> None:
        self._end("committed", "no answer", "refused")

    def abort_transaction(self, timeout: float) -> None:
        self._end("aborted", "no answer")

    def _end(self, state: str, *faults: str) -> None:
        self._process.wait()
        self._broker.check_epoch(self._name, self._epoch)
        if self._transaction.state == "open":  # else this is the same call again, after its answer was lost
            self._meet(*faults)
            self._broker.end(self._transaction, state)
        assert self._transaction.state == state
        self._meet("answer lost")
        self._process.wait()

    def _meet(self, *faults: str) -> None:
        """Fail as the process's next fault says, if it is of these kinds."""
        fault = self._process.fault(*faults)
        if fault == "refused":
            raise KafkaException(KafkaError(KafkaError.NOT_ENOUGH_REPLICAS, fault, False, False, True))
        if fault is not None:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT, fault, False, True))


def within(seconds: float, call: Callable[[], object]) -> None:
    """Stands where a module of ours has the function of this name."""
    process = this_process()
    if process.fault("hangs") is None:
        call()
        return

    def hang() -> None:
        with suppress(KafkaException):
            call()
        while True:
            process.wait(idle=True)

    process.spawn("bounded", hang)
    process.wait(seconds)
    raise Unanswered(threading.Thread(name="bounded"))


class _Told:
    """A future whose result is there."""

    def __init__(self, offset: int) -> None:
        self.offset = offset

    def result(self, timeout: float) -> "_Told":
        return self


class SimAdmin:
    """Answers, tells where logs begin and end, and of no group that it is complete."""

    def list_topics(self, **_: object) -> None:
        this_process().wait()

    def describe_consumer_groups(self, groups: Sequence[str], **_: object) -> Mapping[str, Any]:
        this_process().wait()
        raise KafkaException(KafkaError(KafkaError.REBALANCE_IN_PROGRESS))

    def list_offsets(self, asked: Mapping[TopicPartition, OffsetSpec], **_: object) -> dict[TopicPartition, _Told]:
        this_process().wait()
        logs = this_process().machine.services["broker"].logs
        latest = OffsetSpec.latest()
        return {p: _Told(len(logs[p.topic, p.partition]) if spec is latest else 0) for p, spec in asked.items()}


def admin_client(bootstrap: str) -> SimAdmin:
    """Stands where a module of ours has the function of this name."""
    return SimAdmin()


def log_ends(bootstrap: str, topics: Sequence[str]) -> dict[Place, int]:
    """Stands where a module of ours has the function of this name."""
    this_process().wait()
    broker: Broker = this_process().machine.services["broker"]
    return {(topic, number): len(broker.logs[topic, number]) for topic in topics for number in range(PARTITIONS)}
