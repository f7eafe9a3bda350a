"""The Kafka in memory that the simulation runs on answers as the real one does: each fact is asked of both."""

import uuid
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import NewTopic

from infra.endpoints import Endpoints
from infra.kafka import admin_client, consumer_config, is_fatal, plain_producer, producer_config
from infra.offsets import log_ends
from tests.helpers.waiting import wait_for
from tests.simulation import clients
from tests.simulation.broker import PARTITIONS, Broker, Slot
from tests.simulation.machine import Machine, Process

pytestmark = pytest.mark.services
CALL_SECONDS = 10.0
Ask = Callable[["Kafka"], None]


class Kafka:
    """The real broker, with two topics of this test alone."""

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap, self._open, self._admin = bootstrap, list[Consumer](), admin_client(bootstrap)
        self.topics = [f"simulated-{uuid.uuid4().hex[:8]}-{number}" for number in range(2)]
        new = [NewTopic(topic, num_partitions=PARTITIONS, replication_factor=1) for topic in self.topics]
        for future in self._admin.create_topics(new).values():
            future.result(30)

    def consumer(self, group: str, instance: str | None = None) -> Any:
        """A consumer, as our workers have it."""
        static = {} if instance is None else {"group.instance.id": instance}
        extra = {"partition.assignment.strategy": "range", "session.timeout.ms": 6000, **static}
        self._open.append(Consumer(consumer_config(self.bootstrap, f"{self.topics[0]}-{group}", **extra)))
        return self._open[-1]

    def producer(self, name: str) -> Any:
        """A transactional producer that took over its name."""
        producer = Producer(producer_config(self.bootstrap, **{"transactional.id": f"{self.topics[0]}-{name}"}))
        producer.init_transactions(CALL_SECONDS)
        return producer

    def append(self, text: str) -> None:
        """A record outside of any transaction, to partition 0 of the first topic."""
        producer = plain_producer(self.bootstrap)
        producer.produce(self.topics[0], text.encode(), partition=0)
        assert producer.flush(CALL_SECONDS) == 0

    def end(self) -> int:
        """Where the log of partition 0 of the first topic ends, markers included."""
        return log_ends(self.bootstrap, self.topics[:1])[self.topics[0], 0]

    def wait(self, holds: Callable[[], Any], what: str) -> None:
        """Ask until it holds."""
        wait_for(holds, what, 40)

    def close(self) -> None:
        """Give everything back."""
        for consumer in self._open:
            consumer.close()
        for future in self._admin.delete_topics(self.topics).values():
            future.result(30)


class Simulated(Kafka):
    """The broker in memory; whoever asks takes turns with it."""

    def __init__(self, process: Process) -> None:
        self._process, self.bootstrap, self.topics = process, "memory", ["one", "two"]
        self._broker: Broker = process.machine.services["broker"]

    def consumer(self, group: str, instance: str | None = None) -> Any:
        static = {} if instance is None else {"group.instance.id": instance}
        return clients.SimConsumer(consumer_config("memory", group, **static))

    def producer(self, name: str) -> Any:
        producer = clients.SimProducer({"transactional.id": name})
        producer.init_transactions(CALL_SECONDS)
        return producer

    def append(self, text: str) -> None:
        self._broker.append((self.topics[0], 0), Slot(None, text.encode(), [], 0))

    def end(self) -> int:
        return clients.log_ends("memory", self.topics[:1])[self.topics[0], 0]

    def wait(self, holds: Callable[[], Any], what: str) -> None:
        for _ in range(100):
            if holds():
                return
            self._process.wait()
        raise AssertionError(f"never: {what}")

    def close(self) -> None:
        """Nothing outlives the test."""


def simulate(ask: Ask) -> None:
    """Ask the broker in memory, which writes a marker now and then."""
    machine, done = Machine(), list[bool]()
    machine.services = {"broker": Broker(), "chance": Random(0), "producers": {}}

    def main(process: Process) -> None:
        ask(Simulated(process))
        done.append(True)

    process = Process(machine, "asking", main)
    while process.alive:
        machine.turn(process.actors[0])
        machine.services["broker"].write_marker(machine.services["chance"])
    if process.ended is not None:
        raise process.ended
    assert done


