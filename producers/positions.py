"""What the raw topics already hold: how far an origin got, and whether anything later than a moment is there.

The position of a source stands in the log itself, on its clocks, in one transaction with the facts before it.
So there is no second account that a crash could leave behind.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from infra.errors import ServiceUnavailable
from infra.kafka import consumer_config
from schemas.clocks import POSITION_HEADER, NotAClock, parse_clock
from schemas.codec import DecodeError, codec_for
from schemas.topics import PARTITIONS, RAW_QUOTES, RAW_TOPICS

_FIRST_REACH = 2000
_TIMEOUT = 30.0
_AGAIN_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Reached:
    """How far an origin got. ``position`` is its source's own text; ``ended`` = its end clock is written.

    ``time`` is that of its last clock, microseconds UTC; 0 of an end.
    """

    position: str
    ended: bool
    time: int


def reached(bootstrap: str, origin: str) -> Reached | None:
    """The last committed position of an origin, None if it never wrote a clock that is still held.

    Every clock goes to all partitions, so one partition is enough; it is read from its end backwards, each
    time eight times as far.

    Raises:
        ServiceUnavailable: Kafka does not answer.
    """
    consumer = _consumer(bootstrap)
    try:
        place = TopicPartition(RAW_QUOTES, 0)
        low, high = _watermarks(consumer, place)
        reach = _FIRST_REACH
        while True:
            start = max(low, high - reach)
            found = _last_clock(_read(consumer, [TopicPartition(RAW_QUOTES, 0, start)]), origin)
            if found is not None or start <= low:
                return found
            reach *= 8
    finally:
        consumer.close()


def later_fact(bootstrap: str, moment: int) -> tuple[str, int] | None:
    """Topic and event time of some fact in the raw topics that is later than ``moment`` (microseconds UTC).

    Raises:
        ServiceUnavailable: Kafka does not answer.
    """
    consumer = _consumer(bootstrap)
    try:
        places = [TopicPartition(topic, partition) for topic in RAW_TOPICS for partition in range(PARTITIONS)]
        held = [
            TopicPartition(p.topic, p.partition, low)
            for p in places
            for low, high in [_watermarks(consumer, p)]
            if low < high
        ]
        for message in _read(consumer, held):
            event_time = _event_time(message)
            if event_time is not None and event_time > moment:
                return message.topic(), event_time
        return None
    finally:
        consumer.close()


def _consumer(bootstrap: str) -> Any:
    # The group is never joined and never committed to.
    return Consumer(consumer_config(bootstrap, "moodtape.produce", **{"enable.partition.eof": True}))


def _watermarks(consumer: Any, place: TopicPartition) -> tuple[int, int]:
    """First offset and end of a partition; asked again while leaders move, as they do after a start."""
    deadline = time.monotonic() + _TIMEOUT
    while True:
        try:
            low, high = consumer.get_watermark_offsets(place, timeout=_TIMEOUT)
        except KafkaException as error:
            if time.monotonic() > deadline:
                raise ServiceUnavailable(
                    f"Kafka does not say what {place.topic} holds: {error.args[0].str()}"
                ) from error
            time.sleep(_AGAIN_SECONDS)
        else:
            return low, high


def _read(consumer: Any, places: list[TopicPartition]) -> Iterator[Any]:
    """Messages from the given offsets up to the end of each partition, as read_committed sees it."""
    consumer.assign(places)
    open_places = {(p.topic, p.partition) for p in places}
    silent_since = time.monotonic()
    while open_places:
        # A call that asks for many waits for all of them, or for its whole timeout.
        batch = consumer.consume(2000, timeout=0.1)
        if batch:
            silent_since = time.monotonic()
        elif time.monotonic() - silent_since > _TIMEOUT:
            raise ServiceUnavailable(f"Kafka stopped answering while {len(open_places)} partitions were being read")
        for message in batch:
            error = message.error()
            if error is None:
                yield message
            elif error.code() == KafkaError._PARTITION_EOF:
                open_places.discard((message.topic(), message.partition()))
            else:
                raise ServiceUnavailable(f"Kafka: {error.str()}")


def _last_clock(messages: Iterator[Any], origin: str) -> Reached | None:
    found = None
    for message in messages:
        headers = message.headers()
        try:
            clock = parse_clock(headers)
        except NotAClock:
            continue
        if clock is not None and clock.origin == origin:
            position = dict(headers).get(POSITION_HEADER, b"").decode()
            found = Reached(position, clock.kind == "end", clock.time)
    return found


def _event_time(message: Any) -> int | None:
    if message.value() is None:
        return None
    try:
        event_time: int = codec_for(message.topic()).decode(message.value()).event_time
    except DecodeError:
        return None
    return event_time
