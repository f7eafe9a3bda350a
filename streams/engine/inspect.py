"""What a stage keeps of one symbol, as its committed snapshots tell it."""

from collections.abc import Mapping
from typing import Any

from schemas.topics import PARTITIONS, partition_of
from streams.stage import Stage

from .core import PartitionCore
from .restore import Restorer


def kept_of(bootstrap: str, stage: Stage, symbol: str) -> list[dict[str, Any]]:
    """The symbol's state in each partition that keeps any, read from the stage's state topic.

    Raises:
        ServiceUnavailable: the broker does not answer.
        FatalError: the snapshots cannot be read by this version.
    """
    # A stage that broadcasts its clocks is keyed otherwise than by symbol.
    partitions = range(PARTITIONS) if stage.broadcast else (partition_of(symbol),)
    saved = Restorer(bootstrap, stage, lambda: None).saved(partitions)
    described = [_described(stage, partition, saved[partition], symbol) for partition in partitions]
    return [each for each in described if each["state"]]


def _described(stage: Stage, partition: int, entries: Mapping[str, bytes], symbol: str) -> dict[str, Any]:
    core = PartitionCore(stage, partition, now=lambda: 0)
    core.load(entries)
    return core.describe(symbol)