@pytest.fixture(params=["real", "simulated"])
def on_both(request: pytest.FixtureRequest) -> Iterator[Callable[[Ask], None]]:
    """Runs what it is given on the real broker, or on the one in memory."""
    if request.param == "simulated":
        yield simulate
        return
    endpoints: Endpoints = request.getfixturevalue("endpoints")
    kafka = Kafka(endpoints.kafka)
    yield lambda ask: ask(kafka)
    kafka.close()


def texts(consumer: Any) -> list[str]:
    """What one poll gives."""
    return [message.value().decode() for message in consumer.consume(100, 0.2) if message.error() is None]


def reading(kafka: Kafka, start: int = 0) -> Any:
    """A consumer of partition 0 of the first topic."""
    consumer = kafka.consumer("reading")
    consumer.assign([TopicPartition(kafka.topics[0], 0, start)])
    return consumer


def in_group(kafka: Kafka, group: str, instance: str | None = None) -> Any:
    """A member of a group that has its partitions."""
    consumer, given = kafka.consumer(group, instance), list[TopicPartition]()

    def on_assign(consumer: Any, places: list[TopicPartition]) -> None:
        given[:] = places or [None]
        consumer.assign(places)

    consumer.subscribe(kafka.topics, on_assign=on_assign, on_revoke=lambda consumer, places: consumer.unassign())
    kafka.wait(lambda: consumer.consume(1, 0.1) is None or given, "assigned")
    return consumer


def refusal(call: Callable[[], None]) -> KafkaError:
    """The error that a call raises."""
    with pytest.raises(KafkaException) as caught:
        call()
    return caught.value.args[0]


def write(kafka: Kafka, producer: Any, text: str) -> None:
    """A record of a transaction, to partition 0 of the first topic."""
    producer.produce(kafka.topics[0], text.encode(), None, 0)


def test_readers_stop_at_an_open_transaction(on_both: Callable[[Ask], None]) -> None:
    """Nothing behind the first record of an open transaction is read; after its end all is, but what was aborted."""

    def ask(kafka: Kafka) -> None:
        producer, consumer, found = kafka.producer("a"), reading(kafka), list[str]()
        producer.begin_transaction()
        write(kafka, producer, "kept")
        kafka.wait(lambda: kafka.end() == 1, "the record is in the log")
        kafka.append("outside")
        assert [texts(consumer) for _ in range(3)] == [[], [], []]
        producer.commit_transaction(CALL_SECONDS)
        producer.begin_transaction()
        write(kafka, producer, "given up")
        producer.abort_transaction(CALL_SECONDS)
        kafka.append("last")
        kafka.wait(lambda: found.extend(texts(consumer)) or "last" in found, "read to the end")
        assert found == ["kept", "outside", "last"]

    on_both(ask)


def test_markers_take_offsets_and_are_read_over(on_both: Callable[[Ask], None]) -> None:
    """A transaction of one record moves the log's end by two, and a reader's position comes to stand behind both."""

    def ask(kafka: Kafka) -> None:
        producer, consumer = kafka.producer("a"), reading(kafka)
        producer.begin_transaction()
        write(kafka, producer, "one")
        producer.commit_transaction(CALL_SECONDS)
        kafka.wait(lambda: kafka.end() == 2, "the marker is written")
        here = TopicPartition(kafka.topics[0], 0)
        assert consumer.position([here])[0].offset < 0
        kafka.wait(lambda: texts(consumer) is None or consumer.position([here])[0].offset == 2, "read over the marker")

    on_both(ask)


def test_a_newer_producer_of_the_name_fences_the_older(on_both: Callable[[Ask], None]) -> None:
    """Taking over a transactional id aborts what was open; the older producer's commit is a fatal error."""

    def ask(kafka: Kafka) -> None:
        older, consumer, found = kafka.producer("a"), reading(kafka), list[str]()
        older.begin_transaction()
        write(kafka, older, "of a zombie")
        kafka.wait(lambda: kafka.end() == 1, "the record is in the log")
        kafka.producer("a")
        error = refusal(lambda: older.commit_transaction(CALL_SECONDS))
        assert error.fatal() or error.code() == KafkaError._FENCED
        kafka.append("last")
        kafka.wait(lambda: found.extend(texts(consumer)) or "last" in found, "read to the end")
        assert found == ["last"]

    on_both(ask)


