"""Where the live logs end that a replay reads itself; for every other log nothing ends."""

from collections.abc import Mapping, Sequence

from confluent_kafka import Consumer, Message, TopicPartition

Place = tuple[str, int]


class Ends:
    """Offsets at which logs end, fixed when the replay began."""

    def __init__(self, ends: Mapping[Place, int]) -> None:
        self._ends = ends

    def before(self, messages: Sequence[Message], consumer: Consumer) -> Sequence[Message]:
        """The messages before the ends; partitions with messages behind them are paused."""
        if not self._ends:
            return messages
        found, behind = [], set()
        for message in messages:
            place = message.topic(), message.partition()
            if self.cap(place, message.offset() + 1) > message.offset():
                found.append(message)
            else:
                behind.add(place)
        if behind:
            consumer.pause([TopicPartition(*place) for place in behind])
        return found

    def cap(self, place: Place, offset: int) -> int:
        """An offset, or the end of that log where it lies behind."""
        return min(offset, self._ends.get(place, offset))
