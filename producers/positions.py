"""What the raw topics already hold: how far an origin got, and whether anything later than a moment is there.

The position of a source stands in the log itself, on its clocks, in one transaction with the facts before it.
So there is no second account that a crash could leave behind.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from infra.offsets import log_ends, log_starts, read_until
from schemas.clocks import POSITION_HEADER, NotAClock, parse_clock
from schemas.codec import DecodeError, codec_for
from schemas.topics import RAW_QUOTES, RAW_TOPICS

_PLACE = (RAW_QUOTES, 0)
_FIRST_REACH = 2000


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
    time eight times as far. While another producer's transaction is open, what was committed behind it cannot be read:
    it is waited for.

    Raises:
        ServiceUnavailable: Kafka does not answer.
    """
    low, high = log_starts(bootstrap, [RAW_QUOTES])[_PLACE], log_ends(bootstrap, [RAW_QUOTES])[_PLACE]
    reach = _FIRST_REACH
    while low < high:
        start = max(low, high - reach)
        starts = {_PLACE: start} if start > low else None
        found = _last_clock(read_until(bootstrap, {_PLACE: high}, starts), origin)
        if found is not None or start == low:
            return found
        reach *= 8
    return None


def later_fact(bootstrap: str, moment: int) -> tuple[str, int] | None:
    """Topic and event time of some fact in the raw topics that is later than ``moment`` (microseconds UTC).

    Raises:
        ServiceUnavailable: Kafka does not answer.
    """
    starts, ends = log_starts(bootstrap, RAW_TOPICS), log_ends(bootstrap, RAW_TOPICS)
    for message in read_until(bootstrap, {place: end for place, end in ends.items() if starts[place] < end}):
        event_time = _event_time(message)
        if event_time is not None and event_time > moment:
            return message.topic(), event_time
    return None


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