def test_offsets_of_an_open_transaction_hold_back_the_groups(on_both: Callable[[Ask], None]) -> None:
    """Whoever asks where the group stands waits, and is told of a time-out, until the transaction is decided."""

    def ask(kafka: Kafka) -> None:
        producer, member = kafka.producer("a"), in_group(kafka, "group")
        here = TopicPartition(kafka.topics[0], 0)
        producer.begin_transaction()
        place = TopicPartition(kafka.topics[0], 0, 7)
        producer.send_offsets_to_transaction([place], member.consumer_group_metadata(), CALL_SECONDS)
        other = kafka.consumer("group")
        assert refusal(lambda: other.committed([here], timeout=1.0)).code() == KafkaError._TIMED_OUT
        producer.commit_transaction(CALL_SECONDS)
        assert other.committed([here], timeout=CALL_SECONDS)[0].offset == 7

    on_both(ask)


def test_who_left_the_group_cannot_send_offsets(on_both: Callable[[Ask], None]) -> None:
    """With the metadata of an earlier generation the call fails, the transaction must be aborted, nothing is kept."""

    def ask(kafka: Kafka) -> None:
        producer, member = kafka.producer("a"), in_group(kafka, "group")
        old = member.consumer_group_metadata()
        member.close()
        newer = in_group(kafka, "group")
        producer.begin_transaction()
        place = TopicPartition(kafka.topics[0], 0, 7)
        error = refusal(lambda: producer.send_offsets_to_transaction([place], old, CALL_SECONDS))
        assert error.code() in (KafkaError.UNKNOWN_MEMBER_ID, KafkaError.ILLEGAL_GENERATION)
        assert error.txn_requires_abort()
        producer.abort_transaction(CALL_SECONDS)
        assert newer.committed([TopicPartition(kafka.topics[0], 0)], timeout=CALL_SECONDS)[0].offset < 0

    on_both(ask)


def test_a_static_member_that_returns_replaces_itself(on_both: Callable[[Ask], None]) -> None:
    """It has its partitions at once, of both topics; the older one under its name ends, and cannot send offsets."""

    def ask(kafka: Kafka) -> None:
        producer, older = kafka.producer("a"), in_group(kafka, "group", "worker-0")
        old = older.consumer_group_metadata()
        newer = in_group(kafka, "group", "worker-0")
        numbers = [(place.topic, place.partition) for place in newer.assignment()]
        assert sorted(numbers) == sorted((topic, n) for topic in kafka.topics for n in range(PARTITIONS))
        producer.begin_transaction()
        place = TopicPartition(kafka.topics[0], 0, 7)
        error = refusal(lambda: producer.send_offsets_to_transaction([place], old, CALL_SECONDS))
        assert error.code() == KafkaError.FENCED_INSTANCE_ID
        producer.abort_transaction(CALL_SECONDS)
        dead: list[bool] = []
        kafka.wait(
            lambda: dead.extend(is_fatal(m.error()) for m in older.consume(1, 0.2) if m.error()) or any(dead),
            "the older one is told",
        )

    on_both(ask)


def test_two_members_share_partitions_by_number(on_both: Callable[[Ask], None]) -> None:
    """Under ``range`` each of two members has the same partition numbers of both topics, and no number is with both."""

    def ask(kafka: Kafka) -> None:
        first, second = in_group(kafka, "group"), kafka.consumer("group")
        second.subscribe(
            kafka.topics,
            on_assign=lambda consumer, places: consumer.assign(places),
            on_revoke=lambda consumer, places: consumer.unassign(),
        )

        def shared() -> bool:
            for consumer in (first, second):
                consumer.consume(1, 0.1)
            return [len(consumer.assignment()) for consumer in (first, second)] == [2, 2]

        kafka.wait(shared, "both have their share")
        for consumer in (first, second):
            assert {p.topic for p in consumer.assignment()} == set(kafka.topics)
            assert len({p.partition for p in consumer.assignment()}) == 1

    on_both(ask)
