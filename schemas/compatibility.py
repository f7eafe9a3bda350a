"""Whether a changed schema can live beside the old one: old readers read new records, and new readers old ones.

The rules are Avro's schema resolution, both ways (a registry calls it FULL). What may change: fields with a
default come and go, an enum with a default gains symbols, docs and defaults change. Anything else needs a new topic
version.
"""

from collections.abc import Iterator
from typing import Any

_PROMOTIONS = {
    "int": {"long", "float", "double"},
    "long": {"float", "double"},
    "float": {"double"},
    "string": {"bytes"},
    "bytes": {"string"},
}


def incompatibilities(old: Any, new: Any) -> list[str]:
    """Why two schemas cannot live side by side; empty when they can.

    Args:
        old: schema as parsed JSON.
        new: likewise.
    """
    backward = [f"new readers cannot read old records: {problem}" for problem in unreadable(new, old)]
    forward = [f"old readers cannot read new records: {problem}" for problem in unreadable(old, new)]
    return backward + forward


def unreadable(reader: Any, writer: Any) -> list[str]:
    """What of a writer's schema a reader's cannot resolve, one sentence each."""
    return list(_problems(reader, writer, "the record"))


def _problems(reader: Any, writer: Any, where: str) -> Iterator[str]:
    if isinstance(reader, list) or isinstance(writer, list):
        yield from _union_problems(reader, writer, where)
        return
    kind, written = _kind(reader), _kind(writer)
    if kind != written:
        if kind not in _PROMOTIONS.get(written, set()):
            yield f"{where} is {written} and is read as {kind}"
    elif kind == "record":
        yield from _record_problems(reader, writer, where)
    elif kind == "enum":
        yield from _enum_problems(reader, writer, where)
    elif kind == "array":
        yield from _problems(reader["items"], writer["items"], f"an item of {where}")
    elif kind == "map":
        yield from _problems(reader["values"], writer["values"], f"a value of {where}")
    else:
        yield from _logical_problems(reader, writer, where)


def _kind(schema: Any) -> str:
    kind = schema["type"] if isinstance(schema, dict) else schema
    return _kind(kind) if isinstance(kind, dict) else str(kind)


def _union_problems(reader: Any, writer: Any, where: str) -> Iterator[str]:
    written = writer if isinstance(writer, list) else [writer]
    readable = reader if isinstance(reader, list) else [reader]
    for branch in written:
        tries = [list(_problems(candidate, branch, where)) for candidate in readable]
        if all(tries):
            # With one candidate of the same kind its own problems say more.
            same = [
                found for candidate, found in zip(readable, tries, strict=True) if _kind(candidate) == _kind(branch)
            ]
            yield from same[0] if same else [f"{where} may be {_kind(branch)}, which is no branch of the reader's"]


def _record_problems(reader: Any, writer: Any, where: str) -> Iterator[str]:
    if reader["name"] != writer["name"]:
        yield f"{where} is named {writer['name']} and is read as {reader['name']}"
    written = {field["name"]: field for field in writer["fields"]}
    for field in reader["fields"]:
        name = field["name"]
        if name in written:
            yield from _problems(field["type"], written[name]["type"], name)
        elif "default" not in field:
            yield f"{name} is missing and has no default"


def _enum_problems(reader: Any, writer: Any, where: str) -> Iterator[str]:
    unknown = [symbol for symbol in writer["symbols"] if symbol not in reader["symbols"]]
    if reader["name"] != writer["name"]:
        yield f"{where} is the enum {writer['name']} and is read as {reader['name']}"
    if unknown and "default" not in reader:
        yield f"{where} may be {', '.join(unknown)}, and the enum has no default"


def _logical_problems(reader: Any, writer: Any, where: str) -> Iterator[str]:
    meant, read = (s.get("logicalType") if isinstance(s, dict) else None for s in (writer, reader))
    if meant != read:
        yield f"{where} means {meant or 'a plain number'} and is read as {read or 'a plain number'}"
