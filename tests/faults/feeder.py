"""The ledgered generator: facts of the simulator at a steady pace, with whatever a case mixes in."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from confluent_kafka import KafkaError

from infra.kafka import plain_producer
from producers.simulator import DEFAULT_START, SimulatorOptions, SimulatorSource
from producers.source import Fact
from schemas.clocks import Clock
from schemas.codec import encode
from schemas.records import RawPost, RawQuote
from schemas.topics import PARTITIONS, RAW_POSTS, RAW_QUOTES, RAW_TOPICS, partition_of, post_key

from .ledger import Identity, Ledger

BLOCK = 300_000_000
SECOND = 1_000_000
TURN_SECONDS = 0.1
CLOCK_SECONDS = 1.0
RECENT = 2000
Raw = RawQuote | RawPost
Mix = Callable[[Raw], Sequence[Raw]]


def identity_of(record: Any) -> Identity:
    """What makes a fact this one: of a raw record as of what a stage makes of it."""
    if hasattr(record, "post_id"):
        return record.source, record.post_id, record.revision
    return record.source, record.symbol, record.event_time, record.sequence


class Feeder(threading.Thread):
    """One origin. It waits for a broker that is away, for as long as that takes, and loses nothing.

    Args:
        speed: event seconds in a wall second.
        source: renames the simulator, to feed a second origin beside the first.
        start: first event time, microseconds, on a full five minutes.

    ``mix`` is called with each fact and says what is written in its place; ``skew`` is added to all times.
    """

    def __init__(
        self,
        bootstrap: str,
        ledger: Ledger,
        *,
        seed: int,
        speed: float,
        symbols: int,
        source: str = "simulator",
        start: int = DEFAULT_START,
        skew: int = 0,
    ) -> None:
        super().__init__(name=f"feeder-{source}", daemon=True)
        self.ledger = ledger
        self.speed = speed
        self.source = source
        self.origin = f"{source}/0"
        self.mix: Mix = lambda record: (record,)
        self.recent: deque[Raw] = deque(maxlen=RECENT)
        self.failure: BaseException | None = None
        self._skew = skew
        options = SimulatorOptions(symbols=symbols, seed=seed, start=start, preload_days=0, days=3650, speed=None)
        self._facts = self._named(SimulatorSource(options))
        self._next = next(self._facts)
        self.now = float(start)
        self._going, self._idle, self._closing = threading.Event(), threading.Event(), threading.Event()
        self._silent = False
        # What cannot be delivered yet waits: a fact that was given up would make the clocks behind it lies.
        self._producer = plain_producer(bootstrap, **{"message.timeout.ms": 0, "linger.ms": 20})

    def _named(self, simulator: SimulatorSource) -> Iterator[Raw]:
        for event in simulator.events(None):
            if isinstance(event, Fact):
                record = event.record
                moved = {"event_time": record.event_time + self._skew, "ingest_time": record.ingest_time + self._skew}
                yield replace(record, source=self.source, **moved)  # type: ignore[arg-type]

    def run(self) -> None:
        """Write what is due, ten times a second."""
        try:
            self._run()
        except BaseException as error:
            self.failure = error
            raise

    def _run(self) -> None:
        last = time.monotonic()
        clock_due = last
        while not self._closing.is_set():
            now = time.monotonic()
            if self._going.is_set():
                self.now += (now - last) * self.speed * SECOND
                self._write_due()
                if now >= clock_due:
                    clock_due = now + CLOCK_SECONDS
                    self._clock("time")
            else:
                self._idle.set()
            last = now
            self._producer.poll(0)
            self._closing.wait(TURN_SECONDS)

    def _write_due(self) -> None:
        while self._next.event_time - self._skew <= self.now:
            fact, self._next = self._next, next(self._facts)
            for record in self.mix(fact):
                self.send(record)
            self.recent.append(fact)

    def send(self, record: Raw) -> None:
        """Write a fact, or another copy of it."""
        topic, key = (RAW_QUOTES, record.symbol) if isinstance(record, RawQuote) else (RAW_POSTS, post_key(record))
        identity = identity_of(record)
        self.put(
            topic,
            partition_of(key),
            key.encode(),
            encode(record),
            lambda place: self.ledger.fact(identity, place),
            unsure=identity,
        )

    def put(
        self,
        topic: str,
        partition: int,
        key: bytes | None,
        value: bytes | None,
        acknowledged: Any,
        headers: Any = None,
        unsure: Identity | None = None,
    ) -> None:
        """Write bytes; ``acknowledged`` is told where they stand.

        Where the broker fails at an append, as for want of room, and says no more than that, they may be there or not:
        a fact is then noted as ``unsure``, and a clock is followed by the next.
        """

        def delivered(error: Any, message: Any) -> None:
            if error is None:
                if acknowledged is not None:
                    acknowledged((message.topic(), message.partition(), message.offset()))
            elif error.code() == KafkaError.UNKNOWN and unsure is not None:
                self.ledger.unsure.add(unsure)
            elif error.code() != KafkaError.UNKNOWN or value is not None:
                self.failure = RuntimeError(f"not delivered: {error.str()}")

        while True:
            try:
                self._producer.produce(
                    topic, value, key, partition=partition, headers=headers or None, on_delivery=delivered
                )
            except BufferError:
                self._producer.poll(0.1)
            else:
                return

    def _clock(self, kind: Any) -> None:
        clock = Clock(kind=kind, origin=self.origin, time=self._next.event_time - 1 if kind == "time" else 0)
        headers = clock.headers()
        for topic in RAW_TOPICS:
            for partition in range(PARTITIONS):
                self.put(topic, partition, None, None, None, headers)

    def go(self) -> None:
        """Write from now on."""
        self._idle.clear()
        self._going.set()

    def pause(self) -> None:
        """Write no more, and return when everything is acknowledged."""
        self._going.clear()
        while not self._idle.wait(1.0):
            assert self.is_alive(), f"the feeder died: {self.failure!r}"
        left = self._producer.flush(120)
        assert left == 0, f"{left} records are not acknowledged"
        assert self.failure is None, repr(self.failure)

    def end(self) -> None:
        """A last clock and the end clock; then the thread ends."""
        self.pause()
        self._clock("time")
        self._clock("end")
        assert self._producer.flush(120) == 0
        self.close()

    def close(self) -> None:
        """End the thread without a word."""
        self._closing.set()
        self.join(30)

    def block(self) -> int:
        """The next full five minutes of event time, where another origin may begin."""
        return (int(self.now) // BLOCK + 1) * BLOCK
