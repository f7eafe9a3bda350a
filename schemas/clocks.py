"""Clocks: how event time travels in band.

A clock has a null key and a null value; everything is in its headers. Clock T of an origin says: every fact
of this origin with ``event_time <= T`` on this partition stands before me.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

CLOCK_HEADER = "moodtape-clock"
ORIGIN_HEADER = "moodtape-origin"
BLIND_FROM_HEADER = "moodtape-blind-from"
SOURCES_HEADER = "moodtape-sources"
BLIND_HEADER = "moodtape-blind"
UNTIL_HEADER = "moodtape-until"
# On raw clocks: where their source stands, in its own words. Written in one transaction with the facts before it.
POSITION_HEADER = "moodtape-position"

Headers = list[tuple[str, bytes]]
Kind = Literal["time", "end", "idle", "tick"]


@dataclass(frozen=True, slots=True)
class Blind:
    """A post source saw nothing in (start, end], microseconds UTC."""

    source: str
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """One clock. ``time`` is microseconds UTC and only set for kind ``time``; a ``tick`` has no origin.

    ``until`` rides on the ends of inner topics: the latest raw clock before it, 0 where none is told. Raw clocks go to
    all partitions of both topics, so it tells which ends are of the same time.

    ``sources`` and ``blind`` ride on the clocks of mentions.v1: which post sources feed the partition, and
    when they were blind since the clock before (the coverage of moods comes from them).
    """

    kind: Kind
    origin: str = ""
    time: int = 0
    until: int = 0
    blind_from: int | None = None
    sources: Sequence[str] = field(default=())
    blind: Sequence[Blind] = field(default=())

    @property
    def source(self) -> str:
        """First part of a raw origin ``<source or recording>/<producer instance>``."""
        return self.origin.partition("/")[0]

    def headers(self) -> Headers:
        """The clock as the headers of a Kafka record."""
        text = str(self.time) if self.kind == "time" else self.kind
        headers = [(CLOCK_HEADER, text.encode())]
        if self.origin:
            headers.append((ORIGIN_HEADER, self.origin.encode()))
        if self.until:
            headers.append((UNTIL_HEADER, str(self.until).encode()))
        if self.blind_from is not None:
            headers.append((BLIND_FROM_HEADER, str(self.blind_from).encode()))
        if self.sources:
            headers.append((SOURCES_HEADER, ",".join(self.sources).encode()))
        if self.blind:
            spans = ",".join(f"{b.source}:{b.start}:{b.end}" for b in self.blind)
            headers.append((BLIND_HEADER, spans.encode()))
        return headers


class NotAClock(ValueError):
    """Headers claim to be a clock and are not one."""


def parse_clock(headers: Sequence[tuple[str, bytes]] | None) -> Clock | None:
    """Read a record's headers: a clock, or None for a fact.

    Raises:
        NotAClock: the clock header is there but cannot be read.
    """
    if not headers or all(name != CLOCK_HEADER for name, _ in headers):
        return None
    try:
        return _parse({name: (value or b"").decode() for name, value in headers})
    except ValueError as error:
        raise NotAClock(f"unreadable clock: {error}") from error


def _parse(headers: Mapping[str, str]) -> Clock:
    text, origin = headers[CLOCK_HEADER], headers.get(ORIGIN_HEADER, "")
    if text == "tick":
        return Clock(kind="tick")
    if not origin:
        raise ValueError("no origin")
    kind: Kind = "end" if text == "end" else "idle" if text == "idle" else "time"
    blind_from = headers.get(BLIND_FROM_HEADER)
    return Clock(
        kind=kind,
        origin=origin,
        time=int(text) if kind == "time" else 0,
        until=int(headers.get(UNTIL_HEADER, 0)),
        blind_from=None if blind_from is None else int(blind_from),
        sources=tuple(s for s in headers.get(SOURCES_HEADER, "").split(",") if s),
        blind=tuple(_blind(span) for span in headers.get(BLIND_HEADER, "").split(",") if span),
    )


def _blind(text: str) -> Blind:
    source, start, end = text.rsplit(":", 2)
    return Blind(source, int(start), int(end))
