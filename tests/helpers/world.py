"""Logs in memory and what the stages make of them: for tests of what reads topics, such as verify and replays.

It runs the real :class:`streams.engine.core.PartitionCore` and the real folds; the logs are lists, to which a worker
appends all of a moment or nothing. Whether the engine itself keeps its promises is for ``tests/simulation`` to tell.
"""

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from schemas.clocks import Headers
from schemas.topics import partition_of
from streams.engine import core as core_module
from streams.engine.core import Entry, Output, PartitionCore
from streams.stage import Stage

PARTITIONS = 2


@dataclass
class World:
    """What survives a crash."""

    logs: dict[tuple[str, int], list[Entry]] = field(default_factory=lambda: defaultdict(list))
    offsets: dict[tuple[str, str, int], int] = field(default_factory=lambda: defaultdict(int))
    state: dict[tuple[str, int], dict[str, bytes]] = field(default_factory=lambda: defaultdict(dict))
    clock_ms: int = 0

    def append(self, topic: str, partition: int, key: bytes | None, value: bytes | None, headers: Headers) -> None:
        """Put a record at the end of a log."""
        log = self.logs[topic, partition]
        self.clock_ms += 1
        log.append(Entry(topic, len(log), self.clock_ms, key, value, headers))

    def produce(self, output: Output) -> None:
        """Append an output where it belongs."""
        partition = output.partition
        if partition is None:
            partition = partition_of((output.key or b"").decode(), PARTITIONS)
        if partition < PARTITIONS:
            self.append(output.topic, partition, output.key, output.value, output.headers)

    def facts(self, topic: str) -> list[list[tuple[bytes | None, bytes | None]]]:
        """Keys and values of the facts of a topic, by partition, in order."""
        return [[(e.key, e.value) for e in self.logs[topic, p] if e.value is not None] for p in range(PARTITIONS)]

    def everything(self, topic: str) -> list[list[tuple[object, ...]]]:
        """Facts and clocks of a topic, by partition, in order."""
        return [[(e.key, e.value, tuple(e.headers)) for e in self.logs[topic, p]] for p in range(PARTITIONS)]


@dataclass
class Done:
    """A finished chunk that is not committed yet."""

    topic: str
    partition: int
    end: int
    outputs: Sequence[Output]
    state: list[tuple[str, bytes | None]]


@contextmanager
def _few_partitions() -> Iterator[None]:
    """Stages write their clocks to as many partitions as these logs have."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(core_module, "PARTITIONS", PARTITIONS)
        yield


class Worker:
    """One worker of a stage that holds every partition."""

    def __init__(self, world: World, stage: Stage, rng: random.Random, most: int) -> None:
        self.world = world
        self.stage = stage
        self.rng = rng
        self.most = most
        self.cores: dict[int, PartitionCore] = {}
        self.read: dict[tuple[str, int], int] = {}
        self.done: list[Done] = []
        self.restore()

    @_few_partitions()
    def restore(self) -> None:
        """Start from what was committed, as the engine does: snapshot, then the inputs behind it, silently."""
        self.done = []
        for partition in range(PARTITIONS):
            core = PartitionCore(self.stage, partition, now=lambda: 0)
            state = self.world.state[self.stage.name, partition]
            core.load(state)
            for topic in self.rng.sample(self.stage.inputs, len(self.stage.inputs)):
                committed = self.world.offsets[self.stage.name, topic, partition]
                silent = self.world.logs[topic, partition][core.offsets.get(topic, 0) : committed]
                core.run(silent, core.decode(silent), {})
                core.offsets[topic] = committed
                self.read[topic, partition] = committed
            self.cores[partition] = core

    def waiting(self) -> list[tuple[str, int]]:
        """Topics and partitions with something left to read."""
        return [key for key, read in self.read.items() if read < len(self.world.logs[key])]

    @_few_partitions()
    def work(self) -> bool:
        """Read and fold one chunk; False when there is nothing to read."""
        waiting = self.waiting()
        if not waiting:
            return False
        topic, partition = self.rng.choice(waiting)
        start = self.read[topic, partition]
        chunk = self.world.logs[topic, partition][start : start + self.rng.randint(1, self.most)]
        core, end = self.cores[partition], chunk[-1].offset + 1
        outputs = core.run(chunk, core.decode(chunk), {})
        core.offsets[topic] = self.read[topic, partition] = end
        self.done.append(Done(topic, partition, end, outputs, core.state(due=self.rng.random() < 0.3)))
        return True

    def commit(self) -> None:
        """One transaction: outputs, state, offsets; all or nothing."""
        for item in self.done:
            for output in item.outputs:
                self.world.produce(output)
            self.world.offsets[self.stage.name, item.topic, item.partition] = item.end
            kept = self.world.state[self.stage.name, item.partition]
            for key, value in item.state:
                if value is None:
                    kept.pop(key, None)
                else:
                    kept[key] = value
        self.done = []


def run_history(world: World, stages: Sequence[Stage], seed: int, *, crashes: float, most: int) -> None:
    """Let workers of all stages take turns in a seeded order, dying now and then, until all has drained."""
    rng = random.Random(seed)
    workers = [Worker(world, stage, rng, most) for stage in stages]
    while any(one.done or one.waiting() for one in workers):
        one = rng.choice(workers)
        one.work()
        if rng.random() < crashes:
            one.restore()
        if rng.random() < 0.5:
            one.commit()


def run_plainly(world: World, stages: Sequence[Stage]) -> None:
    """The reference: stage after stage, record by record, nothing dies."""
    rng = random.Random(0)
    for stage in stages:
        one = Worker(world, stage, rng, most=1)
        while one.work():
            one.commit()
