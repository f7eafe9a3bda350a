"""The one runner under every source: encode, produce exactly once, clock, resume.

Facts, dead letters and the clocks that follow them are written in one transaction, and the clocks carry the
source's position. So a checkpoint exists if and only if the broker has acknowledged everything before it, and a
producer killed at any moment continues without a loss and without a double. A second producer of the same origin
fences the first.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from threading import Event as Flag
from typing import Any

from confluent_kafka import KafkaError, KafkaException

from infra.clock import Now, now_micros, to_rfc3339
from infra.errors import FatalError, ServiceUnavailable, UserError
from infra.kafka import insist, plain_producer
from infra.log import get_logger
from infra.metrics import DEAD_LETTERS, RECORDS_OUT, SOURCE_CLOCK, expect_dead_letters
from schemas.clocks import POSITION_HEADER, Clock
from schemas.codec import codec_for
from schemas.deadletters import dead_letter_headers
from schemas.records import RawPost, RawQuote
from schemas.topics import (
    GAPS,
    PARTITIONS,
    RAW_POSTS,
    RAW_QUOTES,
    RAW_TOPICS,
    dead_letter_topic,
    partition_of,
    post_key,
)

from .positions import later_fact, reached
from .skew import SkewWatch
from .source import Blind, End, Event, Fact, Mark, Pause, Source, Unreadable

COMMIT_RECORDS = 10_000
COMMIT_SECONDS = 0.25
# A killed producer's open transaction holds readers back until its successor starts, or for so long.
TRANSACTION_TIMEOUT_MS = 20_000
_TIMEOUT = 30.0

log = get_logger(__name__)


@dataclass(slots=True)
class Produced:
    """What one run of a producer did.

    Attributes:
        origin: of its clocks.
        state: ``ended`` (the source ended), ``stopped`` (by a signal) or ``already`` (it had ended before).
        facts: facts written in this run, by topic.
        dead_letters: unreadable pieces of input written in this run, by the topic they were meant for.
        position: the last committed position.
    """

    origin: str
    state: str = "stopped"
    facts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(RAW_TOPICS, 0))
    dead_letters: dict[str, int] = field(default_factory=lambda: dict.fromkeys(RAW_TOPICS, 0))
    position: str = ""


class Runner:
    """Writes one source into the raw topics.

    Args:
        bootstrap: host:port of Kafka.
        source: what to write.
        stop: set by a signal; the runner then commits what is marked and leaves, without an end clock.
        now: wall clock, microseconds UTC.
        accepted: called once the topics are seen to go together with the source, before anything is written.
    """

    def __init__(
        self,
        bootstrap: str,
        source: Source,
        stop: Flag,
        now: Now = now_micros,
        accepted: Callable[[], object] = lambda: None,
    ) -> None:
        self._bootstrap = bootstrap
        self._source = source
        self._stop = stop
        self._now = now
        self._accepted = accepted
        self._producer: Any = plain_producer(
            bootstrap,
            **{
                "transactional.id": f"moodtape.produce.{source.origin}",
                "transaction.timeout.ms": TRANSACTION_TIMEOUT_MS,
            },
        )
        self._done = Produced(source.origin)
        self._uncommitted = Produced(source.origin)
        self._open = False
        self._began = 0.0
        self._records = 0
        self._blind_from: int | None = None
        self._said: int | None = None
        self._skew = SkewWatch(source.origin.partition("/")[0], now)
        self._quotes, self._posts = codec_for(RAW_QUOTES), codec_for(RAW_POSTS)
        expect_dead_letters(RAW_TOPICS)

    def run(self) -> Produced:
        """Write the source from where it stands in the topics until it ends or ``stop`` is set.

        Raises:
            UserError: the topics hold what does not go together with this source; nothing was written.
            ServiceUnavailable: Kafka does not answer.
            FatalError: a delivery failed, or this machine's clock is wrong; to be started again.
        """
        self._call("start", lambda: self._producer.init_transactions(_TIMEOUT))
        before = reached(self._bootstrap, self._source.origin)
        if before is None:
            self._refuse_later_facts()
        with closing(self._events(None if before is None else before.position)) as events:  # type: ignore[type-var]
            self._accepted()
            if before is not None:
                self._done.position, self._said = before.position, before.time
                if before.ended:
                    self._done.state = "already"
                    return self._done
                log.info("resumed", origin=self._source.origin, position=before.position)
            self._write_all(events)
        return self._done

    def _events(self, position: str | None) -> Iterator[Event]:
        return self._source.events(position)

    def _refuse_later_facts(self) -> None:
        begins = self._source.begins
        later = None if begins is None else later_fact(self._bootstrap, begins)
        if later is not None and begins is not None:
            raise UserError(
                f"{self._source.origin.partition('/')[0]} begins at {to_rfc3339(begins)}, but {later[0]} already holds "
                f"a fact of {to_rfc3339(later[1])}; time cannot run backwards in a topic. "
                "Give it topics of its own with --data-dir."
            )

    def _write_all(self, events: Iterator[Event]) -> None:
        try:
            for event in events:
                self._write(event)
                if isinstance(event, Mark | Pause) and self._stop.is_set():
                    self._commit()
                    return
            self._commit()
        except BaseException:
            # Leave no open transaction behind: readers would wait for it.
            self._abort()
            raise

    def _write(self, event: Event) -> None:
        match event:
            case Fact():
                self._fact(event.record)
            case Mark():
                self._mark(event)
            case Pause():
                self._commit()
                self._stop.wait(event.seconds)
                self._producer.poll(0)
            case Unreadable():
                self._unreadable(event)
            case Blind():
                self._blind(event)
            case End():
                self._end(event)

    def _fact(self, record: RawQuote | RawPost) -> None:
        if isinstance(record, RawQuote):
            topic, key, value = RAW_QUOTES, record.symbol, self._quotes.encode(record)
        else:
            topic, key, value = RAW_POSTS, post_key(record), self._posts.encode(record)
        self._produce(topic, partition_of(key), key.encode(), value)
        self._uncommitted.facts[topic] += 1

    def _unreadable(self, bad: Unreadable) -> None:
        partition = bad.line % PARTITIONS
        headers = dead_letter_headers(
            topic=bad.file,
            partition=partition,
            offset=bad.line,
            stage="produce",
            error=type(bad.error).__name__,
            message=str(bad.error),
            reason="unparseable",
            attempts=1,
            group=f"moodtape.produce.{self._source.origin}",
            failed_at=self._now(),
            original=None,
        )
        self._produce(dead_letter_topic(bad.topic), partition, None, bad.value, headers)
        self._uncommitted.dead_letters[bad.topic] += 1

    def _blind(self, blind: Blind) -> None:
        gap = blind.gap
        self._produce(GAPS, 0, gap.source.encode(), codec_for(GAPS).encode(gap))
        self._blind_from = gap.start if self._blind_from is None else min(self._blind_from, gap.start)

    def _mark(self, mark: Mark) -> None:
        # A source that has just resumed may know less than its last clock said, and that holds.
        self._said = mark.time if self._said is None else max(mark.time, self._said)
        clock = Clock(kind="time", origin=self._source.origin, time=self._said, blind_from=self._blind_from)
        self._clock(clock, mark.position)
        self._blind_from = None
        SOURCE_CLOCK.labels(clock.source, "no" if self._source.live else "yes").set(clock.time / 1e6)
        if self._records >= COMMIT_RECORDS or time.monotonic() - self._began >= COMMIT_SECONDS:
            self._commit()

    def _end(self, end: End) -> None:
        self._clock(Clock(kind="end", origin=self._source.origin), end.position)
        self._uncommitted.state = "ended"

    def _clock(self, clock: Clock, position: str) -> None:
        headers = [*clock.headers(), (POSITION_HEADER, position.encode())]
        for topic in RAW_TOPICS:
            for partition in range(PARTITIONS):
                report = self._skew.report() if self._source.live and partition == 0 else None
                self._produce(topic, partition, None, None, headers, report)
        self._uncommitted.position = position

    def _produce(
        self,
        topic: str,
        partition: int,
        key: bytes | None,
        value: bytes | None,
        headers: list[tuple[str, bytes]] | None = None,
        report: Callable[[Any, Any], None] | None = None,
    ) -> None:
        if not self._open:
            self._begin()
        while True:
            try:
                self._producer.produce(topic, value, key, partition=partition, headers=headers, on_delivery=report)
                break
            except BufferError:
                # The broker is slower than the source: wait for it.
                self._producer.poll(0.1)
            except KafkaException as error:
                raise _fatal("write", error) from error
        self._records += 1

    def _begin(self) -> None:
        self._call("begin", self._producer.begin_transaction)
        self._open, self._began, self._records = True, time.monotonic(), 0

    def _commit(self) -> None:
        if not self._open:
            return
        self._call("commit", lambda: self._producer.commit_transaction(_TIMEOUT))
        self._open = False
        self._settle()
        self._skew.check()

    def _settle(self) -> None:
        done, new = self._done, self._uncommitted
        for topic, count in new.facts.items():
            done.facts[topic] += count
            RECORDS_OUT.labels(topic).inc(count)
        for topic, count in new.dead_letters.items():
            done.dead_letters[topic] += count
            DEAD_LETTERS.labels(topic, "unparseable").inc(count)
        done.position, done.state = new.position or done.position, new.state
        self._uncommitted = Produced(self._source.origin)

    def _abort(self) -> None:
        if self._open:
            self._open = False
            try:
                self._producer.abort_transaction(5.0)
            except KafkaException as error:
                log.warning("abort failed; the broker will do it", error=error.args[0].str())

    def _call(self, what: str, function: Callable[[], object]) -> None:
        """Call the producer, again while librdkafka says that it may be called again."""
        try:
            insist(function, 2 * _TIMEOUT)
        except KafkaException as error:
            if what == "start":
                text = error.args[0].str()
                raise ServiceUnavailable(f"Kafka at {self._bootstrap} gives no transaction: {text}") from error
            raise _fatal(what, error) from error


def _fatal(what: str, error: KafkaException) -> FatalError | UserError:
    reason = error.args[0]
    if reason.code() in (KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH):
        return UserError("another process produces the same source into the same topics; this one stops")
    return FatalError(f"cannot {what}: {reason.str()}")
