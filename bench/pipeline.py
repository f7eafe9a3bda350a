"""The real price flow in a fresh data folder: its input, its processes, and when it is done."""

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from confluent_kafka import Consumer, Producer, TopicPartition

from infra.endpoints import Endpoints
from infra.kafka import consumer_config, producer_config
from infra.migrate import migrate
from infra.offsets import Partition, log_ends
from infra.settings import Settings
from infra.topics import create_topics
from schemas.clocks import Clock
from schemas.codec import codec_for
from schemas.records import RawPost, RawQuote
from schemas.topics import PARTITIONS, RAW_QUOTES, TOPICS

from .processes import Watched

ORIGIN = "bench/0"
FACTS_BETWEEN_CLOCKS = 1000
POLL_SECONDS = 0.2
MOODTAPE = ("-m", "moodtape")


@dataclass(frozen=True, slots=True)
class Step:
    """A process: ``moodtape ARGUMENTS``, the group it reads with, topics whose ends it must have committed or none."""

    arguments: Sequence[str]
    group: str
    inputs: Sequence[str]


@dataclass(slots=True)
class Spent:
    """CPU-seconds of each process by its arguments, and the most memory that one of them took, MiB."""

    cpu: dict[str, float] = field(default_factory=dict)
    peak_rss_mib: float = 0.0
    wall_seconds: float = 0.0

    def __sub__(self, other: "Spent") -> "Spent":
        cpu = {name: used - other.cpu[name] for name, used in self.cpu.items()}
        return Spent(cpu, self.peak_rss_mib, self.wall_seconds)

    def total(self) -> float:
        """CPU-seconds of all."""
        return sum(self.cpu.values())


class Pipeline:
    """Processes over servers that nothing else uses.

    Args:
        steps: in the direction of the data.
        program: arguments of Python that run a ``moodtape`` command.
        environment: more settings for the processes.
    """

    def __init__(
        self,
        settings: Settings,
        endpoints: Endpoints,
        steps: Sequence[Step],
        program: Sequence[str] = MOODTAPE,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._settings, self._endpoints, self._steps = settings, endpoints, steps
        self._program, self._more = program, environment or {}
        create_topics(endpoints.kafka, settings)
        migrate(endpoints.database)

    def idle(self) -> Spent:
        """What the start of the processes costs, with no input."""
        with self.started() as running:
            return self._spent({name: watched.idle_cpu() for name, watched in running.items()}, running)

    def run(self, limit_seconds: float = 600.0) -> Spent:
        """Start the processes and wait until the last has committed what the first has read.

        Raises:
            RuntimeError: a process ended, or it takes longer than the limit.
        """
        with self.started() as running:
            used: dict[str, float] = {}
            for name, step in zip(list(running), self._steps, strict=True):
                done = False
                while not done:
                    time.sleep(POLL_SECONDS)
                    done = self._committed(step)
                    # After the question, which itself takes a while: what was spent meanwhile must not be missed.
                    used = {each: watched.cpu() for each, watched in running.items()}
                    if running[name].seconds > limit_seconds:
                        raise RuntimeError(f"{name} is not done after {limit_seconds:.0f} s")
            return self._spent(used, running)

    @contextlib.contextmanager
    def started(self) -> Iterator[dict[str, Watched]]:
        """The processes by name while they run."""
        with ExitStack() as stack:
            yield {
                " ".join(step.arguments) + f" {number}": stack.enter_context(self.start(step))
                for number, step in enumerate(self._steps)
            }

    def start(self, step: Step) -> Watched:
        """One process, in an environment that names the servers."""
        told = {
            "MOODTAPE_KAFKA_BOOTSTRAP": self._endpoints.kafka,
            "MOODTAPE_DATABASE_URL": self._endpoints.database,
            "MOODTAPE_REDIS_URL": self._endpoints.redis,
            "MOODTAPE_DATA_DIR": str(self._settings.data_dir),
            "MOODTAPE_LOG_LEVEL": "warning",
        }
        log = self._settings.data_dir / f"{'-'.join(step.arguments)}.log"
        command = [sys.executable, *self._program, *step.arguments]
        return Watched(command, log, {**os.environ, **told, **self._more})

    def _committed(self, step: Step) -> bool:
        if not step.inputs:
            return True
        ends = {part: end for part, end in log_ends(self._endpoints.kafka, step.inputs).items() if end}
        with committed_by(self._endpoints.kafka, step.group) as committed:
            return committed(list(ends)) == ends

    @staticmethod
    def _spent(used: Mapping[str, float], running: Mapping[str, Watched]) -> Spent:
        some = list(running.values())
        return Spent(dict(used), max(each.peak_rss_mib for each in some), max(each.seconds for each in some))


@contextlib.contextmanager
def committed_by(bootstrap: str, group: str) -> Iterator[Callable[[Sequence[Partition]], dict[Partition, int]]]:
    """What a group has committed, asked without joining it; partitions without an offset are left out."""
    consumer = Consumer(consumer_config(bootstrap, group))

    def committed(parts: Sequence[Partition]) -> dict[Partition, int]:
        found = consumer.committed([TopicPartition(*part) for part in parts], timeout=30)
        return {(tp.topic, tp.partition): tp.offset for tp in found if tp.offset >= 0}

    try:
        yield committed
    finally:
        consumer.close()


def fill(bootstrap: str, records: Iterable[RawQuote | RawPost], *, topic: str = RAW_QUOTES, end: bool = True) -> int:
    """Write raw records with a clock after every thousand, and an end; returns how many facts."""
    producer = Producer(producer_config(bootstrap, **{"linger.ms": 50}))
    encode, key_of, count = codec_for(topic).encode, TOPICS[topic].key, 0
    for record in records:
        producer.produce(topic, encode(record), key_of(record).encode())
        count += 1
        if count % FACTS_BETWEEN_CLOCKS == 0:
            _clock(producer, topic, Clock(kind="time", origin=ORIGIN, time=record.event_time))
            while len(producer) > 100_000:
                producer.poll(0.1)
    if end:
        _clock(producer, topic, Clock(kind="end", origin=ORIGIN))
    if producer.flush(60):
        raise RuntimeError("the input was not delivered")
    return count


def _clock(producer: Producer, topic: str, clock: Clock) -> None:
    for partition in range(PARTITIONS):
        producer.produce(topic, None, partition=partition, headers=clock.headers())
