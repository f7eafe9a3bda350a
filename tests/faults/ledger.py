"""What the broker acknowledged: the truth that everything behind is held against."""

import threading
from collections import Counter
from dataclasses import dataclass, field

Place = tuple[str, int, int]
Identity = tuple[object, ...]


@dataclass(slots=True)
class Ledger:
    """Records that were acknowledged.

    Attributes:
        facts: how often each fact was acknowledged, by its identity.
        place: where its first copy stands: topic, partition, offset.
        broken: records that can never be a fact, by where they stand, and what is wrong with them.
        unsure: records whose delivery failed in the end; they may be there or not.
    """

    facts: Counter[Identity] = field(default_factory=Counter)
    place: dict[Identity, Place] = field(default_factory=dict)
    broken: dict[Place, str] = field(default_factory=dict)
    unsure: set[Identity] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def fact(self, identity: Identity, place: Place) -> None:
        """A fact, or another copy of it, is in the log."""
        with self._lock:
            self.facts[identity] += 1
            self.place.setdefault(identity, place)

    def by_place(self) -> dict[Place, Identity]:
        """The first copies of all facts, by where they stand."""
        with self._lock:
            return {place: identity for identity, place in self.place.items()}

    def bad(self, kind: str, place: Place) -> None:
        """A broken record is in the log."""
        with self._lock:
            self.broken[place] = kind
