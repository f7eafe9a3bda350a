"""What producers write, as values: facts and clocks with the partitions they go to."""

from dataclasses import dataclass

from schemas.clocks import Clock, Headers

from .broker import PARTITIONS, Place, place_of

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
START = 1_700_000_040 * SECOND
SYMBOLS = ("AAPL", "TSLA", "GME", "AMC")


@dataclass(frozen=True)
class Input:
    """What a producer writes in one go: a fact, or a clock to every partition. ``text`` is for people."""

    text: str
    at_ms: int
    places: tuple[Place, ...]
    key: bytes | None
    value: bytes | None
    headers: Headers


def fact(topic: str, key: str, value: bytes, at_ms: int, text: str) -> Input:
    """A fact, to the partition of its key."""
    return Input(text, at_ms, (place_of(topic, key.encode()),), key.encode(), value, [])


def clock(topic: str, told: Clock, at_ms: int) -> Input:
    """A clock, to every partition."""
    places = tuple((topic, number) for number in range(PARTITIONS))
    return Input(f"{topic} {told.kind} {told.origin} {told.time}", at_ms, places, None, None, told.headers())
