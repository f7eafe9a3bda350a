"""The schemas, the records and the table of ids say the same thing."""

import dataclasses
import json
import types
import typing
from typing import Any

import pytest

from schemas import records as module
from schemas.registry import REGISTRY
from schemas.topics import TOPICS

IDS = {
    "raw.quotes.v1-value": 100_001,
    "raw.posts.v1-value": 100_002,
    "quotes.v1-value": 100_003,
    "bars.v1-value": 100_004,
    "posts.v1-value": 100_005,
    "mentions.v1-value": 100_006,
    "sentiment.v1-value": 100_007,
    "correlations.v1-value": 100_008,
    "gaps.v1-value": 100_009,
    "instruments.v1-value": 100_010,
}
KEYS = {
    "RawQuote": ["source", "symbol", "event_time"],
    "RawPost": ["source", "post_id", "event_time"],
    "Quote": ["source", "symbol", "event_time"],
    "Bar": ["symbol", "interval", "start", "event_time"],
    "ScoredPost": ["source", "post_id", "event_time"],
    "Mention": ["symbol", "source", "post_id", "event_time"],
    "Sentiment": ["symbol", "interval", "start", "event_time"],
    "Correlation": ["symbol", "interval", "window", "event_time"],
    "Gap": ["source", "event_time"],
    "Instrument": ["symbol"],
}
SCALARS = {str: "string", int: {"int", "long"}, float: "double", bool: "boolean"}
MISSING = dataclasses.MISSING


def named(schema: Any) -> list[dict[str, Any]]:
    """Every record schema inside a schema, itself included."""
    if isinstance(schema, list):
        return [found for item in schema for found in named(item)]
    if not isinstance(schema, dict):
        return []
    if schema["type"] == "record":
        return [schema, *(found for field in schema["fields"] for found in named(field["type"]))]
    return [found for key in ("type", "items", "values") for found in named(schema.get(key))]


NEWEST = {topic: REGISTRY.versions(spec.subject)[-1].schema for topic, spec in TOPICS.items()}
RECORDS = {schema["name"]: schema for newest in NEWEST.values() for schema in named(newest)}


def default_of(field: dataclasses.Field[Any]) -> Any:
    """A field's default as JSON would say it."""
    made = field.default if field.default_factory is MISSING else field.default_factory()
    if made is MISSING:
        return MISSING
    if dataclasses.is_dataclass(made) and not isinstance(made, type):
        return dataclasses.asdict(made)
    return json.loads(json.dumps(made))


def complete(default: Any, schema: Any) -> Any:
    """A schema's default with the defaults of the record inside it, where it leaves them out."""
    records = named(schema)
    if isinstance(default, dict) and records:
        return {field["name"]: default.get(field["name"], field.get("default")) for field in records[0]["fields"]}
    return default


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_is_its_schema(name: str) -> None:
    """Names, order and defaults of the fields are those of the schema."""
    schema, record = RECORDS[name], getattr(module, name)
    assert [field["name"] for field in schema["fields"]] == [field.name for field in dataclasses.fields(record)]
    for told, field in zip(schema["fields"], dataclasses.fields(record), strict=True):
        assert complete(told.get("default", MISSING), told["type"]) == default_of(field), told["name"]


@pytest.mark.parametrize("name", RECORDS)
def test_the_types_are_those_of_the_schema(name: str) -> None:
    """A nullable field is optional in Python and no other is; scalars, lists, maps, enums and records match."""
    hints = typing.get_type_hints(getattr(module, name))
    for field in RECORDS[name]["fields"]:
        assert matches(hints[field["name"]], field["type"]), field["name"]


def matches(hint: Any, schema: Any) -> bool:
    """Whether a Python type and a schema hold the same values."""
    if isinstance(schema, list):
        return isinstance(hint, types.UnionType) and schema[0] == "null" and matches(hint.__args__[0], schema[1])
    kind = schema["type"] if isinstance(schema, dict) else schema
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if kind == "enum":
        return list(arguments) == schema["symbols"]
    if kind == "record":
        return bool(hint.__name__ == schema["name"])
    if kind == "array":
        return origin is tuple and matches(arguments[0], schema["items"])
    if kind == "map":
        return arguments[0] is str and matches(arguments[1], schema["values"])
    return hint in SCALARS and kind in SCALARS[hint]


@pytest.mark.parametrize("name", RECORDS)
def test_every_field_is_explained_and_all_but_keys_have_defaults(name: str) -> None:
    """Each field has a doc; the fields without a default are exactly the record's keys."""
    schema = RECORDS[name]
    assert schema["doc"]
    assert all(field.get("doc", "").endswith(".") for field in schema["fields"])
    without = [field["name"] for field in schema["fields"] if "default" not in field]
    assert without == KEYS.get(name, [])


@pytest.mark.parametrize("name", RECORDS)
def test_enums_fall_back_to_unknown(name: str) -> None:
    """Every enum has a default UNKNOWN, so that an old reader survives a new symbol."""
    for field in RECORDS[name]["fields"]:
        if isinstance(field["type"], dict) and field["type"]["type"] == "enum":
            assert field["type"]["default"] == field["default"] == "UNKNOWN"
            assert field["type"]["symbols"][0] == "UNKNOWN"


def test_times_are_microseconds() -> None:
    """Every field that is a time is a long with the logical type timestamp-micros."""
    for schema in RECORDS.values():
        for field in schema["fields"]:
            if field["name"].endswith("_time") or field["name"] == "start":
                assert field["type"] == {"type": "long", "logicalType": "timestamp-micros"}, field["name"]


def test_every_topic_has_a_schema_of_its_record_with_the_id_it_always_had() -> None:
    """The first version of each subject keeps its id; no id is used twice."""
    assert REGISTRY.subjects == sorted(spec.subject for spec in TOPICS.values())
    assert {subject: REGISTRY.versions(subject)[0].id for subject in REGISTRY.subjects} == IDS
    versions = [version for subject in REGISTRY.subjects for version in REGISTRY.versions(subject)]
    assert len({version.id for version in versions}) == len(versions) == len(REGISTRY.by_id)
    for topic, spec in TOPICS.items():
        assert (NEWEST[topic]["namespace"], NEWEST[topic]["name"]) == ("moodtape", spec.record.__name__)
        numbers = [version.version for version in REGISTRY.versions(spec.subject)]
        assert numbers == list(range(1, len(numbers) + 1))
