"""The watermark of one partition of one stage: the minimum over the clocks of its origins.

Pure: time enters only as the clocks and the broker's append times of the records that were read.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from schemas.clocks import Clock

IDLE_AFTER_MS = 300_000
SAME_END = 180_000_000
"""Ends of one time may differ by so many microseconds: where one of them tells of no raw clock, by the lateness."""
_NEVER = 1 << 62

State = Literal["live", "ended", "idle"]
Kind = Literal["time", "end", "idle"]
OriginKey = tuple[str, str]


@dataclass(slots=True)
class _Origin:
    time: int | None = None
    state: State = "live"
    append_ms: int = 0
    until: int = 0


@dataclass(frozen=True, slots=True)
class Move:
    """What downstream must be told: the watermark stands at ``time``, or the partition ended, or went idle.

    At an end ``time`` is the latest raw clock before it, 0 where none was told.

    ``returns``: it is there again after it had ended or was idle.
    """

    kind: Kind
    time: int = 0
    returns: bool = False


class Watermark:
    """Follows the clocks of one partition.

    Args:
        expected: (input topic, origin) of every origin that must be heard before the watermark is set; None
            for a first stage, whose origins are those seen in the log.
        lateness: microseconds subtracted from the minimum.

    ``idle_check_ms``: no append time up to this one can make an origin idle.

    A first stage drops an origin as idle when the append time of the record just read is 5 minutes past that
    of the origin's last clock; inner stages time nothing out. There an origin that ended or is idle is a stage
    before this one: while any other goes on, what it will do with the clock that moved that one is still to come, so
    its last clock counts on (see ``docs/decisions/0006-two-inputs-and-the-silent-fold.md``).
    """

    def __init__(self, expected: Iterable[OriginKey] | None, lateness: int = 0) -> None:
        self._first_stage = expected is None
        self._unheard: set[OriginKey] = set(expected or ())
        self._lateness = lateness
        self._origins: dict[OriginKey, _Origin] = {}
        self._told: Kind | None = None
        self.idle_check_ms = _NEVER
        self.time: int | None = None

    def read(self, append_ms: int) -> Move | None:
        """A record (fact, clock or tick) was read that the broker appended at ``append_ms``."""
        if append_ms <= self.idle_check_ms:
            return None
        for origin in self._origins.values():
            if origin.state == "live" and append_ms - origin.append_ms > IDLE_AFTER_MS:
                origin.state = "idle"
        self._plan_idle_check()
        return self._settle()

    def hear(self, topic: str, clock: Clock, append_ms: int) -> Move | None:
        """A clock with an origin was read."""
        key = (topic, clock.origin)
        self._unheard.discard(key)
        origin = self._origins.setdefault(key, _Origin())
        origin.append_ms = append_ms
        if clock.kind == "time":
            origin.state = "live"
            origin.time = clock.time if origin.time is None else max(origin.time, clock.time)
        else:
            origin.state = "ended" if clock.kind == "end" else "idle"
            origin.until = clock.until
        if self._first_stage:
            self._plan_idle_check()
        return self._settle()

    def _plan_idle_check(self) -> None:
        live = [o.append_ms for o in self._origins.values() if o.state == "live"]
        self.idle_check_ms = min(live) + IDLE_AFTER_MS if live else _NEVER

    def _settle(self) -> Move | None:
        if self._unheard:
            return None
        origins = self._origins.values()
        live = [origin for origin in origins if origin.state == "live"]
        if live:
            return self._rise_to([origin.time for origin in (live if self._first_stage else origins)])
        if any(origin.state == "idle" for origin in origins):
            return self._tell("idle")
        # Raw ends tell no time, nor do those of logs and snapshots of before version 4: they are of their last clock.
        ends = [end for origin in origins if (end := origin.until or origin.time)]
        # What ended at an earlier time than others has still to come back, and to end as they did.
        if ends and not self._first_stage and max(ends) - min(ends) > SAME_END:
            return None
        return self._tell("end", max(ends, default=0))

    def _rise_to(self, times: Sequence[int | None]) -> Move | None:
        known = [time for time in times if time is not None]
        if len(known) == len(times):
            return self._rise(min(known) - self._lateness)
        return None if self.time is None else self._rise(self.time)

    def _rise(self, candidate: int) -> Move | None:
        rose = self.time is None or candidate > self.time
        if rose:
            self.time = candidate
        # An origin that comes back must hold downstream again, also when it comes back behind.
        told, self._told = self._told, "time"
        if not rose and told == "time":
            return None
        assert self.time is not None  # noqa: S101  # set in this or an earlier call
        return Move("time", self.time, returns=told in ("end", "idle"))

    def _tell(self, kind: Kind, time: int = 0) -> Move | None:
        if self._told == kind:
            return None
        self._told = kind
        return Move(kind, time)

    def dump(self) -> list[Any]:
        """Everything, as plain lists."""
        origins = [[t, o, v.time, v.state, v.append_ms, v.until] for (t, o), v in sorted(self._origins.items())]
        return [self.time, self._told, origins]

    def load(self, data: list[Any]) -> None:
        """Take back :meth:`dump`."""
        self.time, self._told, origins = data
        self._origins = {(topic, origin): _Origin(*values) for topic, origin, *values in origins}
        self._unheard -= set(self._origins)
        if self._first_stage:
            self._plan_idle_check()
