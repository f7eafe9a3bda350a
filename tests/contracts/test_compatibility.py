"""What of a schema may change, and that since the last release nothing else has."""

import copy
import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from schemas.compatibility import incompatibilities, unreadable
from schemas.registry import REGISTRY

ROOT = Path(__file__).parents[2]
ENUM = {"type": "enum", "name": "Mood", "symbols": ["UNKNOWN", "UP"], "default": "UNKNOWN"}
BASE: dict[str, Any] = {
    "type": "record",
    "name": "Thing",
    "fields": [
        {"name": "key", "type": "string"},
        {"name": "size", "type": "int", "default": 0},
        {"name": "note", "type": ["null", "string"], "default": None},
        {"name": "mood", "type": ENUM, "default": "UNKNOWN"},
        {"name": "tags", "type": {"type": "array", "items": "string"}, "default": []},
        {"name": "counts", "type": {"type": "map", "values": "long"}, "default": {}},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}, "default": 0},
    ],
}


def changed(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """The base schema after a change to its fields by name."""
    schema = copy.deepcopy(BASE)
    change({field["name"]: field for field in schema["fields"]} | {"": schema})
    return schema


def added(field: dict[str, Any]) -> dict[str, Any]:
    """The base schema with one more field."""
    return changed(lambda fields: fields[""]["fields"].append(field))


@pytest.mark.parametrize(
    "new",
    [
        BASE,
        added({"name": "more", "type": "string", "default": ""}),
        changed(lambda f: f[""]["fields"].remove(f["note"])),
        changed(lambda f: f[""]["fields"].reverse()),
        changed(lambda f: f["key"].update(doc="Said better.")),
        changed(lambda f: f["size"].update(default=7)),
        changed(lambda f: f["mood"]["type"]["symbols"].append("DOWN")),
    ],
)
def test_what_may_change(new: dict[str, Any]) -> None:
    """Fields with defaults come and go, order, docs and defaults change, an enum with a default grows."""
    assert incompatibilities(BASE, new) == []


@pytest.mark.parametrize(
    ("new", "message"),
    [
        (added({"name": "more", "type": "string"}), "new readers .* more is missing"),
        (changed(lambda f: f[""]["fields"].remove(f["key"])), "old readers .* key is missing"),
        (changed(lambda f: f["size"].update(type="long")), "old readers .* size is long and is read as int"),
        (changed(lambda f: f["size"].update(type="string")), "size is int and is read as string"),
        (changed(lambda f: f["note"].update(type="string")), "new readers .* note may be null"),
        (changed(lambda f: f["key"].update(type=["null", "string"])), "old readers .* key may be null"),
        (changed(lambda f: f["note"].update(type=["null", "string", "int"])), "old readers .* note may be int"),
        (changed(lambda f: f["mood"]["type"].pop("default")), ""),
        (changed(lambda f: f["mood"]["type"].update(name="Other")), "enum Mood and is read as Other"),
        (changed(lambda f: f["tags"]["type"].update(items="long")), "an item of tags"),
        (changed(lambda f: f["counts"]["type"].update(values="string")), "a value of counts"),
        (changed(lambda f: f["at"].update(type="long")), "at means timestamp-micros"),
        (changed(lambda f: f[""].update(name="Other")), "named Thing and is read as Other"),
    ],
)
def test_what_may_not_change(new: dict[str, Any], message: str) -> None:
    """A change that either side could not read is named, with the side and the field."""
    problems = incompatibilities(BASE, new)
    if message:
        assert any(re.search(message, problem) for problem in problems), problems
    else:
        grown = copy.deepcopy(new)
        next(f for f in grown["fields"] if f["name"] == "mood")["type"]["symbols"].append("DOWN")
        assert any("no default" in problem for problem in incompatibilities(new, grown))


def test_records_inside_unions_are_looked_into() -> None:
    """A field without a default added to a nullable record is found."""
    inner = {"type": "record", "name": "Inner", "fields": [{"name": "a", "type": "int"}]}
    wider = {**inner, "fields": [*inner["fields"], {"name": "b", "type": "int"}]}
    assert unreadable(["null", wider], ["null", inner]) == ["b is missing and has no default"]
    assert unreadable(["null", inner], ["null", wider]) == []


def test_reading_wider_numbers_is_allowed_one_way() -> None:
    """A reader's long reads a writer's int, as Avro says; the other way not."""
    assert unreadable("long", "int") == []
    assert unreadable("int", "long") == ["the record is long and is read as int"]


def at_last_tag(path: str) -> str | None:
    """A file's text at the last release, None where there is none; skips before the first release."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    described = subprocess.run(
        ["git", "describe", "--tags", "--abbrev=0"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if described.returncode:
        pytest.skip("there is no release yet; the first tag switches this on")
    shown = subprocess.run(
        ["git", "show", f"{described.stdout.strip()}:{path}"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return shown.stdout if shown.returncode == 0 else None


def test_every_released_schema_is_still_there_and_can_live_beside_the_newest() -> None:
    """Since the last tag no id changed its schema, and the newest version of each subject is compatible with it."""
    table = at_last_tag("schemas/registry.json")
    assert table is not None
    for subject, entries in json.loads(table).items():
        for entry in entries:
            text = at_last_tag(f"schemas/{entry['file']}")
            assert text is not None
            released, now = json.loads(text), REGISTRY.by_id[entry["id"]]
            assert (now.subject, now.version, now.schema) == (subject, entry["version"], released)
            assert incompatibilities(released, REGISTRY.versions(subject)[-1].schema) == []
