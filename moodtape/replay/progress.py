"""How far a replay is, and how far behind the live flow is meanwhile."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from infra.endpoints import Endpoints
from infra.offsets import GroupOffsets, log_ends
from infra.replays import Plan
from schemas.replays import DERIVED, LIVE, Replay, replayed
from schemas.topics import BARS, MENTIONS, QUOTES, RAW_POSTS, RAW_QUOTES, RAW_TOPICS, SENTIMENT, dead_letter_topic

from ..pipeline import GROUPS, TABLE_TOPICS, stored_offsets
from .loading import copies_of
from .planning import require_offsets

Place = tuple[str, int]
Offsets = Mapping[Place, int]
INPUTS = {
    "quotes": (RAW_QUOTES,),
    "bars": (QUOTES,),
    "posts": (RAW_POSTS,),
    "moods": (MENTIONS,),
    "correlations": (BARS, SENTIMENT),
}
STORED = "stored"


@dataclass(frozen=True, slots=True)
class Step:
    """One stage, or the storing: offsets passed of those that are there so far."""

    name: str
    done: int
    total: int

    @property
    def finished(self) -> bool:
        """Nothing is left for it now."""
        return self.done >= self.total


@dataclass(slots=True)
class LiveLag:
    """Offsets that the live groups and the live sink of the database had still to pass, over time."""

    before: int | None = None
    greatest: int = 0
    now: int = 0

    def see(self, lag: int) -> None:
        """Take one more measurement."""
        if self.before is None:
            self.before = lag
        self.greatest, self.now = max(self.greatest, lag), lag


class Watch:
    """Measures a replay and the live flow; keeps its connections between two measurements."""

    def __init__(self, endpoints: Endpoints, plan: Plan) -> None:
        self._endpoints, self._plan = endpoints, plan
        self._replay = plan.replay()
        self._groups = {
            name: GroupOffsets(endpoints.kafka, f"moodtape.{name}.{plan.id}", map(self._replay.source, topics))
            for name, topics in INPUTS.items()
            if name in stages_of(plan)
        }
        self._live = [GroupOffsets(endpoints.kafka, group, topics) for group, topics in GROUPS.items()]
        self.lag = LiveLag()

    def look(self) -> tuple[list[Step], int]:
        """Every step, and the lag of the live flow.

        Raises:
            ServiceUnavailable: a server is away.
            UserError: the live topics have lost what the replay has still to read.
        """
        if self._replay.ends:
            require_offsets(self._endpoints.kafka, self._plan, self._stands())
        return self.steps(), self.live_lag()

    def steps(self) -> list[Step]:
        """Every step as it stands. When all are finished at once, the replay is complete.

        Offsets are asked for before the ends of the logs: what a stage that is through has written is then there.
        """
        committed = {name: group.read() for name, group in self._groups.items()}
        stored = stored_offsets(self._endpoints.database, self._plan.id)
        read = copies_of(self._plan.id) if self._plan.archives else ()
        ends = {**log_ends(self._endpoints.kafka, [*replay_topics(self._replay), *read]), **self._replay.ends}
        steps = [self._step(name, found, ends, INPUTS[name]) for name, found in committed.items()]
        return [*steps, _step(STORED, stored, {p: ends[p] for p in ends if p[0] in _stored_topics(self._plan.id)}, {})]

    def _step(self, name: str, committed: Offsets, ends: Offsets, inputs: Iterable[str]) -> Step:
        sources = set(map(self._replay.source, inputs))
        begins = self._plan.begins if self._replay.ends else {}
        return _step(name, committed, {place: end for place, end in ends.items() if place[0] in sources}, begins)

    def _stands(self) -> dict[Place, int]:
        """Where the replay stands in the live topics that it reads."""
        found: dict[Place, int] = {}
        for group in self._groups.values():
            found |= group.read()
        return {place: found.get(place, begin) for place, begin in self._plan.begins.items()}

    def live_lag(self) -> int:
        """Offsets that the live flow has not passed yet."""
        stands = [group.read() for group in self._live]
        stored = stored_offsets(self._endpoints.database, LIVE)
        sunk = [*TABLE_TOPICS, *map(dead_letter_topic, (*RAW_TOPICS, *TABLE_TOPICS))]
        ends = log_ends(self._endpoints.kafka, dict.fromkeys([*RAW_TOPICS, *TABLE_TOPICS, *sunk]))
        lag = 0
        for topics, found in zip(GROUPS.values(), stands, strict=True):
            lag += sum(max(0, end - found.get(place, 0)) for place, end in ends.items() if place[0] in topics)
        lag += sum(max(0, end - stored.get(place, 0)) for place, end in ends.items() if place[0] in sunk)
        self.lag.see(lag)
        return lag

    def close(self) -> None:
        """Give the connections back."""
        for group in (*self._groups.values(), *self._live):
            group.close()


def stages_of(plan: Plan) -> tuple[str, ...]:
    """The stages that a replay runs, in the order of the flow."""
    return ("moods", "correlations") if plan.reaggregated else tuple(INPUTS)


def replay_topics(replay: Replay) -> list[str]:
    """The topics that there are of a replay under its own name, in the order of the flow."""
    return [*(replayed(name, replay.id) for name in DERIVED), *map(dead_letter_topic, _letters(replay.id))]


def _letters(replay: str) -> list[str]:
    return [replayed(name, replay) for name in (*RAW_TOPICS, *DERIVED)]


def _stored_topics(replay: str) -> set[str]:
    return {*(replayed(name, replay) for name in DERIVED), *map(dead_letter_topic, _letters(replay))}


def _step(name: str, stands: Offsets, ends: Offsets, begins: Offsets) -> Step:
    done = total = 0
    for place, end in ends.items():
        begin = begins.get(place, 0)
        total += end - begin
        done += max(0, min(stands.get(place, begin), end) - begin)
    return Step(name, done, total)
