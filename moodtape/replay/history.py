"""How far back the raw topics, or archives of them, still tell everything."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from confluent_kafka import Consumer, TopicPartition

from infra.errors import ServiceUnavailable
from infra.kafka import consumer_config, is_fatal
from schemas.clocks import NotAClock, parse_clock

from .archives import OpenArchive, archived, reaches

Place = tuple[str, int]
NOWHERE = 1 << 62
"""Of a log that was removed whole: it tells nothing of any time."""


def complete_after(
    bootstrap: str, starts: Mapping[Place, int], ends: Mapping[Place, int], archives: Sequence[OpenArchive] = ()
) -> dict[Place, int | None]:
    """For each partition the event time after which no fact is missing; None where nothing was ever removed.

    The first clock that is left says that every fact up to its time came before it, so perhaps among what was
    removed; what is later than it is all there. :data:`NOWHERE` where no clock is left.

    Args:
        bootstrap: host:port of Kafka.
        starts: first offsets that are left, in the topics or in an archive.
        ends: ends of the topics.
        archives: what is read before the topics.
    """
    cut = {place for place, start in starts.items() if start > 0}
    found = _archived_clocks(archives, cut)
    live = reaches(archives) if archives else starts
    left = {place: (live[place], ends[place]) for place in cut - found.keys()}
    return {**dict.fromkeys(starts), **found, **first_clocks(bootstrap, left)}


def _archived_clocks(archives: Sequence[OpenArchive], places: Collection[Place]) -> dict[Place, int]:
    """Time of the first clock of each partition within archives, where there is one."""
    found: dict[Place, int] = {}
    if not places or not archives:
        return found
    for record in archived(archives):
        time = _time_of(record.headers)
        if time is not None and record.place in places:
            found.setdefault(record.place, time)
            if len(found) == len(places):
                break
    return found


def first_clocks(bootstrap: str, spans: Mapping[Place, tuple[int, int]]) -> dict[Place, int]:
    """Time of the first clock of each partition within [start, end); :data:`NOWHERE` where there is none.

    Raises:
        ServiceUnavailable: Kafka does not answer.
    """
    found = dict.fromkeys(spans, NOWHERE)
    left = {place: end for place, (start, end) in spans.items() if start < end}
    if not left:
        return found
    consumer = Consumer(consumer_config(bootstrap, "moodtape.reader"))
    try:
        consumer.assign([TopicPartition(*place, spans[place][0]) for place in left])
        while left:
            for place, time in _clocks(consumer.consume(1000, 0.1), bootstrap):
                if left.pop(place, None) is not None:
                    found[place] = time
            for at in consumer.position([TopicPartition(*place) for place in left]):
                if at.offset >= left[at.topic, at.partition]:
                    del left[at.topic, at.partition]
    finally:
        consumer.close()
    return found


def _clocks(messages: Iterable[object], bootstrap: str) -> Iterable[tuple[Place, int]]:
    for message in messages:
        error = message.error()  # type: ignore[attr-defined]  # confluent_kafka has no types
        if error is not None:
            if is_fatal(error):
                raise ServiceUnavailable(f"Kafka at {bootstrap}: {error.str()}")
            continue
        time = _time_of(message.headers())  # type: ignore[attr-defined]
        if time is not None:
            yield (message.topic(), message.partition()), time  # type: ignore[attr-defined]


def _time_of(headers: Any) -> int | None:
    """Time of a clock; None for any other record."""
    try:
        clock = parse_clock(headers)
    except NotAClock:
        return None
    return clock.time if clock is not None and clock.kind == "time" else None
