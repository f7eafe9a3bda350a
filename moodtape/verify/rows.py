"""Topic against table: each row must be the record it names by its partition and offset."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from infra.clock import from_datetime, to_rfc3339

from .account import Edge
from .letters import Tries, Try
from .reading import Fact
from .tables import Table

Row = Mapping[str, Any]


class Doubles:
    """Which logical keys were seen before. Keeps 64 bits a key."""

    def __init__(self) -> None:
        self._seen: set[int] = set()

    def seen(self, key: tuple[Any, ...]) -> bool:
        """Whether this key came before; remembers it."""
        digest = hash(key)
        if digest in self._seen:
            return True
        self._seen.add(digest)
        return False


def same(kept: Any, said: Any) -> bool:
    """Whether a column's value is exactly the record's: doubles bit by bit, times to the microsecond."""
    if isinstance(kept, datetime):
        kept = from_datetime(kept)
    if isinstance(kept, list) or isinstance(said, tuple):
        return kept is not None and said is not None and _same_items(kept, said)
    return bool(kept == said) or (kept != kept and said != said)


def _same_items(kept: Iterable[Any], said: Iterable[Any]) -> bool:
    left, right = list(kept), list(said)
    return len(left) == len(right) and all(same(a, b) for a, b in zip(left, right, strict=True))


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
    """

    def __init__(
        self,
        edge: Edge,
        table: Table,
        doubtful: Callable[[Any, Row, list[str]], list[str]] = lambda *_: [],
        suspect: Callable[[Any, str], None] = lambda *_: None,
    ) -> None:
        self.edge = edge
        self._table, self._doubtful, self._suspect = table, doubtful, suspect

    def walk(self, partition: int, facts: Iterable[Fact], rows: Iterable[Row], tries: Tries) -> None:
        """Account for one partition. ``tries`` tells what the store refused and what was sent back to it."""
        waiting: Iterator[Row] = iter(rows)
        row = next(waiting, None)
        doubles, refused = Doubles(), Refused(self.edge)
        for fact in facts:
            while row is not None and row["topic_offset"] < fact.offset:
                self.stray(row)
                row = next(waiting, None)
            found = row is not None and row["topic_offset"] == fact.offset
            number = tries.of(fact)
            if number is not None:
                self.edge.facts_in += tries.counts(number, fact)
                given_up = number in tries.dead.bytes_at
                excuse = refused.take(number, given_up, found)
                self._judge(partition, fact, row if found else None, excuse, doubles if number[1] == 1 else Doubles())
            elif row is not None and found:
                self.stray(row)
            if found:
                row = next(waiting, None)
        while row is not None:
            self.stray(row)
            row = next(waiting, None)

    def stray(self, row: Row) -> None:
        """Blame a row that is one too many."""
        self.edge.facts_out += 1
        place = f"partition {row['topic_partition']} offset {row['topic_offset']}"
        self.edge.blame("extra", f"{_identity(row)}: a row that no record stands for, or a second one ({place})")

    def _judge(self, partition: int, fact: Fact, row: Row | None, excused: bool, doubles: Doubles) -> None:
        place = f"partition {partition} offset {fact.offset}"
        record = fact.record
        key = None if record is None else self._table.key_of(record)
        name = "a record that cannot be decoded" if key is None else spoken(key)
        if key is not None and self._table.once(record) and doubles.seen(key):
            self.edge.blame("extra", f"{name} stands twice in the topic, again at {place}")
        if row is None:
            if not excused:
                self.edge.blame("missing", f"{name} ({place}) has no row")
            return
        self.edge.facts_out += 1
        if record is None:
            self.edge.blame("altered", f"{name} ({place}) has a row")
            return
        wrong = differences(row, self._table.columns(record))
        doubtful = self._doubtful(record, row, wrong) if wrong else []
        certain = [column for column in wrong if column not in doubtful]
        if certain:
            self.edge.blame("altered", f"{name} ({place}): {', '.join(certain)}")
        elif doubtful:
            self._suspect(record, f"{name} ({place}): {', '.join(doubtful)}")


def _identity(row: Row) -> str:
    named = ("source", "symbol", "post_id", "interval", "window", "event_time", "revision")
    return " ".join(f"{name}={_text(row[name])}" for name in named if row.get(name) is not None)


def _text(value: Any) -> str:
    return to_rfc3339(from_datetime(value)) if isinstance(value, datetime) else str(value)
