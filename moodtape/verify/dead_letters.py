"""Topics of dead letters against the table ``dead_letter``."""

import base64
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from schemas.deadletters import NotADeadLetter, parse_dead_letter
from schemas.topics import dead_letter_topic, holds_texts

from .account import Edge
from .reading import Span, TopicReader, require
from .rows import Row, differences
from .stored import PartitionedRows, Settle
from .tables import Store

TABLE = "dead_letter"
COLUMNS = (
    *("origin_topic", "origin_partition", "origin_offset", "stage", "reason", "error", "message", "attempts"),
    *("consumer_group", "key", "value", "value_sha256", "headers"),
)
IDENTITY = ("origin_topic", "origin_partition", "origin_offset", "consumer_group", "value_sha256")


class Letter(NamedTuple):
    """One dead letter as the topic has it: its own offset and the columns that its row must have."""

    offset: int
    columns: Mapping[str, Any]

    @property
    def identity(self) -> tuple[Any, ...]:
        """What may be stored only once: the original's place, who gave it up, its value."""
        return tuple(self.columns[name] for name in IDENTITY)

    @property
    def attempts(self) -> int:
        """Which try failed; 0 where the headers do not tell."""
        return int(self.columns.get("attempts", 0))

    @property
    def name(self) -> str:
        """The original's place, for people."""
        said = self.columns
        return f"{said['origin_topic']} {said['origin_partition']} {said['origin_offset']} ({said['reason']})"


def letters_edge(reader: TopicReader, store: Store, topic: str, settle: Settle) -> Edge:
    """Account for the dead letters of one topic: each identity has one row, that of the first letter of its last try.

    A sink that died may have written a letter twice; those copies, and letters of earlier tries, are duplicates.
    """
    letters = dead_letter_topic(topic)
    edge = Edge(f"{letters} -> {TABLE}")
    spans, edge.notes = settle(letters, require(reader.spans(letters), letters))
    rows = PartitionedRows(store.rows(TABLE, COLUMNS, {"dlq_topic": letters}), spans)
    walk = LetterWalk(edge)
    for span in spans:
        last = last_tries(letters_of_span(reader, span))
        walk.walk(span.partition, letters_of_span(reader, span), rows.of(span.partition), last)
    walk.settle(rows.behind)
    for row in rows.unfounded({span.partition: span.high for span in reader.spans(letters)}):
        walk.stray(row)
    return edge


def letters_of_span(reader: TopicReader, span: Span) -> Iterator[Letter]:
    """The dead letters of one partition, in order."""
    for message in reader.messages(span):
        yield Letter(message.offset(), letter_columns(span, message))


def letter_columns(span: Span, message: Any) -> Mapping[str, Any]:
    """What the row of a dead letter must hold; its own place where the headers do not tell the original's."""
    headers = message.headers()
    value = message.value()
    # The texts of posts are not for the database.
    kept = None if holds_texts(span.topic) else value
    bytes_ = {"key": message.key(), "value": kept, "value_sha256": hashlib.sha256(value or b"").digest()}
    try:
        letter = parse_dead_letter(headers)
    except NotADeadLetter:
        place = {"origin_topic": span.topic, "origin_partition": span.partition, "origin_offset": message.offset()}
        return {**place, "reason": "undecodable", "consumer_group": "", **bytes_, "headers": readable(headers or [])}
    return {
        "origin_topic": _storable(letter.topic),
        "origin_partition": letter.partition,
        "origin_offset": letter.offset,
        "stage": _storable(letter.stage),
        "reason": _storable(letter.reason),
        "error": _storable(letter.error),
        "message": _storable(letter.message),
        "attempts": letter.attempts,
        "consumer_group": _storable(letter.group),
        **bytes_,
        "headers": readable(letter.headers),
    }


def readable(headers: list[tuple[str, bytes]]) -> list[list[Any]]:
    """Headers as the table keeps them: names with texts; what is no storable text as base64."""
    return [[_storable(name), _text(value)] for name, value in headers]


def _text(value: bytes | None) -> Any:
    if value is None:
        return None
    text = value.decode(errors="replace")
    if text.encode() == value and "\x00" not in text:
        return text
    return {"base64": base64.b64encode(value).decode()}


def _storable(text: str) -> str:
    return text.replace("\x00", "\ufffd")


def last_tries(letters: Iterable[Letter]) -> dict[int, int]:
    """For each identity (64 bits of it) the offset of the first letter of its last try."""
    found: dict[int, tuple[int, int]] = {}
    for letter in letters:
        key = hash(letter.identity)
        if letter.attempts > found.get(key, (-1, 0))[0]:
            found[key] = letter.attempts, letter.offset
    return {key: offset for key, (_, offset) in found.items()}


class LetterWalk:
    """Compares letters and rows, both in order of the letter's offset."""

    def __init__(self, edge: Edge) -> None:
        self.edge = edge
        self._missing: list[tuple[int, str]] = []

    def walk(self, partition: int, letters: Iterable[Letter], rows: Iterator[Row], last: Mapping[int, int]) -> None:
        """Account for one partition; ``last`` says which letters must have a row."""
        row = next(rows, None)
        for letter in letters:
            while row is not None and row["topic_offset"] < letter.offset:
                self.stray(row)
                row = next(rows, None)
            found = row if row is not None and row["topic_offset"] == letter.offset else None
            if last[hash(letter.identity)] != letter.offset:
                self.edge.duplicates += 1
                if found is not None:
                    self.stray(found)
            else:
                self._expect(partition, letter, found)
            if found is not None:
                row = next(rows, None)
        while row is not None:
            self.stray(row)
            row = next(rows, None)

    def settle(self, behind: Iterable[Row]) -> None:
        """Blame what has no row, unless a later try has taken its row while the account was drawn up."""
        later = {hash(tuple(row[name] for name in IDENTITY)) for row in behind} if self._missing else set()
        for key, what in self._missing:
            if key not in later:
                self.edge.blame("missing", what)

    def stray(self, row: Row) -> None:
        """Blame a row that is one too many."""
        self.edge.facts_out += 1
        origin = f"{row['origin_topic']} {row['origin_partition']} {row['origin_offset']} ({row['reason']})"
        place = f"partition {row['topic_partition']} offset {row['topic_offset']}"
        self.edge.blame("extra", f"{origin}: a row that no letter stands for, or a second one ({place})")

    def _expect(self, partition: int, letter: Letter, row: Row | None) -> None:
        self.edge.facts_in += 1
        place = f"partition {partition} offset {letter.offset}"
        if row is None:
            self._missing.append((hash(letter.identity), f"{letter.name} ({place}) has no row"))
            return
        self.edge.facts_out += 1
        wrong = differences(row, letter.columns)
        if wrong:
            self.edge.blame("altered", f"{letter.name} ({place}): {', '.join(wrong)}")
