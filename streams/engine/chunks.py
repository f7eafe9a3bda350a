"""What is handed from the Kafka thread to the agent, and back."""

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from .core import Entry, Output, PartitionCore


@dataclass(slots=True, eq=False)
class Owned:
    """One assignment of one partition number: made when it is assigned, dropped when it is given up.

    Chunks point to it; ``live`` False makes everyone skip what is still under way.
    """

    core: PartitionCore
    committed: dict[str, int]
    read: dict[str, int]
    snapshot_at: float
    live: bool = True
    in_flight: int = 0

    @property
    def partition(self) -> int:
        """Its number."""
        return self.core.partition


@dataclass(slots=True, eq=False)
class Chunk:
    """Records of one topic and partition that were polled together; ``end`` is the position after them."""

    owned: Owned
    topic: str
    end: int
    entries: Sequence[Entry]
    snapshot: bool


@dataclass(slots=True, eq=False)
class Finished:
    """A chunk's outputs, ready for the transaction; the snapshot, if any, stands at the chunk's end."""

    owned: Owned
    topic: str
    end: int
    outputs: Sequence[Output]
    state: Sequence[tuple[str, bytes | None]] = field(default=())


class Handover:
    """Finished chunks on their way back to the Kafka thread, in order; and the agent's failure, if any."""

    def __init__(self) -> None:
        self._finished: deque[Finished] = deque()
        self._arrived = threading.Event()
        self.failure: BaseException | None = None
        self.waiting = False  # the agent waits for a server that is away; no reason to end the process

    def put(self, finished: Finished) -> None:
        """Called by the agent."""
        self._finished.append(finished)
        self._arrived.set()

    def fail(self, error: BaseException) -> None:
        """Called by the agent: it cannot go on."""
        self.failure = error
        self._arrived.set()

    def take(self) -> list[Finished]:
        """Everything finished so far; called by the Kafka thread."""
        self._arrived.clear()
        taken: list[Finished] = []
        while self._finished:
            taken.append(self._finished.popleft())
        return taken

    def wait(self, seconds: float) -> None:
        """Wait until something arrives."""
        self._arrived.wait(seconds)
