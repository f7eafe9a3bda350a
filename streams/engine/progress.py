"""Is a worker that stands still waiting for something, or stuck? The two look alike from outside."""

from collections.abc import Iterable
from dataclasses import dataclass

from confluent_kafka import Consumer, KafkaException, TopicPartition

from infra import metrics

from .chunks import Owned
from .ends import Ends

ASK_SECONDS = 1.0


@dataclass(slots=True, kw_only=True)
class Look:
    """What a worker shows at a moment.

    Attributes:
        lag: records between what is committed and the logs' ends, all partitions together.
        committed: sum of the committed offsets.
        in_flight: chunks handed to the agent and not yet back.
        finished: chunks that the agent ever finished.
        waiting: the agent waits for a server that is away.
    """

    lag: int
    committed: int
    in_flight: int
    finished: int
    waiting: bool


class Progress:
    """Judges a worker by what it shows from time to time; ``limit`` is in seconds."""

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._agent_at: float | None = None
        self._commit_at: float | None = None
        self._finished = self._committed = -1

    def look(self, now: float, seen: Look) -> str | None:
        """A sentence when the worker has had something to do for longer than the limit and did nothing."""
        if seen.waiting or seen.in_flight == 0 or seen.finished != self._finished or self._agent_at is None:
            self._agent_at, self._finished = now, seen.finished
        # A rebalance makes the sum fall or rise: that is progress as well.
        if seen.waiting or seen.lag == 0 or seen.committed != self._committed or self._commit_at is None:
            self._commit_at, self._committed = now, seen.committed
        if now - self._agent_at > self._limit:
            return f"the agent has finished none of {seen.in_flight} chunks for {now - self._agent_at:.0f} s"
        if now - self._commit_at > self._limit:
            return f"{seen.lag} records behind, and nothing committed for {now - self._commit_at:.0f} s"
        return None


def report_lag(consumer: Consumer, owned: Iterable[Owned], topics: Iterable[str], ends: Ends, *, ask: bool) -> int:
    """Show lag and watermark of each partition as metrics; returns the lag of all.

    The client knows the logs' ends from what it fetched last; ``ask`` asks the broker, for when nothing was fetched.
    """
    total = 0
    for item in owned:
        for topic in topics:
            high = _high(consumer, TopicPartition(topic, item.partition), ask)
            if high is None:
                ask = False  # the broker is away: one time-out is enough
                continue
            lag = max(0, ends.cap((topic, item.partition), high) - item.committed.get(topic, 0))
            metrics.CONSUMER_LAG.labels(topic, str(item.partition)).set(lag)
            total += lag
        if item.core.watermark is not None:
            metrics.WATERMARK.labels(str(item.partition)).set(item.core.watermark / 1e6)
    return total


def forget_lag(partitions: Iterable[int], topics: Iterable[str]) -> None:
    """Show nothing of partitions that were given up: another worker does, and what stayed here would stand still."""
    names = list(topics)
    for number in map(str, partitions):
        metrics.WATERMARK.remove(number)
        for topic in names:
            metrics.CONSUMER_LAG.remove(topic, number)


def _high(consumer: Consumer, place: TopicPartition, ask: bool) -> int | None:
    try:
        found = consumer.get_watermark_offsets(place, **({"timeout": ASK_SECONDS} if ask else {"cached": True}))
    except KafkaException:
        return None
    return None if found is None or found[1] < 0 else int(found[1])
