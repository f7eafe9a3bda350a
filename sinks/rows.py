"""Records to rows: the columns of a fact's table are the fields of its schema, in the schema's order.

Nested records are flattened: the source bar of a quote with the prefix ``bar_``, indicators and sentiment without.
A replay's name and the record's place in its topic follow.
"""

import base64
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

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
    *("replay", "topic_partition", "topic_offset", "value_sha256"),
)
_PLACE = (("replay", "text"), ("topic_partition", "int4"), ("topic_offset", "int8"))
_SCALARS = {"string": "text", "int": "int4", "long": "int8", "double": "float8", "boolean": "bool"}
_PREFIX = {"bar": "bar_", "indicators": "", "sentiment": ""}

Columns = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Table:
    """One fact table: names and PostgreSQL types of its columns, and how a record becomes their values.

    ``row(record, replay, partition, offset)`` gives the values in the order of ``columns``; it raises OverflowError
    where a time lies outside the years 1 to 9999.
    """

    name: str
    columns: tuple[str, ...]
    types: tuple[str, ...]
    row: Callable[[Any, str, int, int], tuple[Any, ...]]


@cache
def table_of(topic: str) -> Table:
    """The table of a topic of facts, derived from the schema that the topic is written with now."""
    schema = REGISTRY.by_id[codec_for(topic).schema_id].schema
    parts = [_part(field["name"], _not_null(field["type"])) for field in schema["fields"]]
    columns = [*(column for part in parts for column in part.columns), *_PLACE]
    names, types = zip(*columns, strict=True)
    # One expression for all values: a loop over the columns costs twice as much.
    text = ", ".join([*(part.values for part in parts), "replay", "partition", "offset"])
    row = eval(f"lambda record, replay, partition, offset: ({text})", dict(_CONVERSIONS))  # noqa: S307  # of our schemas
    return Table(TABLE_OF_TOPIC[topic], names, types, row)


def dead_letter_row(
    topic: str, partition: int, offset: int, replay: str, content: tuple[bytes | None, bytes | None, Headers | None]
) -> tuple[Any, ...]:
    """Values of a dead letter, in the order of ``DEAD_LETTER_COLUMNS``.

    Whatever stands in a topic of dead letters gives a row: where headers are missing, its origin is its own
    place and its reason ``undecodable``. The value of a raw post has no column to go to: its text stays in the topic.

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
    digest = hashlib.sha256(value or b"").digest()
    kept = None if topics.holds_texts(topic) else value
    return (
        *(clean(letter.topic), letter.partition, letter.offset, clean(letter.stage), clean(letter.reason)),
        *(clean(letter.error), clean(letter.message), letter.attempts, clean(letter.group), failed_at),
        *(key, kept, Jsonb(readable_headers(letter.headers)), topic, replay, partition, offset, digest),
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


class _Part(NamedTuple):
    """The columns of a field, and the source of their values in a tuple."""

    columns: Columns
    values: str


def _part(name: str, kind: Any) -> _Part:
    if isinstance(kind, str):
        return _Part([(name, _SCALARS[kind])], f"record.{name}")
    if kind["type"] == "record":
        return _flattened(name, kind)
    if kind["type"] == "enum":
        return _Part([(name, "text")], f"record.{name}")
    if kind.get("logicalType") == "timestamp-micros":
        return _Part([(name, "timestamptz")], f"to_datetime(record.{name})")
    if kind["type"] == "map":
        return _Part([(name, "jsonb")], f"mapping(record.{name})")
    items = _not_null(kind["items"])
    if isinstance(items, str):
        return _Part([(name, f"{_SCALARS[items]}[]")], f"list(record.{name})")
    return _Part([(name, "jsonb")], f"records(record.{name})")


def _flattened(name: str, kind: Any) -> _Part:
    inner = [field["name"] for field in kind["fields"]]
    columns = [(_PREFIX[name] + field["name"], _SCALARS[_not_null(field["type"])]) for field in kind["fields"]]
    values = ", ".join(f"{name}.{field}" for field in inner)
    return _Part(columns, f"*({(None,) * len(inner)} if ({name} := record.{name}) is None else ({values},))")


def _mapping(value: Any) -> Jsonb:
    return Jsonb(dict(value))


def _records(value: Sequence[PostMention]) -> Jsonb:
    return Jsonb([to_dict(item) for item in value])  # type: ignore[arg-type]  # any dataclass of the contract


_CONVERSIONS = {"to_datetime": to_datetime, "mapping": _mapping, "records": _records}
