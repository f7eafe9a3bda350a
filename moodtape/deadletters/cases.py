"""How dead letters stand: each identity once for each group that gave it up, by the letter of its last try.

============ ==========================================================================================
state        what it means
============ ==========================================================================================
``waiting``  nobody has sent it back since it failed last
``parked``   so, and it has failed five times: only ``--force`` sends it back
``redriven`` sent back; the group that gave it up has not come to it
``resolved`` sent back and read without another failure
``kept``     cannot be sent back; ``why`` says what to do instead
============ ==========================================================================================
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from infra.errors import UserError
from infra.offsets import read_to_end
from moodtape.verify.reading import Span, TopicReader
from schemas.replays import LIVE
from schemas.topics import TOPICS

from .letters import SUFFIX, Buried, Identity, Wanted, letter_spans, letters_in, topic_names
from .lines import reader_of
from .marks import Mark, Passed, key_of, read_marks

State = Literal["waiting", "parked", "redriven", "resolved", "kept"]
PARKED_AFTER = 5


@dataclass(frozen=True, slots=True)
class Case:
    """The letter of a last try and how it stands; ``why`` it is kept, where it is."""

    letter: Buried
    state: State
    why: str | None = None


class Cases:
    """Reads dead letters and judges how they stand.

    Marks and offsets are read before the letters: a group writes the letter of a new failure before it moves on, so
    what it has passed by then without a new letter is resolved.
    """

    def __init__(self, reader: TopicReader, bootstrap: str) -> None:
        self._reader, self._bootstrap = reader, bootstrap
        self.marks = read_marks(bootstrap)
        self._passed = Passed(bootstrap, self.marks.values())

    def wanted(self, wanted: Wanted) -> Iterator[Case]:
        """The cases that are wanted, topic after topic, in the order of their logs."""
        for span in letter_spans(self._reader, wanted.topic, wanted.replay):
            last = last_letters(letters_in(self._reader, span, wanted.replay))
            letters = self._last(span, last, wanted.replay)
            yield from (self._judge(each) for each in letters if wanted.has(each))

    def find(self, topic: str, partition: int, offset: int, replay: str = LIVE) -> Case:
        """The case of an original by its place, or, with a topic ``X.dlq``, the letter at that place itself.

        Raises:
            UserError: there is none.
        """
        topic_names(topic, replay)
        own = topic.endswith(SUFFIX)
        found: Buried | None = None
        for span in letter_spans(self._reader, topic, replay):
            for letter in letters_in(self._reader, span, replay):
                place = (letter.topic, letter.partition, letter.offset) if own else letter.origin
                if place == (topic, partition, offset) and (found is None or letter.attempts > found.attempts):
                    found = letter
        if found is None:
            raise UserError(
                f"no dead letter of {topic} {partition} {offset}; `moodtape dlq list` shows those there are"
            )
        return self._judge(found)

    def _last(self, span: Span, last: Mapping[int, tuple[int, int]], replay: str) -> Iterator[Buried]:
        for letter in letters_in(self._reader, span, replay):
            if last[_case_hash(letter)][1] == letter.offset:
                yield letter

    def _judge(self, letter: Buried) -> Case:
        if letter.replay != LIVE:
            return Case(
                letter, "kept", "a replay reads its input once: mend the cause, and replay anew under another ID"
            )
        mark = self.marks.get(key_of(letter))
        if mark is not None and mark.attempts >= letter.attempts:
            return Case(letter, "resolved" if self._passed.has(mark) else "redriven")
        why = self._obstacle(letter, mark)
        if why is not None:
            return Case(letter, "kept", why)
        return Case(letter, "parked" if letter.attempts >= PARKED_AFTER else "waiting")

    def _obstacle(self, letter: Buried, mark: Mark | None) -> str | None:
        """Why a letter cannot be sent back; None where it can."""
        if letter.letter is None:
            return "its headers do not say where it came from"
        if letter.is_clock:
            return "a clock: its time is past, and later clocks stand in its place"
        topic, partition, offset = letter.origin
        if letter.reason == "unparseable":
            known = reader_of(letter) is not None
            return None if known else f"a piece of {topic}, which only its producer can read again"
        if topic != letter.source:
            return f"it comes from {topic}, and these are the dead letters of {letter.source}"
        if not 0 <= partition < TOPICS[topic].partitions:
            return f"{topic} has no partition {partition}"
        if TOPICS[topic].retention_ms is None:
            stands = mark.offset if mark is not None else offset
            if self._newest_of_key.get((topic, letter.key), stands) != stands:
                return "a later record of its key stands in the topic"
        return None

    @cached_property
    def _newest_of_key(self) -> dict[tuple[str, bytes | None], int]:
        """Where the newest record of each key of a compacted topic stands."""
        compacted = [name for name, spec in TOPICS.items() if spec.retention_ms is None]
        return {(m.topic(), m.key()): m.offset() for m in read_to_end(self._bootstrap, compacted)}


def last_letters(letters: Iterator[Buried]) -> dict[int, tuple[int, int]]:
    """For each case (64 bits of it) the last try and the offset of its first letter."""
    found: dict[int, tuple[int, int]] = {}
    for letter in letters:
        key = _case_hash(letter)
        if letter.attempts > found.get(key, (-1, 0))[0]:
            found[key] = letter.attempts, letter.offset
    return found


def _case_hash(letter: Buried) -> int:
    return hash((letter.identity, letter.group))


class Tally:
    """Counts identities by topic, reason and state, and keeps the first cases."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._seen: set[tuple[str, str, Identity]] = set()
        self._counts: dict[tuple[str, str], Counter[str]] = {}
        self.first: list[Case] = []
        self.cases = 0

    def take(self, case: Case) -> None:
        """Count a case; one that another group gave up for the same reason counts once."""
        self.cases += 1
        if len(self.first) < self._limit:
            self.first.append(case)
        letter = case.letter
        where = (letter.topic, letter.reason)
        if (*where, letter.identity) not in self._seen:
            self._seen.add((*where, letter.identity))
            self._counts.setdefault(where, Counter())[case.state] += 1

    def counts(self) -> list[dict[str, object]]:
        """``{"topic", "reason", "count", "states"}``, in the order of topic and reason."""
        return [
            {"topic": topic, "reason": reason, "count": states.total(), "states": dict(sorted(states.items()))}
            for (topic, reason), states in sorted(self._counts.items())
        ]
