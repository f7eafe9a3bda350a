"""Reading a topic from end to end, with a plain consumer that belongs to no group."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from confluent_kafka import Consumer, KafkaException, TopicPartition

from infra.errors import ServiceUnavailable, UserError
from infra.kafka import consumer_config
from infra.offsets import log_ends, log_starts, read_on
from schemas.clocks import Clock, parse_clock
from schemas.codec import DecodeError, codec_for

TIMEOUT_SECONDS = 20.0
SLICE = 50_000
POLL_SECONDS = 0.05
NEVER = 1 << 62
Headers = list[tuple[str, bytes]]


class Fact(NamedTuple):
    """One record of a log as it stands there.

    ``record`` is None where the value cannot be decoded, and ``error`` says why; ``append_ms`` is the broker's time.
    """

    offset: int
    record: Any
    key: bytes | None
    value: bytes | None
    headers: Headers
    append_ms: int = 0
    error: str = ""


class Heard(NamedTuple):
    """A clock as it stands in a log."""

    offset: int
    clock: Clock


@dataclass(frozen=True, slots=True)
class Span:
    """Offsets of one partition: ``low`` is the first that is still held, ``high`` follows the last."""

    topic: str
    partition: int
    low: int
    high: int


class TopicReader:
    """Reads committed records only. Use as a context manager."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        config = consumer_config(bootstrap, "moodtape.verify")
        # One partition at a time is read: prefetch deeper than a stage does.
        config |= {"queued.min.messages": 20_000, "queued.max.messages.kbytes": 16_384}
        self._consumer = Consumer(config)

    def __enter__(self) -> "TopicReader":
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    def spans(self, topic: str) -> list[Span]:
        """What each partition of a topic holds now, open transactions included; empty where there is no such topic.

        Raises:
            ServiceUnavailable: Kafka does not answer.
        """
        try:
            if self._consumer.list_topics(topic, TIMEOUT_SECONDS).topics[topic].error is not None:
                return []
        except KafkaException as error:
            raise ServiceUnavailable(f"Kafka does not answer: {error.args[0].str()}") from error
        starts = log_starts(self._bootstrap, [topic])
        ends = log_ends(self._bootstrap, [topic])
        return [Span(topic, part, starts[topic, part], ends[topic, part]) for _, part in sorted(ends)]

    def held_since(self, span: Span) -> int:
        """The broker's time (ms) of the first record still held; 0 where none was removed, NEVER where none is left."""
        if not span.low:
            return 0
        return next((int(message.timestamp()[1]) for message in self.messages(span)), NEVER)

    def messages(self, span: Span) -> Iterator[Any]:
        """Every record between the offsets of a span, clocks included, in order.

        Raises:
            ServiceUnavailable: Kafka falls silent before the end.
        """
        if span.low >= span.high:
            return
        self._consumer.assign([TopicPartition(span.topic, span.partition, span.low)])
        try:
            yield from read_on(self._consumer, self._bootstrap, {(span.topic, span.partition): span.high}, POLL_SECONDS)
        finally:
            self._consumer.unassign()

    def facts(self, span: Span) -> Iterator[Fact | Heard]:
        """The records of a span decoded: facts, and between them the clocks."""
        codec = codec_for(span.topic)
        for message in self.messages(span):
            headers = message.headers() or []
            clock = _clock(headers)
            if clock is not None:
                yield Heard(message.offset(), clock)
                continue
            value, why = message.value(), ""
            try:
                record = codec.decode(value)
            except DecodeError as error:
                record, why = None, str(error)
            yield Fact(message.offset(), record, message.key(), value, headers, message.timestamp()[1], why)

    def committed(self, group: str, spans: list[Span]) -> dict[int, int]:
        """Offset that a consumer group has come to in each partition; the log's start where it has none."""
        consumer = Consumer(consumer_config(self._bootstrap, group))
        try:
            found = consumer.committed([TopicPartition(s.topic, s.partition) for s in spans], TIMEOUT_SECONDS)
        except KafkaException as error:
            raise ServiceUnavailable(f"Kafka does not answer: {error.args[0].str()}") from error
        finally:
            consumer.close()
        lows = {s.partition: s.low for s in spans}
        return {tp.partition: tp.offset if tp.offset >= 0 else lows[tp.partition] for tp in found}


def _clock(headers: Headers) -> Clock | None:
    try:
        return parse_clock(headers)
    except ValueError:
        return None


def facts_only(entries: Iterable[Fact | Heard]) -> Iterator[Fact]:
    """Without the clocks."""
    return (entry for entry in entries if not isinstance(entry, Heard))


def in_step(spans: Sequence[Span]) -> Iterator[list[Span]]:
    """Parts of spans side by side, each as far along in its own as the others, none of more than 50,000 offsets."""
    parts = max((-(-(span.high - span.low) // SLICE) for span in spans), default=0)
    for number in range(parts):
        yield [
            Span(
                span.topic,
                span.partition,
                span.low + (span.high - span.low) * number // parts,
                span.low + (span.high - span.low) * (number + 1) // parts,
            )
            for span in spans
        ]


def require(spans: list[Span], topic: str) -> list[Span]:
    """The spans of a topic that must exist.

    Raises:
        UserError: there is no such topic.
    """
    if not spans:
        raise UserError(f"topic {topic} does not exist; run `moodtape topics create`")
    return spans
