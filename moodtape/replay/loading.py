"""Loads what archives and the raw topics hold into topics of a replay's own, for its first stages to read.

A copy has the records of a partition in their order, byte for byte, with the broker's times of the originals, by which
idleness is judged. A load that was broken off has left the first records of each partition, and goes on behind them.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain

from confluent_kafka import KafkaError, KafkaException, Message

from infra.endpoints import Endpoints
from infra.errors import ServiceUnavailable, UserError
from infra.failpoints import failpoint
from infra.kafka import plain_producer
from infra.offsets import log_ends, read_until
from infra.replays import Plan, note_loaded
from producers.archive import Logged, logged
from schemas.replays import replayed
from schemas.topics import RAW_TOPICS

from .archives import OpenArchive, archived, reaches

Place = tuple[str, int]
Note = Callable[[str], None]
_TELL_SECONDS = 5.0
_STUCK_SECONDS = 60.0
_WAIT_SECONDS = 0.1
_PRODUCER = {
    # No record is given up: what came behind it would stand in its place.
    "enable.gapless.guarantee": True,
    "message.timeout.ms": 0,
    "queue.buffering.max.kbytes": 65_536,
}


def copies_of(replay: str) -> list[str]:
    """The topics that a replay of archives reads."""
    return [replayed(topic, replay) for topic in RAW_TOPICS]


def load(endpoints: Endpoints, plan: Plan, archives: Sequence[OpenArchive], stop: threading.Event, note: Note) -> bool:
    """Make the copies whole, which are there, up to the ends that the plan has fixed; False where it was stopped.

    Raises:
        UserError: the copies hold something else, or what is to be read is gone.
        ServiceUnavailable: Kafka or the database is away.
    """
    if plan.loaded is not None:
        _require_held(endpoints.kafka, plan, plan.loaded)
        return True
    copy, told_at = Copy(endpoints.kafka, plan.id), time.monotonic()
    done, total = 0, sum(plan.ends.values()) - sum(plan.begins.values())
    passed = dict(plan.begins)
    for record in _input(endpoints.kafka, plan, archives):
        if stop.is_set():
            break
        copy.take(record)
        done += record.offset + 1 - passed[record.place]
        passed[record.place] = record.offset + 1
        if time.monotonic() - told_at > _TELL_SECONDS:
            told_at = time.monotonic()
            note(f"replay {plan.id}: {100 * done // total}% loaded")
    copy.flush()
    if stop.is_set():
        return False
    _require_held(endpoints.kafka, plan, copy.taken)
    note(f"replay {plan.id}: {sum(copy.taken.values())} records loaded")
    note_loaded(endpoints.database, plan.id, copy.taken)
    return True


def _input(bootstrap: str, plan: Plan, archives: Sequence[OpenArchive]) -> Iterator[Logged]:
    """All that there is to copy, in the order of each partition's log."""
    live = read_until(bootstrap, plan.ends, reaches(archives))
    return chain(archived(archives), map(logged, live))


def _held(bootstrap: str, replay: str) -> dict[Place, int]:
    """How many records each partition of the copies holds, by the original's name. Their offsets have no holes."""
    ends = log_ends(bootstrap, copies_of(replay))
    return {
        (topic, partition): end
        for topic in RAW_TOPICS
        for (name, partition), end in ends.items()
        if name == replayed(topic, replay)
    }


def _require_held(bootstrap: str, plan: Plan, records: Mapping[Place, int]) -> None:
    for place, held in _held(bootstrap, plan.id).items():
        if held != records[place]:
            raise UserError(
                f"{replayed(place[0], plan.id)}/{place[1]} holds {held} records, not the {records[place]} that replay "
                f"{plan.id} put there. Remove it by `moodtape replay drop {plan.id}` and begin anew"
            )


class Copy:
    """Produces the records of both raw topics into their copies, behind those that are there already.

    ``taken`` counts the records of each partition, those that were there included.
    """

    def __init__(self, bootstrap: str, replay: str) -> None:
        self._held = _held(bootstrap, replay)
        self._names = {topic: replayed(topic, replay) for topic in RAW_TOPICS}
        self._producer = plain_producer(bootstrap, **_PRODUCER)
        self._failure: KafkaError | None = None
        self._acknowledged_at = time.monotonic()
        self.taken = dict.fromkeys(self._held, 0)

    def take(self, record: Logged) -> None:
        """Take the next record of its partition.

        Raises:
            ServiceUnavailable: Kafka does not take it.
        """
        place = record.place
        self.taken[place] += 1
        if self.taken[place] <= self._held[place]:
            return
        self._until(lambda: self._produced(record))

    def flush(self) -> None:
        """Wait until Kafka has taken everything.

        Raises:
            ServiceUnavailable: it does not.
        """
        self._until(lambda: not self._producer.flush(_WAIT_SECONDS))

    def _until(self, done: Callable[[], bool]) -> None:
        since = time.monotonic()
        while not done():
            self._producer.poll(_WAIT_SECONDS)
            if time.monotonic() - max(since, self._acknowledged_at) > _STUCK_SECONDS:
                raise ServiceUnavailable(f"Kafka has taken nothing for {_STUCK_SECONDS:.0f} s")
        self._producer.poll(0)
        if self._failure is not None:
            raise ServiceUnavailable(f"Kafka does not take a copy of the raw topics: {self._failure.str()}")

    def _produced(self, record: Logged) -> bool:
        try:
            self._producer.produce(
                self._names[record.topic],
                record.value,
                record.key,
                partition=record.partition,
                timestamp=record.append_ms,
                headers=record.headers,
                on_delivery=self._delivered,
            )
        except BufferError:
            return False
        except KafkaException as error:
            raise ServiceUnavailable(f"Kafka does not take a copy of the raw topics: {error.args[0].str()}") from error
        return True

    def _delivered(self, error: KafkaError | None, _: Message) -> None:
        self._failure = self._failure or error
        self._acknowledged_at = time.monotonic()
        failpoint("copied")
