"""What the committed chunks must have come to: their own records through cores that never stop, in the committed order.

For a stage that reads two inputs the order in which it took their chunks is part of what it made of them, where origins
end or go idle and come back. So a plain run, which takes one input after the other, may differ; this may not.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from typing import Any

from streams.engine.core import Entry, Output, PartitionCore
from streams.stage import Stage

from .broker import Broker, Place, place_of
from .flows import answer

Written = Counter[tuple[Any, ...]]


def retraced(broker: Broker, given: Collection[str]) -> list[str]:
    """Outputs that the logs lack or have too often, as sentences; ``given`` topics are nobody's outputs."""
    if not broker.folded:
        return []
    wanted: dict[Place, Written] = defaultdict(Counter)
    cores: dict[tuple[str, int], _Core] = {}
    for stage, partition, topic, end in broker.folded:
        core = cores.setdefault((stage.name, partition), _Core(broker, partition))
        for out in core.fold(stage, topic, end):
            place = place_of(out.topic, out.key) if out.partition is None else (out.topic, out.partition)
            wanted[place][_told(out)] += 1
    derived = [place for place in broker.logs if place[0] not in given and not place[0].endswith(".state.v1")]
    return [
        sentence
        for place in sorted(derived)
        for sentence in _differences(place, wanted[place], Counter(_told(slot) for _, slot in broker.visible(place, 0)))
    ]


class _Core:
    """A partition of a stage, which takes its state along when the stage's code is mended."""

    def __init__(self, broker: Broker, partition: int) -> None:
        self._broker = broker
        self._partition = partition
        self._stage: Stage | None = None
        self._saved: dict[str, bytes] = {}
        self._core: PartitionCore
        self._read: dict[str, int] = {}

    def fold(self, stage: Stage, topic: str, end: int) -> list[Output]:
        """What a chunk gives that ends at an offset."""
        if stage is not self._stage:
            self._change(stage)
        place, start = (topic, self._partition), self._read.get(topic, 0)
        entries = [
            Entry(topic, offset, slot.append_ms, slot.key, slot.value, slot.headers)
            for offset, slot in self._broker.visible(place, start, max(start, end))
        ]
        self._read[topic] = max(start, end)
        decoded = self._core.decode(entries)
        return self._core.run(entries, decoded, answer(self._core.questions(decoded)) if stage.ask else {})

    def _change(self, stage: Stage) -> None:
        if self._stage is not None:
            changed = dict(self._core.dump())
            self._saved |= {key: value for key, value in changed.items() if value is not None}
            for key in [key for key, value in changed.items() if value is None]:
                self._saved.pop(key, None)
        self._stage, self._core = stage, PartitionCore(stage, self._partition, now=lambda: 0)
        self._core.load(self._saved)


def _told(record: Any) -> tuple[Any, ...]:
    return record.key, record.value, tuple(record.headers or ())


def _differences(place: Place, wanted: Written, found: Written) -> Iterator[str]:
    for what, some in (("lacks", wanted - found), ("has too often", found - wanted)):
        for told, count in list(some.items())[:2]:
            yield f"{place[0]}/{place[1]} {what} {count} x {told}"
