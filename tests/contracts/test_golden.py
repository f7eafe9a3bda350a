"""Bytes that were written once are read for ever, by us and by those who know nothing of us."""

import io
import json
import typing
from datetime import datetime
from pathlib import Path
from typing import Any

import fastavro
import pytest
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

from infra.clock import from_datetime
from schemas.codec import codec_for, encode, from_dict, to_dict
from schemas.registry import REGISTRY
from schemas.topics import TOPICS

from .samples import SAMPLES

FOLDER = Path(__file__).parent / "golden"
CASES = [(topic, kind) for topic in TOPICS for kind in ("full", "bare")]


def golden(topic: str, kind: str) -> tuple[bytes, dict[str, Any]]:
    """Committed bytes of a record, and its values."""
    told = json.loads((FOLDER / f"{topic}.json").read_text("utf-8"))[kind]
    return bytes.fromhex(told["bytes"]), told["values"]


class ShippedSchemas(SchemaRegistryClient):
    """A registry client that answers from the shipped files instead of asking a server."""

    def __init__(self) -> None:
        super().__init__({"url": "http://127.0.0.1:9"})

    def get_schema(self, schema_id: int, *args: object, **kwargs: object) -> Schema:
        """The schema of an id."""
        return Schema(REGISTRY.by_id[schema_id].text, "AVRO")

    def get_associations_by_resource_name(self, *args: object, **kwargs: object) -> list[object]:
        """Newer clients ask whether a topic has subjects of other names; ours have none."""
        return []


def plain(value: Any) -> Any:
    """A foreign reader's value with its datetimes as microseconds."""
    if isinstance(value, datetime):
        return from_datetime(value)
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    return [plain(inner) for inner in value] if isinstance(value, list) else value


@pytest.mark.parametrize(("topic", "kind"), CASES)
def test_our_codec_writes_and_reads_the_golden_bytes(topic: str, kind: str) -> None:
    """The sample record's bytes are the committed ones, and they are read back to an equal record."""
    value, _ = golden(topic, kind)
    record = SAMPLES[topic][0 if kind == "full" else 1]
    assert codec_for(topic).decode(value) == record
    assert encode(record) == value


@pytest.mark.parametrize(("topic", "kind"), CASES)
def test_a_plain_confluent_deserializer_reads_the_golden_bytes(topic: str, kind: str) -> None:
    """Confluent's own Avro deserializer finds the schema by the id in the frame and reads every value."""
    value, expected = golden(topic, kind)
    read = AvroDeserializer(ShippedSchemas())(value, SerializationContext(topic, MessageField.VALUE))
    assert plain(read) == expected


@pytest.mark.parametrize(("topic", "kind"), CASES)
def test_a_confluent_deserializer_with_the_schema_file_alone_reads_them(topic: str, kind: str) -> None:
    """Given the .avsc's text as the reader's schema it reads the same."""
    value, expected = golden(topic, kind)
    text = REGISTRY.versions(TOPICS[topic].subject)[-1].text
    read = AvroDeserializer(ShippedSchemas(), text)(value, SerializationContext(topic, MessageField.VALUE))
    assert plain(read) == expected


@pytest.mark.parametrize(("topic", "kind"), CASES)
def test_fastavro_reads_the_golden_bytes(topic: str, kind: str) -> None:
    """After the five bytes of the frame there is plain Avro, and nothing behind it."""
    value, expected = golden(topic, kind)
    assert value[0] == 0
    schema_id = int.from_bytes(value[1:5], "big")
    stream = io.BytesIO(value[5:])
    read = fastavro.schemaless_reader(stream, fastavro.parse_schema(REGISTRY.by_id[schema_id].schema))
    assert plain(read) == expected
    assert stream.read() == b""


@pytest.mark.parametrize("topic", TOPICS)
def test_the_full_sample_says_something_in_every_field(topic: str) -> None:
    """No field of a full sample has its default, so that the golden bytes hold every field to its place."""
    full, bare = (to_dict(record) for record in SAMPLES[topic])
    same = {name for name in full if full[name] == bare[name]}
    assert same <= {"revision"}


@pytest.mark.parametrize("topic", TOPICS)
def test_a_record_made_from_its_values_is_the_record(topic: str) -> None:
    """Values as dictionaries and back lose nothing."""
    for record in SAMPLES[topic]:
        kind = typing.cast("Any", type(record))
        assert from_dict(kind, json.loads(json.dumps(to_dict(record)))) == record
