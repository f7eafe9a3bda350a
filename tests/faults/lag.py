"""How far every group is behind, asked twice a second beside the fault; from it recovery time and largest lag."""

import threading
import time
from dataclasses import dataclass

from confluent_kafka import Consumer, IsolationLevel, KafkaException, TopicPartition
from confluent_kafka.admin import OffsetSpec

from infra.kafka import admin_client, consumer_config
from moodtape.pipeline import GROUPS, TABLE_TOPICS
from schemas.topics import TOPICS, dead_letter_topic

ASK_SECONDS = 0.7
TIMEOUT_SECONDS = 3.0
# By then every partition has records that were written after the fault: clocks come once a second.
AFTER_SECONDS = 2.0
SUNK = (*TABLE_TOPICS, *map(dead_letter_topic, TOPICS))
ALL_GROUPS = {**GROUPS, "moodtape.sink.timescale": SUNK}
PARTITIONS_OF = {name: spec.partitions for name, spec in TOPICS.items()}
PARTITIONS_OF |= {dead_letter_topic(name): count for name, count in PARTITIONS_OF.items()}
Part = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Sample:
    """Where the groups stood and where the logs ended, at a moment (monotonic seconds, when it was asked)."""

    moment: float
    committed: dict[str, dict[Part, int]]
    ends: dict[Part, int]

    @property
    def lags(self) -> dict[str, int]:
        """Lag of each group, in offsets."""
        return {
            group: sum(max(0, self.ends[part] - offset) for part, offset in stands.items())
            for group, stands in self.committed.items()
        }

    @property
    def most(self) -> int:
        """That of the group which is furthest behind."""
        return max(self.lags.values(), default=0)

    def is_past(self, earlier: "Sample") -> bool:
        """Whether every group has done all that was in the logs at an earlier moment."""
        return all(
            offset >= earlier.ends[part] for stands in self.committed.values() for part, offset in stands.items()
        )


class LagProbe(threading.Thread):
    """Keeps samples; one that could not be taken, because the broker is away, is not there."""

    def __init__(self, bootstrap: str) -> None:
        super().__init__(name="lag", daemon=True)
        self.samples: list[Sample] = []
        self._closing = threading.Event()
        self._servers = bootstrap
        self._admin = admin_client(bootstrap)
        self._places = {
            group: [TopicPartition(topic, number) for topic in topics for number in range(PARTITIONS_OF[topic])]
            for group, topics in ALL_GROUPS.items()
        }
        self._consumers = {group: Consumer(consumer_config(bootstrap, group)) for group in ALL_GROUPS}
        self._asked = {
            TopicPartition(place.topic, place.partition): OffsetSpec.latest()
            for places in self._places.values()
            for place in places
        }

    def run(self) -> None:
        """Ask until closed."""
        while not self._closing.wait(ASK_SECONDS):
            try:
                self.samples.append(self._sample())
            except (KafkaException, TimeoutError):
                # A client that knew the broker before it restarted may be refused for ever (see sinks/log.py).
                self._admin = admin_client(self._servers)

    def _sample(self) -> Sample:
        moment = time.monotonic()
        committed = {
            group: {
                (at.topic, at.partition): max(0, at.offset)
                for at in self._consumers[group].committed(places, timeout=TIMEOUT_SECONDS)
            }
            for group, places in self._places.items()
        }
        futures = self._admin.list_offsets(
            self._asked, isolation_level=IsolationLevel.READ_UNCOMMITTED, request_timeout=TIMEOUT_SECONDS
        )
        ends = {(at.topic, at.partition): each.result(2 * TIMEOUT_SECONDS).offset for at, each in futures.items()}
        return Sample(moment, committed, ends)

    def since(self, moment: float) -> list[Sample]:
        """Samples asked for after a moment."""
        return [sample for sample in list(self.samples) if sample.moment > moment]

    def recovered(self, fault_ended: float, limit: float) -> float | None:
        """Seconds from the fault's end until the flow is whole again; None if it was not within the limit.

        That is when every group has done everything which stood in the logs two seconds after the fault's end, and
        then once more everything which stood there at that moment: what one stage made of its backlog is the next
        one's. An undisturbed flow takes some four seconds to show it.
        """
        target: Sample | None = None
        rounds = 0
        seen = fault_ended + AFTER_SECONDS
        while time.monotonic() - fault_ended < limit:
            time.sleep(ASK_SECONDS / 2)
            for sample in self.since(seen):
                seen = sample.moment
                if target is None:
                    target = sample
                elif sample.is_past(target):
                    target, rounds = sample, rounds + 1
                    if rounds == 2:
                        return sample.moment - fault_ended
        return None

    def close(self) -> None:
        """Stop asking."""
        self._closing.set()
        self.join(30)
        for consumer in self._consumers.values():
            consumer.close()
