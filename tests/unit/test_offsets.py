"""Reading logs up to offsets, by a consumer that answers from memory."""

from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import TopicPartition

from infra.errors import ServiceUnavailable
from infra.offsets import SILENCE_SECONDS, read_on

PLACE = ("t", 0)


class Answers:
    """A consumer of one partition: batches of offsets, and where it stands after each. Every look takes a second."""

    def __init__(self, *answers: tuple[list[int], int]) -> None:
        self._answers = list(answers)
        self._position = -1001
        self.seconds = 0.0

    def consume(self, count: int, seconds: float) -> list[Any]:
        """The next batch, then nothing more."""
        self.seconds += 1
        offsets, self._position = self._answers.pop(0) if self._answers else ([], self._position)
        return [
            SimpleNamespace(error=lambda: None, offset=lambda at=at: at, topic=lambda: "t", partition=lambda: 0)
            for at in offsets
        ]

    def position(self, places: list[TopicPartition]) -> list[TopicPartition]:
        """Where it stands."""
        return [TopicPartition(place.topic, place.partition, self._position) for place in places]

    def monotonic(self) -> float:
        """Its seconds."""
        return self.seconds


def read(answers: Answers, end: int) -> list[int]:
    """The offsets that are read."""
    messages = read_on(answers, "kafka:1", {PLACE: end}, monotonic=answers.monotonic)  # type: ignore[arg-type]
    return [message.offset() for message in messages]


def test_a_log_whose_last_offsets_are_markers_is_read_to_its_end() -> None:
    """What no message stands for is passed; what lies behind the end is left out."""
    assert read(Answers(([0, 1], 2), ([], 4)), 4) == [0, 1]
    assert read(Answers(([0, 1, 2], 3)), 2) == [0, 1]


def test_a_broker_that_falls_silent_is_no_log_without_end() -> None:
    """After a minute in which nothing comes it is said which partition could not be read, and up to where."""
    answers = Answers(([0], 1))
    with pytest.raises(ServiceUnavailable, match=r"t/0 cannot be read up to offset 9.*kafka:1 is gone"):
        read(answers, 9)
    assert SILENCE_SECONDS < answers.seconds < SILENCE_SECONDS + 5
