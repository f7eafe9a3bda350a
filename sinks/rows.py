"""Records to rows: the columns of a fact's table are the fields of its schema, in the schema's order.

Nested records are flattened: the source bar of a quote with the prefix ``bar_``, indicators and sentiment without.
A replay's name and the record's place in its topic follow.
"""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from operator import attrgetter
from typing import Any

from psycopg.types.json import Jsonb

from infra.clock import to_datetime
from schemas import topics
from schemas.clocks import Headers
from schemas.codec import codec_for, to_dict
from schemas.deadletters import MAX_MESSAGE, DeadLetter, NotADeadLetter, parse_dead_letter
from schemas.records import PostMention
from schemas.registry import REGISTRY

TABLE_OF_TOPIC = {
    topics.QUOTES: "quote",
    topics.BARS: "bar",
    topics.POSTS: "post",
    topics.MENTIONS: "mention",
    topics.SENTIMENT: "sentiment",
    topics.CORRELATIONS: "correlation",
    topics.GAPS: "gap",
    topics.INSTRUMENTS: "instrument",
}
DEAD_LETTER_COLUMNS = (
    *("origin_topic", "origin_partition", "origin_offset", "stage", "reason", "error", "message", "attempts"),
    *("consumer_group", "first_failed_at", "key", "value", "headers", "dlq_topic"),
    *("replay", "topic_partition", "topic_offset"),
)
_PLACE = (("replay", "text"), ("topic_partition", "int4"), ("topic_offset", "int8"))
_SCALARS = {"string": "text", "int": "int4", "long": "int8", "double": "float8", "boolean": "bool"}
_PREFIX = {"bar": "bar_", "indicators": "", "sentiment": ""}

Columns = list[tuple[str, str]]
# One value for one column; or several for the columns of a nested record.
Convert = Callable[[Any], Any]
Expand = Callable[[Any], Sequence[Any]]


@dataclass(frozen=True, slots=True)
class Table:
    """One fact table: names and PostgreSQL types of its columns, and how a record becomes their values."""

    name: str
    columns: tuple[str, ...]
    types: tuple[str, ...]
    _fields: Callable[[Any], tuple[Any, ...]]
    _conversions: tuple[tuple[int, Convert], ...]
    _expansions: tuple[tuple[int, Expand], ...]

    def row(self, record: Any, replay: str, partition: int, offset: int) -> tuple[Any, ...]:
        """Values of a record, in the order of ``columns``.

        Raises:
            OverflowError: a time lies outside the years 1 to 9999.
        """
        values = [*self._fields(record), replay, partition, offset]
        for position, convert in self._conversions:
            values[position] = convert(values[position])
        for position, expand in self._expansions:
            values[position : position + 1] = expand(values[position])
        return tuple(values)


@cache
def table_of(topic: str) -> Table:
    """The table of a topic of facts, derived from the schema that the topic is written with now."""
    schema = REGISTRY.by_id[codec_for(topic).schema_id].schema
    columns: Columns = []
    conversions, expansions = [], []
    for position, field in enumerate(schema["fields"]):
        name, kind = field["name"], _not_null(field["type"])
        if isinstance(kind, dict) and kind["type"] == "record":
            part, expand = _flattened(name, kind)
            columns += part
            expansions.append((position, expand))
            continue
        column, convert = _field(kind)
        columns.append((name, column))
        if convert is not None:
            conversions.append((position, convert))
    columns += _PLACE
    names, types = zip(*columns, strict=True)
    fields = attrgetter(*(field["name"] for field in schema["fields"]))
    # From the last to the first: an expansion moves only what is behind it.
    return Table(TABLE_OF_TOPIC[topic], names, types, fields, tuple(conversions), tuple(reversed(expansions)))


def dead_letter_row(
    topic: str, partition: int, offset: int, replay: str, content: tuple[bytes | None, bytes | None, Headers | None]
) -> tuple[Any, ...]:
    """Values of a dead letter, in the order of ``DEAD_LETTER_COLUMNS``.

    Whatever stands in a topic of dead letters gives a row: where headers are missing, its origin is its own
    place and its reason ``undecodable``.

    Args:
        topic: the topic of dead letters.
        partition: the letter's own.
        offset: the letter's own.
        replay: name of the replay, ``live`` for none.
        content: key, value and headers.
    """
    key, value, headers = content
    try:
        letter = _storable(parse_dead_letter(headers))
        failed_at = to_datetime(letter.failed_at)
    except (NotADeadLetter, OverflowError) as error:
        letter, failed_at = _headless(topic, partition, offset, str(error), headers), None
    return (
        *(clean(letter.topic), letter.partition, letter.offset, clean(letter.stage), clean(letter.reason)),
        *(clean(letter.error), clean(letter.message), letter.attempts, clean(letter.group), failed_at),
        *(key, value, Jsonb(readable_headers(letter.headers)), topic, replay, partition, offset),
    )


def readable_headers(headers: Headers) -> list[list[Any]]:
    """Headers as JSON: ``[name, text]``; bytes that are not storable text are ``{"base64": ...}``, none is null."""
    return [[clean(name), _readable(value)] for name, value in headers]


def clean(text: str) -> str:
    """Text that PostgreSQL stores and indexes: NUL becomes U+FFFD, and it is cut at 500 characters."""
    return text[:MAX_MESSAGE].replace("\x00", "\ufffd")


def _storable(letter: DeadLetter) -> DeadLetter:
    # Anyone may write to a topic of dead letters.
    if max(abs(letter.partition), abs(letter.attempts)) >= 2**31 or abs(letter.offset) >= 2**63:
        raise OverflowError("a number in the headers is too great")
    return letter


def _readable(value: bytes | None) -> Any:
    if value is None:
        return None
    try:
        text = value.decode()
    except UnicodeDecodeError:
        text = "\x00"
    return text if "\x00" not in text else {"base64": base64.b64encode(value).decode()}


def _headless(topic: str, partition: int, offset: int, message: str, headers: Headers | None) -> DeadLetter:
    return DeadLetter(
        topic=topic,
        partition=partition,
        offset=offset,
        stage="",
        error="NotADeadLetter",
        message=message,
        reason="undecodable",
        attempts=0,
        group="",
        failed_at=0,
        headers=headers or [],
    )


def _not_null(kind: Any) -> Any:
    if isinstance(kind, list):
        (kind,) = [member for member in kind if member != "null"]
    return kind


def _field(kind: Any) -> tuple[str, Convert | None]:
    """Type of a field's column, and what makes its value of the field's; None where it is the value."""
    if isinstance(kind, str):
        return _SCALARS[kind], None
    if kind.get("logicalType") == "timestamp-micros":
        return "timestamptz", to_datetime
    if kind["type"] == "enum":
        return "text", None
    if kind["type"] == "map":
        return "jsonb", _mapping
    items = _not_null(kind["items"])
    return (f"{_SCALARS[items]}[]", list) if isinstance(items, str) else ("jsonb", _records)


def _flattened(name: str, kind: Any) -> tuple[Columns, Expand]:
    inner = [field["name"] for field in kind["fields"]]
    columns = [(_PREFIX[name] + field["name"], _SCALARS[_not_null(field["type"])]) for field in kind["fields"]]
    nothing = (None,) * len(inner)

    def expand(value: Any) -> Sequence[Any]:
        return nothing if value is None else [getattr(value, field) for field in inner]

    return columns, expand


def _mapping(value: Any) -> Jsonb:
    return Jsonb(dict(value))


def _records(value: Sequence[PostMention]) -> Jsonb:
    return Jsonb([to_dict(item) for item in value])  # type: ignore[arg-type]  # any dataclass of the contract
