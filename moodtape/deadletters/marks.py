"""Marks: which letters were sent back, and where their copies stand; in the compacted topic ``redrive.state.v1``.

A mark is written in the transaction of the copy that it speaks of, so one is there if and only if the other is.
"""

import json
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from infra.offsets import committed_offsets, read_to_end
from schemas.topics import state_topic

from .letters import Buried

TOPIC = state_topic("redrive")


class Mark(NamedTuple):
    """A try that was sent back.

    ``attempts`` is the number of the try that had failed; the copy stands at ``topic``, ``partition`` and
    ``offset`` for ``group`` to read, None where no group has to; ``letters`` is the topic of the letter.
    """

    attempts: int
    topic: str
    partition: int
    offset: int
    group: str | None
    letters: str


def key_of(letter: Buried) -> str:
    """Key of a letter's mark: its partition, then its identity and who gave it up."""
    words = (letter.topic, *letter.identity, letter.group)
    return f"{letter.partition}:{json.dumps(words)}"


def encode(mark: Mark) -> bytes:
    """A mark as JSON."""
    return json.dumps(mark._asdict()).encode()


def read_marks(bootstrap: str) -> dict[str, Mark]:
    """The last mark of each letter that was ever sent back, by :func:`key_of`.

    Raises:
        ServiceUnavailable: Kafka does not answer.
    """
    found: dict[str, Mark] = {}
    for message in read_to_end(bootstrap, [TOPIC]):
        key, value = (message.key() or b"").decode(), message.value()
        if value is None:
            found.pop(key, None)
        else:
            found[key] = Mark(**json.loads(value))
    return found


class Passed:
    """Whether the group that a copy is for has read it."""

    def __init__(self, bootstrap: str, marks: Iterable[Mark]) -> None:
        topics: dict[str, set[str]] = {}
        for mark in marks:
            if mark.group is not None:
                topics.setdefault(mark.group, set()).add(mark.topic)
        self._stands: Mapping[str, Mapping[tuple[str, int], int]] = {
            group: committed_offsets(bootstrap, group, sorted(names)) for group, names in topics.items()
        }

    def has(self, mark: Mark) -> bool:
        """Whether nobody has to read a copy any more."""
        if mark.group is None:
            return True
        return self._stands[mark.group].get((mark.topic, mark.partition), 0) > mark.offset
