"""Topic against table: each row must be the record it names by its partition and offset."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from infra.clock import from_datetime, to_rfc3339
from schemas.topics import TOPICS, partition_of

from .account import Edge
from .letters import Tries, Try
from .matching import FOREVER
from .reading import Fact
from .tables import Table

Row = Mapping[str, Any]


class Revisions:
    """The last revision of each logical key: 64 bits of the key, and of the longest unseen ones none any more.

    Args:
        limit: how many keys are surely remembered.
    """

    def __init__(self, limit: int = 1_000_000) -> None:
        self._limit = limit
        self._recent: dict[int, int] = {}
        self._older: dict[int, int] = {}

    def take(self, key: tuple[Any, ...], revision: int) -> int | None:
        """The last revision of a key so far, None for none; remembers the greater of the two."""
        digest = hash(key)
        before = self._recent.get(digest)
        if before is None:
            before = self._older.get(digest)
        self._recent[digest] = revision if before is None else max(before, revision)
        if len(self._recent) >= self._limit:
            self._recent, self._older = {}, self._recent
        return before


def same(kept: Any, said: Any) -> bool:
    """Whether a column's value is exactly the record's: doubles bit by bit, times to the microsecond."""
    if kept is said or kept == said:
        return True
    if isinstance(kept, datetime):
        return bool(from_datetime(kept) == said)
    if isinstance(said, tuple | list) and isinstance(kept, list):
        return len(kept) == len(said) and all(map(same, kept, said))
    return bool(kept != kept and said != said)


def differences(row: Row, columns: Mapping[str, Any]) -> list[str]:
    """Names of the columns in which a row is not what the record says."""
    return [name for name, said in columns.items() if not same(row[name], said)]


def spoken(key: tuple[Any, ...]) -> str:
    """A logical key for people: times as RFC 3339, the rest as it is."""
    return " ".join(_word(part) for part in key)


def _word(part: Any) -> str:
    # No count or identity of ours reaches 10^14 but times since 1973 in microseconds do.
    return to_rfc3339(part) if isinstance(part, int) and 10**14 < part < 10**16 else str(part)


class Refused:
    """Which facts of a partition the store refused, try after try; ``dead`` of the edge counts those it still lacks."""

    def __init__(self, edge: Edge) -> None:
        self._edge = edge
        self._dead: set[int] = set()
        self._stored: set[int] = set()

    def take(self, number: Try, given_up: bool, has_row: bool) -> bool:
        """Take the next try of a fact; whether it may be without a row.

        It may if the store gave it up, or if the store has the fact by an earlier try: a letter may be written and
        the chunk be stored without a refusal later. A second row then is one too many.
        """
        fact = number[0]
        if has_row:
            if fact in self._stored:
                self._edge.blame("extra", f"offset {fact} was sent back and is stored twice")
            if given_up or number[1] > 1:
                self._stored.add(fact)
            if fact in self._dead:
                self._dead.discard(fact)
                self._edge.dead -= 1
        elif given_up and fact not in self._stored and fact not in self._dead:
            self._dead.add(fact)
            self._edge.dead += 1
        return given_up or fact in self._stored


class Comparison:
    """Walks one partition of a topic and its rows, both in order of the offset.

    Args:
        edge: what the findings go to.
        table: what the rows must look like.
        doubtful: which of the differing columns may be right after all, given the record, the row and the columns.
        suspect: told of the record of a row that differs in such columns only, and what differs.
        until: only what was known by then is judged.
    """

    def __init__(
        self,
        edge: Edge,
        table: Table,
        doubtful: Callable[[Any, Row, list[str]], list[str]] = lambda *_: [],
        suspect: Callable[[Any, str], None] = lambda *_: None,
        until: int = FOREVER,
    ) -> None:
        self.edge, self._until = edge, until
        self._table, self._doubtful, self._suspect = table, doubtful, suspect
        self._revisions = Revisions()
        self._refused: dict[int, Refused] = {}

    def _judges(self, record: Any, row: Row | None) -> bool:
        """Whether a record, or its row, was known by the moment that counts."""
        if self._until == FOREVER:
            return True
        said = [] if record is None else [getattr(record, self._table.known)]
        kept = [] if row is None else [from_datetime(row[self._table.known])]
        return any(known <= self._until for known in (*said, *kept))

    def walk(self, partition: int, facts: Iterable[Fact], rows: Iterable[Row], tries: Tries) -> None:
        """Account for one partition, or for its next part.

        ``tries`` tells what the store refused and what was sent back to it.
        """
        waiting: Iterator[Row] = iter(rows)
        row = next(waiting, None)
        refused = self._refused.setdefault(partition, Refused(self.edge))
        for fact in facts:
            while row is not None and row["topic_offset"] < fact.offset:
                self.stray(row)
                row = next(waiting, None)
            found = row is not None and row["topic_offset"] == fact.offset
            number = tries.of(fact)
            if number is not None:
                judged = self._judges(fact.record, row if found else None)
                self.edge.facts_in += judged and tries.counts(number, fact)
                given_up = number in tries.dead.bytes_at
                excuse = refused.take(number, given_up, found)
                if self._until == FOREVER and number[1] == 1 and fact.record is not None:
                    self._judge_record(partition, fact)
                if judged:
                    self._judge(partition, fact, row if found else None, excuse, tries.may_be_dead(fact))
            elif row is not None and found:
                self.stray(row)
            if found:
                row = next(waiting, None)
        while row is not None:
            self.stray(row)
            row = next(waiting, None)

    def stray(self, row: Row) -> None:
        """Blame a row that is one too many."""
        if not self._judges(None, row):
            return
        self.edge.facts_out += 1
        place = f"partition {row['topic_partition']} offset {row['topic_offset']}"
        self.edge.blame("extra", f"{_identity(row)}: a row that no record stands for, or a second one ({place})")

    def _judge(self, partition: int, fact: Fact, row: Row | None, excused: bool, doubtful: bool) -> None:
        record = fact.record
        if row is None:
            self.edge.unjudged += doubtful and not excused
            if not excused and not doubtful:
                self.edge.blame("missing", f"{self._name(partition, fact)} has no row")
            return
        self.edge.facts_out += 1
        if record is None:
            self.edge.blame("altered", f"{self._name(partition, fact)} has a row")
            return
        wrong = differences(row, self._table.columns(record))
        if not wrong:
            return
        excusable = self._doubtful(record, row, wrong)
        certain = [column for column in wrong if column not in excusable]
        if certain:
            self.edge.blame("altered", f"{self._name(partition, fact)}: {', '.join(certain)}")
        elif excusable:
            self._suspect(record, f"{self._name(partition, fact)}: {', '.join(excusable)}")

    def _judge_record(self, partition: int, fact: Fact) -> None:
        """Whether a record stands where it belongs, and once."""
        record, spec = fact.record, TOPICS[self._table.topic]
        key = spec.key(record)
        if fact.key != key.encode():
            said = "none" if fact.key is None else repr(fact.key.decode(errors="replace")[:80])
            self.edge.blame("altered", f"{self._name(partition, fact)}: its key is {said}, not {key!r}")
        home = partition_of(key, spec.partitions)
        if home != partition:
            self.edge.blame("altered", f"{self._name(partition, fact)}: it belongs to partition {home}")
        if self._table.once(record):
            self._judge_revision(partition, fact)

    def _judge_revision(self, partition: int, fact: Fact) -> None:
        revision = getattr(fact.record, "revision", 0)
        before = self._revisions.take(self._table.subject_of(fact.record), revision)
        if before is None:
            return
        name = self._name(partition, fact)
        if revision == before:
            self.edge.blame("extra", f"{name} stands twice in the topic")
        elif revision < before:
            self.edge.blame("extra", f"{name} is stale: revision {before} stands before it")
        elif self._table.counted and revision > before + 1:
            self.edge.blame("missing", f"{name}: no revision between {before} and {revision}")

    def _name(self, partition: int, fact: Fact) -> str:
        place = f"partition {partition} offset {fact.offset}"
        record = fact.record
        if record is None:
            return f"a record that cannot be decoded, {fact.error} ({place})"
        return f"{spoken(self._table.key_of(record))} ({place})"


def _identity(row: Row) -> str:
    named = ("source", "symbol", "post_id", "interval", "window", "event_time", "revision")
    return " ".join(f"{name}={_text(row[name])}" for name in named if row.get(name) is not None)


def _text(value: Any) -> str:
    return to_rfc3339(from_datetime(value)) if isinstance(value, datetime) else str(value)
