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
# Lag at rest jumps with every clock; it counts as come down when it stays there for so long.
STEADY_SECONDS = 6.0
SUNK = (*TABLE_TOPICS, *map(dead_letter_topic, TOPICS))
ALL_GROUPS = {**GROUPS, "moodtape.sink.timescale": SUNK}


@dataclass(frozen=True, slots=True)
class Sample:
    """Lag of each group in offsets, at a moment (monotonic seconds)."""

    moment: float
    lags: dict[str, int]

    @property
    def most(self) -> int:
        """That of the group which is furthest behind."""
        return max(self.lags.values(), default=0)


class LagProbe(threading.Thread):
    """Keeps samples; one that could not be taken, because the broker is away, is not there."""

    def __init__(self, bootstrap: str) -> None:
        super().__init__(name="lag", daemon=True)
        self.samples: list[Sample] = []
        self._closing = threading.Event()
        self._admin = admin_client(bootstrap)
        self._places = {
            group: [TopicPartition(topic, number) for topic in topics for number in range(TOPICS_PARTITIONS[topic])]
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
                continue

    def _sample(self) -> Sample:
        committed = {
            group: self._consumers[group].committed(places, timeout=TIMEOUT_SECONDS)
            for group, places in self._places.items()
        }
        futures = self._admin.list_offsets(
            self._asked, isolation_level=IsolationLevel.READ_UNCOMMITTED, request_timeout=TIMEOUT_SECONDS
        )
        ends = {
            (place.topic, place.partition): future.result(2 * TIMEOUT_SECONDS).offset
            for place, future in futures.items()
        }
        lags = {
            group: sum(max(0, ends[at.topic, at.partition] - max(0, at.offset)) for at in found)
            for group, found in committed.items()
        }
        return Sample(time.monotonic(), lags)

    def since(self, moment: float) -> list[Sample]:
        """Samples taken after a moment."""
        return [sample for sample in list(self.samples) if sample.moment > moment]

    def level(self, seconds: float) -> dict[str, int]:
        """Take the lag at rest: the most of each group over so many seconds from now, and a little more."""
        start = time.monotonic()
        while time.monotonic() - start < seconds or len(self.since(start)) < 4:
            time.sleep(ASK_SECONDS)
        found = self.since(start)
        return {group: max(sample.lags[group] for sample in found) * 3 // 2 + 50 for group in ALL_GROUPS}

    def recovered(self, fault_ended: float, level: dict[str, int], limit: float) -> float | None:
        """Seconds from the fault's end until every group is back at its level for good; None if it never was.

        Args:
            fault_ended: monotonic seconds.
            level: of :meth:`level`.
            limit: seconds to wait.
        """
        while time.monotonic() - fault_ended < limit:
            time.sleep(ASK_SECONDS)
            samples = self.since(fault_ended)
            bad = [s.moment for s in samples if any(lag > level[group] for group, lag in s.lags.items())]
            last_bad = bad[-1] if bad else fault_ended
            good = [s for s in samples if s.moment > last_bad]
            if good and good[-1].moment - last_bad >= STEADY_SECONDS:
                return good[0].moment - fault_ended if bad else 0.0
        return None

    def close(self) -> None:
        """Stop asking."""
        self._closing.set()
        self.join(30)
        for consumer in self._consumers.values():
            consumer.close()


TOPICS_PARTITIONS = {
    **{name: spec.partitions for name, spec in TOPICS.items()},
    **{dead_letter_topic(name): spec.partitions for name, spec in TOPICS.items()},
}
