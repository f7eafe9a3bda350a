"""Records to bytes and back: Confluent framing (a zero byte, a four-byte schema id) around plain Avro."""

import io
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from functools import cache
from operator import attrgetter
from typing import Any

from fastavro import parse_schema, schemaless_reader

from .compiled import compile_reader, compile_writer
from .layouts import Layouts
from .quick import maker
from .records import Indicators, PostMention, Record, SentimentScore, SourceBar
from .registry import REGISTRY, Registry, SchemaVersion
from .topics import QUOTES, RAW_QUOTES, TOPIC_OF_RECORD, TOPICS

_FRAME = struct.Struct(">bI")
_NESTED: dict[str, Any] = {
    "bar": SourceBar,
    "indicators": Indicators,
    "sentiment": SentimentScore,
    "mentions": PostMention,
}
_NESTED_KINDS: dict[str, type] = {kind.__name__: kind for kind in _NESTED.values()}
# Topics whose records begin with all fields of another's.
EXTENDS = {QUOTES: RAW_QUOTES}
_MOST_TAILS = 4096
_BROKEN = (EOFError, IndexError, KeyError, OverflowError, TypeError, ValueError, struct.error)


class DecodeError(ValueError):
    """The bytes of a record cannot be read; ``reason`` is the dead letter's reason."""

    reason = "undecodable"


class UnknownSchema(DecodeError):
    """The framing is right, but no schema of that id belongs to the topic."""

    reason = "unknown_schema"


class Codec:
    """Encodes and decodes the records of one topic.

    Decoding resolves any registered older schema of the topic's subject to the present one.
    """

    def __init__(self, topic: str, registry: Registry = REGISTRY) -> None:
        spec = TOPICS[topic]
        versions = registry.versions(spec.subject)
        newest = versions[-1]
        self.record = spec.record
        self.schema_id = newest.id
        self._header = _FRAME.pack(0, newest.id)
        self._schema = _fast(newest.schema)
        self._older = {v.id: _fast(v.schema) for v in versions[:-1]}
        self._write = compile_writer(self._schema, _NESTED_KINDS)
        self._read = compile_reader(self._schema, spec.record, _NESTED_KINDS)
        self._layouts = Layouts(self._schema, spec.record, _NESTED_KINDS, _FRAME.size)
        self._laid_out = spec.numeric
        self._of_length = self._layouts.of_length
        self._from_dict = _record_maker(spec.record)
        self._base: _Base | None = None
        if topic in EXTENDS:
            first = TOPICS[EXTENDS[topic]]
            self._base = _base(self._schema, registry.versions(first.subject))
            self._first_values = attrgetter(*(f.name for f in fields(first.record)))
            self._make = maker(spec.record)

    def encode(self, record: Record) -> bytes:
        """Framed bytes of a record."""
        out = bytearray(self._header)
        self._write(out, record)
        return bytes(out)

    def extend(self, base: bytes | None, record: Any, more: tuple[Any, ...]) -> bytes:
        """Framed bytes of :meth:`extended`; ``base`` are those that ``record`` was read from."""
        known = self._base
        if known is None or base is None or not base.startswith(known.header):
            return self.encode(self.extended(record, more))
        tail = known.tails.get(more)
        if tail is None:
            tail = known.tail(self.extended(record, more), more)
        return self._header + base[_FRAME.size :] + tail

    def extended(self, record: Any, more: tuple[Any, ...]) -> Any:
        """The record that begins with the fields of one of the topic in :data:`EXTENDS`; ``more`` are the others."""
        return self._make(*self._first_values(record), *more)

    def decode(self, value: bytes | None) -> Any:
        """The record in framed bytes.

        Raises:
            UnknownSchema: no schema of that id belongs to this topic.
            DecodeError: anything else is wrong with the bytes.
        """
        if value is None or len(value) < _FRAME.size:
            raise DecodeError("shorter than a frame")
        try:
            layouts = self._of_length.get(len(value))
            if layouts is not None:
                bits = int.from_bytes(value, "little")
                for mask, fixed, read in layouts:
                    if bits & mask == fixed:
                        return read(value)
            return self._decode_plainly(value)
        except DecodeError:
            raise
        except _BROKEN as error:
            raise DecodeError(f"{type(error).__name__} in the Avro body") from error

    def _decode_plainly(self, value: bytes) -> Any:
        present = value.startswith(self._header)
        record, end = self._read(value, _FRAME.size) if present else self._read_older(value)
        if end != len(value):
            raise DecodeError(f"{len(value) - end} bytes left over")
        if present and self._laid_out:
            self._layouts.notice(value)
        return record

    def _read_older(self, value: bytes) -> tuple[Any, int]:
        magic, schema_id = _FRAME.unpack_from(value)
        if magic != 0:
            raise DecodeError(f"first byte is {magic}, not 0")
        writer = self._older.get(schema_id)
        if writer is None:
            raise UnknownSchema(f"schema id {schema_id} is not one of this topic")
        stream = io.BytesIO(value)
        stream.seek(_FRAME.size)
        return self._from_dict(schemaless_reader(stream, writer, self._schema)), stream.tell()


