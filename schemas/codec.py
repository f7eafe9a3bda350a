"""Records to bytes and back: Confluent framing (a zero byte, a four-byte schema id) around plain Avro."""

import io
import struct
from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import cache
from operator import attrgetter
from typing import Any

from fastavro import parse_schema, schemaless_reader, schemaless_writer

from .records import Indicators, PostMention, Record, SentimentScore, SourceBar
from .registry import REGISTRY, Registry
from .topics import TOPIC_OF_RECORD, TOPICS

_FRAME = struct.Struct(">bI")
_NESTED: dict[str, Any] = {
    "bar": SourceBar,
    "indicators": Indicators,
    "sentiment": SentimentScore,
    "mentions": PostMention,
}


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
        self.record = spec.record
        self.schema_id = versions[-1].id
        self._schema = _fast(versions[-1].schema)
        self._writers = {v.id: _fast(v.schema) for v in versions}
        self._header = _FRAME.pack(0, self.schema_id)
        self._to_dict = _dict_maker(spec.record)
        self._from_dict = _record_maker(spec.record)
        self._buffer = io.BytesIO()

    def encode(self, record: Record) -> bytes:
        """Framed bytes of a record."""
        buffer = self._buffer
        buffer.seek(0)
        buffer.truncate()
        buffer.write(self._header)
        schemaless_writer(buffer, self._schema, self._to_dict(record))
        return buffer.getvalue()

    def decode(self, value: bytes | None) -> Any:
        """The record in framed bytes.

        Raises:
            UnknownSchema: no schema of that id belongs to this topic.
            DecodeError: anything else is wrong with the bytes.
        """
        if value is None or len(value) < _FRAME.size:
            raise DecodeError("shorter than a frame")
        magic, schema_id = _FRAME.unpack_from(value)
        if magic != 0:
            raise DecodeError(f"first byte is {magic}, not 0")
        writer = self._writers.get(schema_id)
        if writer is None:
            raise UnknownSchema(f"schema id {schema_id} is none of {sorted(self._writers)}")
        reader = None if schema_id == self.schema_id else self._schema
        stream = io.BytesIO(value)
        stream.seek(_FRAME.size)
        try:
            data = schemaless_reader(stream, writer, reader)
            record = self._from_dict(data)
        except (EOFError, IndexError, KeyError, OverflowError, TypeError, ValueError, struct.error) as error:
            raise DecodeError(f"{type(error).__name__} in the Avro body") from error
        if stream.tell() != len(value):
            raise DecodeError(f"{len(value) - stream.tell()} bytes left over")
        return record


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
    # Same bytes on the wire; without the logical type no datetime is built (3-4 us a timestamp).
    return parse_schema(_without_logical_types(schema))


def _without_logical_types(schema: Any) -> Any:
    if isinstance(schema, dict):
        plain = {k: _without_logical_types(v) for k, v in schema.items() if k != "logicalType"}
        return plain["type"] if set(plain) == {"type"} else plain
    if isinstance(schema, list):
        return [_without_logical_types(item) for item in schema]
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
