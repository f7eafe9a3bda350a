"""The real stages: decode, run and snapshot the cores of both, as a worker does; Kafka is left out."""

from dataclasses import replace
from typing import Any

from infra.grid import Grid
from infra.instruments import InstrumentTable
from infra.settings import Settings
from schemas.topics import PARTITIONS, QUOTES
from streams import topology
from streams.engine.core import Entry, Output, PartitionCore
from streams.quotes import QuotesFold
from streams.stage import Stage

from .meter import Meter
from .plain import Written, known
from .workload import Chunk


def run(chunks: list[Chunk], meter: Meter, snapshot_every: int) -> Written:
    """All chunks through both stages, quotes handed on to bars; a snapshot after so many records of a partition."""
    settings = Settings()
    grid = Grid(settings.day_zone)
    quotes = replace(topology.quotes(settings, InstrumentTable(())), fold=lambda: QuotesFold(known, grid))
    first = _Worker(quotes, meter, snapshot_every)
    second = _Worker(topology.bars(settings), meter, snapshot_every)
    written = Written()
    ends = [0] * PARTITIONS
    for partition, entries in chunks:
        handed = []
        for output in first.work(partition, entries):
            if output.topic != QUOTES:
                written.dead.append((partition, output.key))
                continue
            handed.append(_entry(output, ends[partition], entries[-1].append_ms))
            ends[partition] += 1
            if output.value is not None:
                written.quotes[partition].append((output.key, output.value))
        written.bars.extend(output.value for output in second.work(partition, handed) if output.value is not None)
    return written


def _entry(output: Output, offset: int, append_ms: int) -> Entry:
    return Entry(output.topic, offset, append_ms, output.key, output.value, output.headers)


class _Worker:
    """All partitions of one stage."""

    def __init__(self, stage: Stage, meter: Meter, snapshot_every: int) -> None:
        self._name = stage.name
        self._cores = [PartitionCore(stage, partition, now=lambda: 0) for partition in range(PARTITIONS)]
        self._since = [0] * PARTITIONS
        self._meter = meter
        self._every = snapshot_every

    def work(self, partition: int, entries: list[Entry]) -> Any:
        """The outputs of a chunk."""
        if not entries:
            return []
        core, meter, name = self._cores[partition], self._meter, self._name
        decoded = meter.call(f"{name} decode", core.decode, entries)
        outputs = meter.call(f"{name} run", core.run, entries, decoded, {})
        core.offsets[entries[0].topic] = entries[-1].offset + 1
        self._since[partition] += len(entries)
        if self._since[partition] >= self._every:
            self._since[partition] = 0
            meter.call(f"{name} dump", lambda: list(core.dump()))
        return outputs
