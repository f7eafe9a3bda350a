"""Ways to break the system on purpose: histories that would not notice are worth nothing.

Each is a context in which the world's engine, broker or database does one thing wrongly.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any
from unittest import mock

from sinks import log as sink_log
from streams.engine import core, pump, transactions, watermarks

from .clients import SimProducer
from .database import Database, Session
from .running import Break
from .world import World


@dataclass(frozen=True)
class Mutant:
    """``within``: so many histories of the flow, from seed 0 on, are enough to notice it."""

    name: str
    flow: str
    within: int
    breaking: Break


def _patched(owner: Any, name: str, make: Callable[[Any], Any]) -> Any:
    return mock.patch.object(owner, name, make(getattr(owner, name)))


@contextmanager
def offsets_without_outputs(world: World) -> Iterator[None]:
    """Offsets are committed first, their outputs in a transaction after that."""

    def make(commit: Callable[..., bool]) -> Callable[..., bool]:
        def broken(self: Any, finished: Sequence[Any], *rest: Any) -> bool:
            bare = [replace(item, outputs=(), state=()) for item in finished]
            return commit(self, bare, *rest) and commit(self, finished, *rest)

        return broken

    with _patched(transactions.Transactions, "commit", make):
        yield


@contextmanager
def transactions_not_fenced(world: World) -> Iterator[None]:
    """A worker that lost its partitions may still commit."""
    world.broker.fences = False
    yield


@contextmanager
def ledger_not_fenced(world: World) -> Iterator[None]:
    """A sink moves the ledger wherever it stands."""
    world.database.compares = False
    yield


@contextmanager
def lost_clock(world: World) -> Iterator[None]:
    """Of two clocks in one chunk's outputs the last is not written."""

    def make(run: Callable[..., list[core.Output]]) -> Callable[..., list[core.Output]]:
        def broken(self: Any, *arguments: Any) -> list[core.Output]:
            out = run(self, *arguments)
            clocks = [number for number, output in enumerate(out) if output.value is None]
            return out if len(clocks) < 2 else [o for n, o in enumerate(out) if n != clocks[-1]]

        return broken

    with _patched(core.PartitionCore, "run", make):
        yield


@contextmanager
def stale_snapshot(world: World) -> Iterator[None]:
    """What was snapshot first of a key is restored, not what was last."""
    first: dict[tuple[str, int], dict[str, bytes]] = defaultdict(dict)

    def make(load: Callable[..., None]) -> Callable[..., None]:
        def broken(self: Any, entries: Mapping[str, bytes], *rest: Any) -> None:
            old = first[self._stage.name, self.partition]
            for key, value in entries.items():
                if key.startswith("fold:"):
                    old.setdefault(key, value)
            load(self, {**entries, **old}, *rest)

        return broken

    with _patched(core.PartitionCore, "load", make):
        yield


@contextmanager
def lateness_across_partitions(world: World) -> Iterator[None]:
    """Lateness is judged by the greatest watermark of any partition of the stage."""
    greatest: dict[str, int] = {}

    def make(run: Callable[..., Any]) -> Callable[..., Any]:
        def broken(self: Any, *arguments: Any) -> Any:
            stage, mark = self._stage.name, self._watermark
            if mark.time is not None:
                mark.time = greatest[stage] = max(greatest.get(stage, mark.time), mark.time)
            return run(self, *arguments)

        return broken

    with _patched(core.PartitionCore, "run", make):
        yield


@contextmanager
def closes_too_late(world: World) -> Iterator[None]:
    """The watermark must pass a bucket's end instead of reaching it."""
    with _patched(watermarks.Watermark, "_rise", lambda rise: lambda self, candidate: rise(self, candidate - 1)):
        yield


@contextmanager
def away_left_out(world: World) -> Iterator[None]:
    """A stage goes on without those before it that ended or are idle."""

    def make(rise: Callable[..., Any]) -> Callable[..., Any]:
        def broken(self: Any, times: Any) -> Any:
            return rise(self, [o.time for o in self._origins.values() if o.state == "live"])

        return broken

    with _patched(watermarks.Watermark, "_rise_to", make):
        yield


