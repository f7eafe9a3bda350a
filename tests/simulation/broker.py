"""A broker in memory: logs whose transactions leave markers, and producers whose epochs fence.

What it holds to, each checked against the real broker by ``tests/integration/test_simulated_kafka.py``: a
transaction is decided at once, but its markers reach the logs and the groups one by one, later; readers stop at the
first record of a transaction whose marker is missing; offsets sent in it hold back whoever asks for the group's.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple

from confluent_kafka import KafkaError, KafkaException

from schemas.clocks import Headers
from schemas.topics import partition_of
from streams.stage import Stage

from .groups import Group, GroupMetadata

Place = tuple[str, int]
Folded = tuple[Stage, int, str, int]
"""A chunk: by which stage, of which partition and topic, up to which offset."""
PARTITIONS = 2


class Slot(NamedTuple):
    """One offset of a log; a marker has no transaction of its own and no reader sees it."""

    key: bytes | None
    value: bytes | None
    headers: Headers
    append_ms: int
    transaction: "Transaction | None" = None
    hidden: bool = False


@dataclass(eq=False)
class Transaction:
    """``first``: where it begins in the logs that lack its marker; ``offsets``: of groups that lack it.

    ``folded``: what a worker says that it holds.
    """

    first: dict[Place, int] = field(default_factory=dict)
    offsets: dict[str, dict[Place, int]] = field(default_factory=dict)
    state: str = "open"
    folded: Sequence[Folded] = ()


@dataclass
class ProducerState:
    """The newest holder of a transactional id."""

    epoch: int = -1
    transaction: Transaction | None = None


class Broker:
    """All logs, groups and producers.

    ``fences`` False lets processes commit that lost their place in the group; ``holds_back`` False tells a group's
    offsets while open transactions hold newer ones. ``folded``: the chunks of all committed transactions, in order.
    """

    def __init__(self) -> None:
        self.logs: dict[Place, list[Slot]] = defaultdict(list)
        self.groups: dict[str, Group] = {}
        self.producers: dict[str, ProducerState] = defaultdict(ProducerState)
        self.undecided: list[Transaction] = []
        self.decided: list[Transaction] = []
        self.folded: list[Folded] = []
        self.time_ms = 0
        self.fences = True
        self.holds_back = True

    def group(self, name: str) -> Group:
        """A group, made when first asked for."""
        return self.groups.setdefault(name, Group(name))

    def append(self, place: Place, slot: Slot) -> None:
        """Put a record at the end of a log."""
        self.logs[place].append(slot)

    def stable_end(self, place: Place) -> int:
        """Where a ``read_committed`` reader must stop."""
        if not self.undecided and not self.decided:
            return len(self.logs[place])
        unfinished = [t.first[place] for t in (*self.undecided, *self.decided) if place in t.first]
        return min(unfinished, default=len(self.logs[place]))

    def visible(self, place: Place, start: int, end: int | None = None) -> Iterator[tuple[int, Slot]]:
        """Committed records with their offsets, from ``start`` to the stable end or an earlier ``end``."""
        log = self.logs[place]
        for offset in range(start, self.stable_end(place) if end is None else end):
            slot = log[offset]
            if not slot.hidden and (slot.transaction is None or slot.transaction.state == "committed"):
                yield offset, slot

    def init(self, name: str) -> int | None:
        """Take over a transactional id; None while its last transaction is being ended: ask again."""
        holder = self.producers[name]
        self.time_out(name)
        if self._unfinished(holder):
            return None
        holder.epoch += 1
        holder.transaction = None
        return holder.epoch

    def time_out(self, name: str) -> None:
        """Fence the producer that has an open transaction, and abort that."""
        holder = self.producers[name]
        if holder.transaction is not None and holder.transaction.state == "open":
            holder.epoch += 1
            self.end(holder.transaction, "aborted")

    def _unfinished(self, holder: ProducerState) -> bool:
        return holder.transaction is not None and holder.transaction in self.decided

    def check_epoch(self, name: str, epoch: int) -> None:
        """Refuse a producer that another has replaced.

        Raises:
            KafkaException: fatal, as librdkafka says it.
        """
        if self.producers[name].epoch != epoch:
            raise KafkaException(KafkaError(KafkaError._FENCED, "fenced by a newer producer", True))

    def begin(self, name: str, epoch: int) -> Transaction | None:
        """Begin a transaction; None while the last one is being ended."""
        self.check_epoch(name, epoch)
        holder = self.producers[name]
        if self._unfinished(holder):
            return None
        holder.transaction = Transaction()
        self.undecided.append(holder.transaction)
        return holder.transaction

    def write(
        self, transaction: Transaction, place: Place, key: bytes | None, value: bytes | None, headers: Headers
    ) -> None:
        """Append a record of a transaction."""
        transaction.first.setdefault(place, len(self.logs[place]))
        self.append(place, Slot(key, value, headers, self.time_ms, transaction))

    def send_offsets(self, transaction: Transaction, offsets: dict[Place, int], metadata: GroupMetadata) -> None:
        """Add a group's offsets to a transaction.

        Raises:
            KafkaException: the sender is not, or no longer, the member that it says.
        """
        group = self.group(metadata.group)
        if self.fences:
            group.check(metadata)
        transaction.offsets.setdefault(metadata.group, {}).update(offsets)
        group.pending.append((transaction, offsets))

    def end(self, transaction: Transaction, state: str) -> None:
        """Decide a transaction; its markers are yet to be written."""
        transaction.state = state
        self.folded += transaction.folded if state == "committed" else ()
        self.undecided.remove(transaction)
        self.decided.append(transaction)
        if not transaction.first and not transaction.offsets:
            self.decided.remove(transaction)

    def write_marker(self, chance: Random) -> bool:
        """Write one marker of a decided transaction, they come in no order; False when none is missing."""
        if not self.decided:
            return False
        transaction = chance.choice(self.decided)
        target = chance.choice([*transaction.first, *transaction.offsets])
        if isinstance(target, str):
            self._mark_group(self.group(target), transaction)
        else:
            del transaction.first[target]
            self.append(target, Slot(None, None, [], self.time_ms, hidden=True))
        if not transaction.first and not transaction.offsets:
            self.decided.remove(transaction)
        return True

    @staticmethod
    def _mark_group(group: Group, transaction: Transaction) -> None:
        offsets = transaction.offsets.pop(group.name)
        if transaction.state == "committed":
            group.offsets.update(offsets)
        group.pending = [entry for entry in group.pending if entry[0] is not transaction]

    def compact(self, place: Place) -> None:
        """Remove what a newer record of the same key replaces, below the stable end."""
        log, newest = self.logs[place], {}
        for offset, slot in self.visible(place, 0):
            newest[slot.key] = offset
        for offset, slot in list(self.visible(place, 0)):
            if newest[slot.key] != offset:
                log[offset] = slot._replace(hidden=True)


def place_of(topic: str, key: bytes | None) -> Place:
    """Where a record without a partition goes."""
    return topic, partition_of((key or b"").decode(), PARTITIONS)
