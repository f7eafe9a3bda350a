"""Replays: the raw topics once more through the present code, beside the live flow, under names of their own.

A replay ``ID`` writes to topics ``<topic>.<ID>`` and to rows with ``replay = ID``. It folds from the earliest
input there is, but only records with an event time in [start, end) are its facts. What a later stage needs of the
time before and after travels as *warm-up*: the record's bytes in a header, no value, so that no reader takes it
for a fact.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from .clocks import Headers
from .topics import BARS, CORRELATIONS, MENTIONS, POSTS, QUOTES, SENTIMENT

LIVE = "live"
REPLAY_ID = re.compile(r"(?!(?:live|dlq|state)$)[a-z0-9-]{1,32}")
WARM_UP_HEADER = "moodtape-warm-up"
DERIVED = (QUOTES, BARS, POSTS, MENTIONS, SENTIMENT, CORRELATIONS)
"""Topics whose facts a replay makes anew; the others are what the world said, and there is one of them."""
FOLDED = frozenset({QUOTES, BARS, MENTIONS, SENTIMENT})
"""Derived topics that a later stage folds: only they carry warm-up."""
AGGREGATED = (BARS, MENTIONS)
"""What a replay folds whose raw facts are gone: bars as they are, and mentions as they were scored."""
_DLQ = ".dlq"


def replayed(topic: str, replay: str) -> str:
    """Name of a topic, of dead letters too, in a replay; ``live`` is the topic itself."""
    if replay == LIVE:
        return topic
    base = topic.removesuffix(_DLQ)
    return f"{base}.{replay}{topic[len(base) :]}"


def warm_up(value: bytes) -> Headers:
    """Headers of a record that is outside of a replay's time; its value is null."""
    return [(WARM_UP_HEADER, value)]


def warm_up_of(headers: Sequence[tuple[str, bytes]] | None) -> bytes | None:
    """The bytes that a warm-up record carries; None for any other record."""
    return next((value for name, value in headers or () if name == WARM_UP_HEADER), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """What a stage must know of the replay that it works for.

    Attributes:
        start: first event time of its facts, microseconds UTC, inclusive.
        end: exclusive.
        symbols: only facts about these; empty = all.
        ends: (topic, partition) -> offset at which a live topic ends for this replay. A topic named here is read
            itself, any other under its name in the replay.
    """

    id: str
    start: int
    end: int
    symbols: tuple[str, ...] = ()
    ends: Mapping[tuple[str, int], int] = field(default_factory=dict)

    def topic(self, name: str) -> str:
        """Where the replay writes what goes to ``name`` in the live flow."""
        return replayed(name, self.id)

    def source(self, name: str) -> str:
        """Where the replay reads what comes from ``name`` in the live flow."""
        return name if any(topic == name for topic, _ in self.ends) else replayed(name, self.id)

    def holds(self, event_time: int) -> bool:
        """Whether a record of that time is a fact of the replay."""
        return self.start <= event_time < self.end