@contextmanager
def snapshot_beside_the_transaction(world: World) -> Iterator[None]:
    """Snapshots are written at once, whatever becomes of the transaction."""

    def make(produce: Callable[..., None]) -> Callable[..., None]:
        def broken(self: SimProducer, topic: str, value: Any, key: Any, partition: int, headers: Any = None) -> None:
            produce(self, topic, value, key, partition, headers)
            slot = world.broker.logs[topic, partition][-1] if topic.endswith(".state.v1") else None
            if slot is not None and slot.transaction is not None:
                world.broker.logs[topic, partition][-1] = slot._replace(transaction=None)

        return broken

    with _patched(SimProducer, "produce", make):
        yield


@contextmanager
def rows_beside_the_ledger(world: World) -> Iterator[None]:
    """Rows stay when the transaction that moves the ledger is rolled back."""

    def make(end: Callable[..., None]) -> Callable[..., None]:
        def broken(self: Database, session: Session, *, commit: bool = False) -> None:
            self.rows += () if commit else session.rows
            end(self, session, commit=commit)

        return broken

    with _patched(Database, "end", make):
        yield


@contextmanager
def poll_not_read_again(world: World) -> Iterator[None]:
    """What a poll had fetched before a rebalance is taken for what comes next."""
    never = property(lambda self: 0, lambda self, value: None)
    with mock.patch.object(pump.Pump, "_assignments", never, create=True):
        yield


@contextmanager
def stale_positions(world: World) -> Iterator[None]:
    """A position that the client tells of before it went back is taken for one behind markers."""
    never = property(lambda self: set(), lambda self, value: None)
    with mock.patch.object(pump.Pump, "_unsure", never, create=True):
        yield


@contextmanager
def stale_ends(world: World) -> Iterator[None]:
    """The same in a sink."""
    never = property(lambda self: set(), lambda self, value: None)
    with mock.patch.object(sink_log.KafkaLog, "_unsure", never, create=True):
        yield


@contextmanager
def offsets_not_waited_for(world: World) -> Iterator[None]:
    """The group tells its offsets while a transaction holds newer ones."""
    with mock.patch.object(world.broker, "holds_back", False):
        yield


@contextmanager
def snapshots_by_time_alone(world: World) -> Iterator[None]:
    """Snapshots are taken only when they are due: the rest is left to the silent fold of the inputs."""
    by_time = lambda state: lambda self, due: list(self.dump()) if due else []  # noqa: E731
    with _patched(core.PartitionCore, "state", by_time):
        yield


MUTANTS = (
    Mutant("offsets without outputs", "counting", 40, offsets_without_outputs),
    Mutant("transactions not fenced", "counting", 400, transactions_not_fenced),
    Mutant("ledger not fenced", "storing", 700, ledger_not_fenced),
    Mutant("lost clock", "counting", 10, lost_clock),
    Mutant("stale snapshot", "counting", 20, stale_snapshot),
    Mutant("lateness across partitions", "counting", 20, lateness_across_partitions),
    Mutant("closes too late", "prices", 5, closes_too_late),
    Mutant("away left out", "turns", 100, away_left_out),
    Mutant("snapshot beside the transaction", "counting", 120, snapshot_beside_the_transaction),
    Mutant("rows beside the ledger", "storing", 200, rows_beside_the_ledger),
    Mutant("poll not read again", "counting", 400, poll_not_read_again),
    Mutant("stale positions", "counting", 100, stale_positions),
    Mutant("stale ends", "storing", 2500, stale_ends),
    Mutant("offsets not waited for", "counting", 80, offsets_not_waited_for),
    Mutant("interleaving not saved", "joining", 200, snapshots_by_time_alone),
    Mutant("given up, not saved", "mending", 10, snapshots_by_time_alone),
)