def _base(schema: Any, versions: Sequence[SchemaVersion]) -> "_Base | None":
    """What a schema begins with, if it does."""
    if not versions:
        return None
    first = _fast(versions[-1].schema)["fields"]
    return _Base(schema, versions[-1].id, len(first)) if schema["fields"][: len(first)] == first else None


class _Base:
    """The newest schema of another topic, which a schema begins with.

    Attributes:
        header: frame of its records.
        tails: bytes of the other fields by their values, so far as they are kept.
    """

    def __init__(self, schema: Any, base_id: int, fields: int) -> None:
        rest = schema["fields"][fields:]
        self.header = _FRAME.pack(0, base_id)
        self._write = compile_writer({**schema, "fields": rest}, _NESTED_KINDS)
        self.tails: dict[tuple[Any, ...], bytes] = {}

    def tail(self, record: Record, more: tuple[Any, ...]) -> bytes:
        """The bytes of the other fields, ``more``; few values of them are the most of all."""
        out = bytearray()
        self._write(out, record)
        tail = bytes(out)
        if len(self.tails) < _MOST_TAILS:
            self.tails[more] = tail
        return tail


@cache
def codec_for(topic: str) -> Codec:
    """The codec of a topic with the shipped registry."""
    return Codec(topic)


def encode(record: Record) -> bytes:
    """Framed bytes of a record for the one topic that carries its kind."""
    return codec_for(TOPIC_OF_RECORD[type(record)].name).encode(record)


def to_dict(record: Record) -> dict[str, Any]:
    """A record as plain nested dictionaries, lists and scalars, in the schema's order."""
    return _dict_maker(type(record))(record)


def from_dict(kind: type[Record], data: Mapping[str, Any]) -> Any:
    """The inverse of :func:`to_dict`; missing fields take their defaults, unknown ones raise TypeError."""
    return _record_maker(kind)(dict(data))


def _fast(schema: Any) -> Any:
    # Without the logical type no datetime is built (3-4 us a timestamp).
    return parse_schema(without_logical_types(schema))


def without_logical_types(schema: Any) -> Any:
    """The schema whose values are plain longs; the bytes are the same."""
    if isinstance(schema, dict):
        plain = {k: without_logical_types(v) for k, v in schema.items() if k != "logicalType"}
        return plain["type"] if set(plain) == {"type"} else plain
    if isinstance(schema, list):
        return [without_logical_types(item) for item in schema]
    return schema


def _make_dict_maker(kind: Any) -> Callable[[Any], dict[str, Any]]:
    names = tuple(f.name for f in fields(kind))
    values = attrgetter(*names)
    nested = [name for name in names if name in _NESTED and name != "mentions"]
    lists = [name for name in names if name == "mentions" and kind.__name__ == "ScoredPost"]

    def make(record: Any) -> dict[str, Any]:
        data = dict(zip(names, values(record), strict=True))
        for name in nested:
            inner = data[name]
            if inner is not None:
                data[name] = _dict_maker(_NESTED[name])(inner)
        for name in lists:
            data[name] = [_dict_maker(PostMention)(item) for item in data[name]]
        return data

    return make


def _make_record_maker(kind: Any) -> Callable[[dict[str, Any]], Any]:
    names = [f.name for f in fields(kind)]
    nested = [name for name in names if name in _NESTED and name != "mentions"]
    tuples = [f.name for f in fields(kind) if str(f.type).startswith("tuple")]
    listed = "mentions" in names and kind.__name__ == "ScoredPost"

    def make(data: dict[str, Any]) -> Any:
        for name in nested:
            inner = data.get(name)
            if inner is not None:
                data[name] = _NESTED[name](**inner)
        if listed:
            data["mentions"] = tuple(PostMention(**item) for item in data.get("mentions", ()))
        for name in tuples:
            if name in data:
                data[name] = tuple(data[name])
        return kind(**data)

    return make


_dict_maker: Callable[[Any], Callable[[Any], dict[str, Any]]] = cache(_make_dict_maker)
_record_maker: Callable[[Any], Callable[[dict[str, Any]], Any]] = cache(_make_record_maker)
