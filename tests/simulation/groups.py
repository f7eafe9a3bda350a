"""A consumer group of the classic protocol: eager rebalances, ``range``, static names."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from confluent_kafka import KafkaError, KafkaException


class GroupMetadata(NamedTuple):
    """What a member shows when it commits."""

    group: str
    generation: int
    member: int
    instance: str | None


@dataclass(eq=False)
class Member:
    """``owner`` is the consumer's process; ``joined``: it gave up what it had and waits for the new generation."""

    number: int
    instance: str | None
    topics: tuple[str, ...]
    owner: Any
    joined: bool


class Group:
    """Members, their generation, what each was given, and how far the group is in each partition."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.members: dict[int, Member] = {}
        self.generation = 0
        self.rebalancing = False
        self.assignment: dict[int, list[tuple[str, int]]] = {}
        self.offsets: dict[tuple[str, int], int] = {}
        self.pending: list[tuple[Any, dict[tuple[str, int], int]]] = []
        self._numbers = 0

    def join(self, topics: tuple[str, ...], instance: str | None, owner: Any, partitions: int) -> int:
        """A new member; one that comes back under its static name takes its old place without a rebalance."""
        self._numbers += 1
        number = self._numbers
        known = next((m for m in self.members.values() if instance is not None and m.instance == instance), None)
        if known is not None:
            del self.members[known.number]
            self.assignment[number] = self.assignment.pop(known.number, [])
        self.rebalancing |= known is None
        self.members[number] = Member(number, instance, topics, owner, joined=self.rebalancing)
        self.settle(partitions)
        return number

    def rejoin(self, number: int, partitions: int) -> None:
        """A member gave up its partitions and waits for the next generation."""
        if number in self.members:
            self.members[number].joined = True
            self.settle(partitions)

    def leave(self, number: int, partitions: int) -> None:
        """A member is gone, or the coordinator thinks so."""
        if self.members.pop(number, None) is not None:
            self.assignment.pop(number, None)
            self.rebalancing = True
            self.settle(partitions)

    def settle(self, partitions: int) -> None:
        """Begin the next generation once every member waits for it."""
        if not self.rebalancing or not all(member.joined for member in self.members.values()):
            return
        self.rebalancing = False
        self.generation += 1
        for member in self.members.values():
            member.joined = False
        order = sorted(self.members.values(), key=lambda m: (m.instance or "", m.number))
        self.assignment = {member.number: [] for member in order}
        for topic in sorted({topic for member in order for topic in member.topics}):
            for place, share in zip(order, _shares(partitions, len(order)), strict=True):
                self.assignment[place.number] += [(topic, number) for number in share]

    def replaced(self, number: int, instance: str | None) -> bool:
        """Whether another member has this one's static name."""
        return (
            instance is not None
            and number not in self.members
            and any(member.instance == instance for member in self.members.values())
        )

    def check(self, metadata: GroupMetadata) -> None:
        """Whether a member may commit.

        Raises:
            KafkaException: abortable; it may not.
        """
        code = None
        if self.replaced(metadata.member, metadata.instance):
            code = KafkaError.FENCED_INSTANCE_ID
        elif metadata.member not in self.members:
            code = KafkaError.UNKNOWN_MEMBER_ID
        elif metadata.generation != self.generation:
            code = KafkaError.ILLEGAL_GENERATION
        if code is not None:
            raise KafkaException(KafkaError(code, "not this generation's member", False, False, True))


def _shares(partitions: int, members: int) -> list[range]:
    each, more = divmod(partitions, members)
    starts = [number * each + min(number, more) for number in range(members + 1)]
    return [range(starts[number], starts[number + 1]) for number in range(members)]
