"""How far back the raw topics, or archives of them, still tell everything."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from typing import Any

from infra.offsets import read_until
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
        UserError: some of it is removed meanwhile.
    """
    found = dict.fromkeys(spans, NOWHERE)
    left = {place for place, (start, end) in spans.items() if start < end}
    starts, ends = ({place: spans[place][side] for place in left} for side in (0, 1))
    with closing(read_until(bootstrap, ends, starts)) as messages:
        for message in messages:
            place, time = (message.topic(), message.partition()), _time_of(message.headers())
            if time is not None and place in left:
                found[place] = time
                left.remove(place)
                if not left:
                    break
    return found


def _time_of(headers: Any) -> int | None:
    """Time of a clock; None for any other record."""
    try:
        clock = parse_clock(headers)
    except NotAClock:
        return None
    return clock.time if clock is not None and clock.kind == "time" else None
