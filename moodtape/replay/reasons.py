"""Why a record of a replay may differ from the live one. What none of these explains is a fault.

=========== =========================================================================================================
reason      the difference may be because
=========== =========================================================================================================
model       another model, or another version of it, gave the scores; only what depends on scores differs
warm-up     the record lies in the first window after the earliest input: the live flow had seen what came before
history     an indicator without an end of memory (such as an exponential mean) began later, for the same cause
later       the live record was stored after the replay was planned: its input is behind the replay's end
code        other code made it
=========== =========================================================================================================
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from infra.clock import to_datetime
from infra.grid import DAY
from infra.replays import Plan

from .difference import Difference
from .tables import Compared

UNEXPLAINED = "unexplained"
_WINDOW_BARS = 390
_WINDOW_DAYS = 60
_MODELS = ("model", "model_version")


@dataclass(frozen=True, slots=True)
class Builds:
    """Which code made live facts from when on, ascending."""

    since: Sequence[datetime]
    code: Sequence[str]

    def at(self, moment: datetime) -> str | None:
        """The code at a moment; None where nobody noted it."""
        found = bisect_right(self.since, moment)
        return self.code[found - 1] if found else None

    def between(self, first: datetime, last: datetime) -> set[str]:
        """The codes from a moment to another, as far as somebody noted them."""
        later = self.code[bisect_right(self.since, first) : bisect_right(self.since, last)]
        return {code for code in (self.at(first), *later) if code is not None}


@dataclass(frozen=True, slots=True)
class Reasons:
    """What is known of both versions.

    Attributes:
        plan: of the replay.
        builds: code of the live flow.
        known_after: event time after which the replay knew everything that the live flow knew; None = always.
        other_model: whether scores of the two came from different models.
        stored: when the first and the last live record of the replay's time was stored; None = there is none.
    """

    plan: Plan
    builds: Builds
    known_after: int | None
    other_model: bool
    stored: tuple[datetime, datetime] | None

    def of(self, table: Compared, found: Difference) -> str:
        """The reason of a difference; :data:`UNEXPLAINED` where there is none."""
        if self._by_model(table, found):
            return "model"
        if self._warming_up(found):
            return "warm-up"
        if self.known_after is not None and found.fields and set(found.fields) <= table.endless:
            return "history"
        if self._came_later(found):
            return "later"
        return "code" if self._by_code(found) else UNEXPLAINED

    def _by_model(self, table: Compared, found: Difference) -> bool:
        if not found.fields or not set(found.fields) <= table.scored:
            return False
        if table.name == "correlation":
            return self.other_model and found.key["pair"] == "MOOD_RETURN"
        assert found.live is not None and found.replay is not None  # noqa: PT018, S101  # fields differ
        return any(found.live[name] != found.replay[name] for name in _MODELS)

    def _warming_up(self, found: Difference) -> bool:
        time = _time(found)
        if self.known_after is None or time is None:
            return False
        interval = found.key.get("interval", 0)
        window = interval * (_WINDOW_DAYS if interval == DAY else _WINDOW_BARS)
        return bool(time <= to_datetime(self.known_after) + timedelta(seconds=window))

    def _came_later(self, found: Difference) -> bool:
        if found.live is None or found.live["stored_at"] < to_datetime(self.plan.planned_at):
            return False
        return found.replay is None or found.live.get("revision", 0) > found.replay.get("revision", 0)

    def _by_code(self, found: Difference) -> bool:
        if found.live is None:
            return self._made_by_others()
        return self.builds.at(found.live["stored_at"]) not in (None, self.plan.code)

    def _made_by_others(self) -> bool:
        """Whether other code made live records of that time; of one that is missing nobody knows when it would have."""
        if self.stored is None:
            return False
        first, last = self.stored
        return not self.builds.between(first, min(last, to_datetime(self.plan.planned_at))) <= {self.plan.code}


def _time(found: Difference) -> datetime | None:
    side: dict[str, Any] = found.live or found.replay or {}
    time: datetime | None = found.key.get("event_time", side.get("event_time"))
    return time
