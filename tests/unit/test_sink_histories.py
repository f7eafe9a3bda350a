"""The sink's protocol as a property: whatever happens between any two steps, every fact is stored once."""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from infra.errors import TransientError
from schemas.topics import QUOTES
from sinks.ledger import Bounds, Part
from sinks.log import Chunk
from sinks.loop import SinkLoop

PARTS = [Part(QUOTES, 0), Part(QUOTES, 1)]


class Crash(Exception):
    """The process is gone."""


@dataclass(frozen=True)
class Fact:
    """A message of the log in memory."""

    place: tuple[Part, int]

    def topic(self) -> str:
        return QUOTES


@dataclass
class World:
    """What survives a crash: logs (False is a clock or a marker), the ledger and the rows."""

    logs: dict[Part, list[bool]] = field(default_factory=lambda: {part: [] for part in PARTS})
    ledger: dict[Part, int] = field(default_factory=dict)
    stored: list[tuple[Part, int]] = field(default_factory=list)

    def facts(self) -> list[tuple[Part, int]]:
        return [(part, offset) for part, log in self.logs.items() for offset, fact in enumerate(log) if fact]


class MemoryLog:
    """Partitions of one process, with no idea of what other processes do."""

    def __init__(self, world: World, most: int) -> None:
        self.world, self.most, self.moved = world, most, False
        self.assigned: list[Part] = []
        self.next: dict[Part, int] = {}

    def assign(self, parts: list[Part]) -> None:
        self.assigned, self.next, self.moved = parts, {}, True

    def idle(self, seconds: float) -> None:
        pass

    def hold(self) -> None:
        pass

    def bounds(self) -> dict[Part, Bounds]:
        return {part: Bounds(0, len(self.world.logs[part]), None) for part in self.assigned}

    def seek(self, offsets: dict[Part, int]) -> None:
        self.next, self.moved = dict(offsets), False

    def read(self, seconds: float) -> Chunk | None:
        ends = {part: min(at + self.most, len(self.world.logs[part])) for part, at in self.next.items()}
        ends = {part: end for part, end in ends.items() if end > self.next[part]}
        places = [(part, at) for part, end in ends.items() for at in range(self.next[part], end)]
        facts = [Fact((part, at)) for part, at in places if self.world.logs[part][at]]
        return Chunk(facts, {part: self.next[part] for part in ends}, ends) if ends else None

    def done(self, chunk: Chunk) -> None:
        self.next.update(chunk.ends)

    def behind(self) -> dict[Part, int]:
        return {}

    def lags(self) -> dict[Part, int]:
        return {}


class MemoryStore:
    """A database in memory; ``fate`` says what becomes of each call, ``meanwhile`` what others do before it."""

    name = "memory"

    def __init__(self, world: World, fate: Callable[[], str], meanwhile: Callable[[], None]) -> None:
        self.world, self.fate, self.meanwhile = world, fate, meanwhile

    def place(self, bounds: dict[Part, Bounds]) -> dict[Part, int]:
        if self.fate() == "away":
            raise TransientError("away")
        return {part: self.world.ledger.setdefault(part, low) for part, (low, _, _) in bounds.items()}

    def write(self, chunk: Chunk) -> bool:
        self.meanwhile()
        fate = self.fate()
        if fate in ("away", "crash before"):
            raise TransientError("away") if fate == "away" else Crash
        if any(self.world.ledger[part] != begin for part, begin in chunk.begins.items()):
            return False
        self.world.ledger.update(chunk.ends)
        self.world.stored += [message.place for message in chunk.messages]
        if fate in ("answer lost", "crash after"):
            raise TransientError("answer lost") if fate == "answer lost" else Crash
        return True


class Process:
    """A sink process; ``crash`` starts it anew with the partitions it had."""

    def __init__(self, world: World, most: int, fate: Callable[[], str], meanwhile: Callable[[], None]) -> None:
        self.log = MemoryLog(world, most)
        self.store = MemoryStore(world, fate, meanwhile)
        self.start()

    def start(self) -> None:
        self.loop = SinkLoop(self.log, self.store, lambda: 0, Random(0))
        self.log.assign(self.log.assigned)

    def step(self) -> None:
        try:
            self.loop.step()
        except Crash:
            self.start()


FATES = st.sampled_from(["fine"] * 6 + ["away", "crash before", "crash after", "answer lost"])
ACTIONS = st.one_of(
    st.tuples(st.just("append"), st.sampled_from(PARTS), st.lists(st.booleans(), max_size=5)),
    st.tuples(st.just("step"), st.integers(0, 1), st.booleans()),
    # A process that is not told of the other's partitions is a zombie for them.
    st.tuples(st.just("assign"), st.integers(0, 1), st.sets(st.sampled_from(PARTS))),
    st.tuples(st.just("crash"), st.integers(0, 1), st.none()),
)


def play(actions: list[tuple[str, object, object]], fates: list[str], most: int) -> World:
    """Run a history, then let one healthy process finish; what is in the world then."""
    world, left = World(), list(fates)
    wake: list[int] = []

    def fate() -> str:
        return left.pop() if left else "fine"

    def meanwhile() -> None:
        # The other process runs between this one's reading and its writing.
        if wake:
            processes[wake.pop()].step()

    processes = [Process(world, most, fate, meanwhile) for _ in range(2)]
    processes[0].log.assign(PARTS)
    for what, which, more in actions:
        if what == "append":
            world.logs[which] += more
        elif what == "assign":
            processes[which].log.assign(sorted(more))
        elif what == "crash":
            processes[which].start()
        else:
            wake[:] = [1 - which] if more else []
            processes[which].step()
    wake.clear()
    finisher = Process(world, most, lambda: "fine", lambda: None)
    finisher.log.assign(PARTS)
    for _ in range(1000):
        if world.ledger == {part: len(log) for part, log in world.logs.items()}:
            break
        finisher.step()
    return world


@settings(max_examples=250, deadline=None)
@given(st.lists(ACTIONS, max_size=40), st.lists(FATES, max_size=40), st.integers(1, 4))
def test_no_history_loses_or_doubles_a_fact(actions, fates, most):
    """Crashes, lost answers, absences, rebalances and zombies at any point: each fact is stored exactly once."""
    with capture_logs():
        world = play(actions, fates, most)
    assert sorted(world.stored) == sorted(world.facts())


def test_what_is_waited_for_is_told():
    """While the store is away the loop says so and waits; when it is back nothing is wrong any more."""
    fates = ["fine", "away", "fine", "away"]
    process = Process(World(), 1, fates.pop, lambda: None)
    process.log.assign(PARTS)
    with capture_logs():
        assert process.loop.step() > 0
        assert process.loop.problem == "away"
        assert process.loop.step() == 0
    assert process.loop.problem is None
    assert process.loop.live() is None


class Careless(MemoryStore):
    """A store without the compare of compare-and-swap."""

    def write(self, chunk: Chunk) -> bool:
        self.world.ledger.update(chunk.begins)
        return super().write(chunk)


def test_the_histories_would_catch_a_missing_compare(monkeypatch):
    """Without the compare a zombie doubles facts: the histories can tell."""
    monkeypatch.setattr(f"{__name__}.MemoryStore", Careless)
    both = [("append", PARTS[0], [True, True]), ("assign", 1, set(PARTS)), ("step", 0, False), ("step", 1, False)]
    world = play([*both, ("step", 0, False), ("step", 1, False)], [], 2)
    assert len(world.stored) == 2 * len(world.facts())
