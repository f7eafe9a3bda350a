"""Records to rows."""

import hashlib
import re
from datetime import UTC, datetime

import pytest
from psycopg.types.json import Jsonb

from infra.migrate import shipped_migrations
from schemas.codec import codec_for, to_dict
from schemas.deadletters import dead_letter_headers
from schemas.replays import LIVE
from schemas.topics import QUOTES, TOPIC_OF_RECORD
from sinks.rows import DEAD_LETTER_COLUMNS, TABLE_OF_TOPIC, dead_letter_row, readable_headers, table_of
from tests.helpers.sinking import START, quote, sample_records

PLACE = ["replay", "topic_partition", "topic_offset"]
TYPES = {"integer": "int4", "bigint": "int8", "double precision": "float8", "boolean": "bool"}


def created_columns() -> dict[str, dict[str, str]]:
    """Table -> column -> type, read from the migrations' CREATE TABLE and ADD COLUMN."""
    text = b"\n".join(migration.sql for migration in shipped_migrations()).decode()
    tables = {}
    for name, body in re.findall(r"CREATE TABLE (\w+) \(\n(.*?)\n\)", text, re.DOTALL):
        found = re.findall(r'^    "?(\w+)"? +((?:double precision|\w+)(?:\[\])?)', body, re.MULTILINE)
        tables[name] = {column: kind for column, kind in found if column != "PRIMARY"}
    for name, column, kind in re.findall(r"ALTER TABLE (\w+) ADD COLUMN (\w+) (\w+(?:\[\])?)", text):
        tables[name][column] = kind
    return tables


@pytest.mark.parametrize("topic", TABLE_OF_TOPIC)
def test_columns_are_the_schema_fields(topic):
    """A table's columns are those that the migrations create, with their types, but for stored_at."""
    table, created = table_of(topic), created_columns()[TABLE_OF_TOPIC[topic]]
    assert created.pop("stored_at") == "timestamptz"
    plain = {name: TYPES.get(kind.removesuffix("[]"), kind.removesuffix("[]")) for name, kind in created.items()}
    types = dict(zip(table.columns, table.types, strict=True))
    assert {name: kind.removesuffix("[]") for name, kind in types.items()} == plain
    assert {name for name in types if types[name].endswith("[]")} == {n for n in created if created[n].endswith("[]")}


def test_dead_letter_columns_are_those_created():
    """Dead letters have the columns that the migrations create, in their order, but for stored_at."""
    assert list(DEAD_LETTER_COLUMNS) == [name for name in created_columns()["dead_letter"] if name != "stored_at"]


@pytest.mark.parametrize("record", sample_records(), ids=lambda record: type(record).__name__)
def test_a_row_holds_every_field(record):
    """Every field of a record stands in the column of its name, nested ones flattened, after a trip over the wire."""
    topic = TOPIC_OF_RECORD[type(record)].name
    table = table_of(topic)
    row = table.row(codec_for(topic).decode(codec_for(topic).encode(record)), LIVE, 3, 17)
    found = {name: plain(value) for name, value in zip(table.columns, row, strict=True)}
    assert [found.pop(name) for name in PLACE] == [LIVE, 3, 17]
    expected = {}
    for name, value in to_dict(record).items():
        prefix = {"bar": "bar_", "indicators": "", "sentiment": ""}.get(name)
        if prefix is None:
            expected[name] = plain(value)
        elif value is not None:
            expected |= {prefix + inner: plain(each) for inner, each in value.items()}
    assert {name: value for name, value in found.items() if name in expected} == expected
    assert {value for name, value in found.items() if name not in expected} <= {None}


def plain(value):
    """A value without the forms of PostgreSQL: JSON unwrapped, times as microseconds, sequences as lists."""
    if isinstance(value, Jsonb):
        return value.obj
    if isinstance(value, datetime):
        return round((value - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1e6)
    return list(value) if isinstance(value, tuple) else value


def test_a_time_outside_the_calendar_is_refused():
    """A time that no timestamp holds raises OverflowError and nothing else."""
    with pytest.raises(OverflowError):
        table_of(QUOTES).row(quote(event_time=2**62), LIVE, 0, 0)


def test_a_dead_letter_becomes_a_row():
    """The original's place, headers, key and value stand beside the letter's own place."""
    headers = dead_letter_headers(
        topic=QUOTES,
        partition=4,
        offset=9,
        stage="bars",
        error="E",
        message="a\x00b",
        reason="invalid",
        attempts=2,
        group="g",
        failed_at=START,
        original=[("h", b"\xff")],
    )
    row = dead_letter_row("quotes.v1.dlq", 4, 0, LIVE, (b"k", None, headers))
    found = dict(zip(DEAD_LETTER_COLUMNS, row, strict=True))
    assert (found["origin_topic"], found["origin_partition"], found["origin_offset"]) == (QUOTES, 4, 9)
    assert (found["message"], found["key"], found["value"]) == ("a\ufffdb", b"k", None)
    assert plain(found["headers"]) == [["h", {"base64": "/w=="}]]
    assert plain(found["first_failed_at"]) == START


def test_texts_of_posts_stay_in_their_topic():
    """The value of a raw post's letter is not stored, nor of a replay's copy; its digest is, and other values are."""
    rows = {
        topic: dict(zip(DEAD_LETTER_COLUMNS, dead_letter_row(topic, 0, 0, LIVE, (b"k", b"text", None)), strict=True))
        for topic in ("raw.posts.v1.dlq", "raw.posts.v1.again.dlq", "raw.quotes.v1.dlq", "posts.v1.dlq")
    }
    assert [row["value"] for row in rows.values()] == [None, None, b"text", b"text"]
    assert {row["value_sha256"] for row in rows.values()} == {hashlib.sha256(b"text").digest()}


@pytest.mark.parametrize("headers", [None, [("x", b"1")]])
def test_whatever_stands_among_dead_letters_becomes_a_row(headers):
    """A record without our headers is stored too, with its own place as its origin."""
    row = dead_letter_row("quotes.v1.dlq", 4, 8, LIVE, (None, b"v", headers))
    found = dict(zip(DEAD_LETTER_COLUMNS, row, strict=True))
    assert (found["origin_topic"], found["origin_offset"], found["reason"]) == ("quotes.v1.dlq", 8, "undecodable")
    assert found["first_failed_at"] is None


@pytest.mark.parametrize("number", ["partition", "offset", "attempts"])
def test_great_numbers_in_headers_do_not_stop_the_sink(number):
    """A number that no column holds makes a letter one without headers; long texts are cut."""
    fields = {"topic": "t" * 900, "partition": 0, "offset": 0, "stage": "", "error": "", "message": "", "reason": ""}
    fields |= {"attempts": 1, "group": "", "failed_at": 0, "original": None}
    row = dead_letter_row("a.dlq", 0, 0, LIVE, (None, None, dead_letter_headers(**{**fields, number: 2**63})))
    assert row[0] == "a.dlq"
    assert len(dead_letter_row("a.dlq", 0, 0, LIVE, (None, None, dead_letter_headers(**fields)))[0]) == 500


def test_headers_are_readable():
    """Text stays text; what no text column holds is base64; none is null."""
    assert readable_headers([("a", "é".encode()), ("b", b"\x00"), ("c\x00", None)]) == [
        ["a", "é"],
        ["b", {"base64": "AA=="}],
        ["c\ufffd", None],
    ]
