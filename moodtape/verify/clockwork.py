"""The watermark of a partition, told again from the clocks in its log."""

from collections.abc import Iterable
from typing import Literal

from schemas.clocks import Clock

Origin = tuple[str, str]
"""Topic in which a clock stands, and the origin that it names."""
Step = Literal["advance", "flush"]
APART = 180_000_000
"""Ends further apart than this, in microseconds, are not of one time; one that tells of none is of its last clock's."""


class Clockwork:
    """The least clock of all origins; unset until each of them was heard, and it never falls.

    One that ended or is idle counts on with its last clock as long as any other goes on. All have ended when they ended
    at one time; one that ended before the others will come back.

    Args:
        origins: all that feed the partition.
    """

    def __init__(self, origins: Iterable[Origin]) -> None:
        self._silent = set(origins)
        self._times: dict[Origin, int] = {}
        self._away: dict[Origin, Literal["end", "idle"]] = {}
        self._until: dict[Origin, int] = {}
        self._told: Literal["time", "end", "idle"] | None = None
        self.time: int | None = None

    @property
    def ended(self) -> bool:
        """Whether every origin has ended."""
        return self._told == "end"

    @property
    def passed(self) -> int | None:
        """The least last clock of all origins, also of those that ended or are idle; None where one has none."""
        heard = [self._times.get(origin) for origin in {*self._times, *self._away}]
        known = [time for time in heard if time is not None]
        return min(known) if known and len(known) == len(heard) and not self._silent else None

    def hear(self, topic: str, clock: Clock) -> Step | None:
        """Take a clock; what the stage does at it: emit up to ``time``, emit everything, or nothing."""
        if clock.kind == "tick":
            return None
        origin = (topic, clock.origin)
        self._silent.discard(origin)
        if clock.kind == "time":
            self._away.pop(origin, None)
            self._times[origin] = max(clock.time, self._times.get(origin, clock.time))
        else:
            self._away[origin], self._until[origin] = clock.kind, clock.until or self._times.get(origin, 0)
        return None if self._silent else self._step()

    def _step(self) -> Step | None:
        if self._times.keys() - self._away.keys():
            passed = self.passed
            least = self.time if passed is None else passed
            return None if least is None else self._rise(least)
        ended = all(state == "end" for state in self._away.values())
        untils = [until for until in self._until.values() if until]
        if ended and untils and max(untils) - min(untils) > APART:
            return None
        told, self._told = self._told, "end" if ended else "idle"
        return "flush" if ended and told != "end" else None

    def _rise(self, least: int) -> Step | None:
        rose = self.time is None or least > self.time
        if rose:
            self.time = least
        # An origin that comes back moves the stage again, also where it comes back behind.
        told, self._told = self._told, "time"
        return "advance" if rose or told != "time" else None
