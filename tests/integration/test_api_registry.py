"""The registry endpoints: a client that knows nothing of ours reads our bytes with them."""

from collections.abc import Iterator

import httpx
import pytest
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient, SchemaRegistryError
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from api.app import create_app
from infra.endpoints import Endpoints
from infra.settings import Settings
from schemas.codec import codec_for, encode
from schemas.records import Correlation, Mention
from schemas.registry import REGISTRY
from schemas.topics import CORRELATIONS, MENTIONS, TOPICS

from .serving import NOON, running

MEDIA_TYPE = "application/vnd.schemaregistry.v1+json"
NOWHERE = Endpoints(kafka="", database="postgresql://nobody@127.0.0.1:9/x", redis="redis://127.0.0.1:9/0")


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """The API with no server behind it: schemas need none."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("data"))
    with running(create_app(settings, NOWHERE, "registry")) as client:
        yield client


@pytest.fixture
def registry(client: httpx.Client) -> SchemaRegistryClient:
    """A plain client of a schema registry."""
    return SchemaRegistryClient({"url": str(client.base_url)})


def test_a_plain_deserializer_reads_our_records(registry: SchemaRegistryClient) -> None:
    """Confluent's own deserializer, told nothing but the address, gives every field its value."""
    read = AvroDeserializer(registry)
    mention = Mention(symbol="TSLA", source="x", post_id="1", event_time=NOON, score=0.25, words=("to", "the", "moon"))
    correlation = Correlation(
        symbol="TSLA", interval=300, window=60, event_time=NOON, lags=(0, 1), r_by_lag=(0.5, None)
    )

    told = read(encode(mention), SerializationContext(MENTIONS, MessageField.VALUE))
    other = read(encode(correlation), SerializationContext(CORRELATIONS, MessageField.VALUE))

    assert (told["symbol"], told["score"], told["words"]) == ("TSLA", 0.25, ["to", "the", "moon"])
    assert (other["window"], other["r_by_lag"], other["r"]) == (60, [0.5, None], None)
    assert told["event_time"].isoformat() == "2022-03-16T16:00:00+00:00"
    assert read(None, SerializationContext(MENTIONS, MessageField.VALUE)) is None


def test_a_deserializer_without_a_topic_reads_them_too(registry: SchemaRegistryClient) -> None:
    """The id in the frame is enough."""
    mention = Mention(symbol="TSLA", source="x", post_id="1", event_time=NOON)

    assert AvroDeserializer(registry)(encode(mention), None)["post_id"] == "1"


def test_a_plain_serializer_writes_what_we_read(registry: SchemaRegistryClient) -> None:
    """A serializer that registers its schema first finds it there, and its bytes are ours."""
    schema = registry.get_latest_version(f"{MENTIONS}-value").schema.schema_str
    write = AvroSerializer(registry, schema, conf={"auto.register.schemas": True})
    value = {"symbol": "TSLA", "source": "x", "post_id": "1", "event_time": NOON}

    framed = write(value, SerializationContext(MENTIONS, MessageField.VALUE))

    assert codec_for(MENTIONS).decode(framed) == Mention(symbol="TSLA", source="x", post_id="1", event_time=NOON)


def test_every_topic_has_its_schema_under_its_id(registry: SchemaRegistryClient) -> None:
    """Subjects, versions and ids are those of the shipped files."""
    assert registry.get_subjects() == sorted(spec.subject for spec in TOPICS.values())
    for spec in TOPICS.values():
        shipped = REGISTRY.versions(spec.subject)
        newest = registry.get_latest_version(spec.subject)
        assert registry.get_versions(spec.subject) == [v.version for v in shipped]
        assert (newest.schema_id, newest.schema.schema_str) == (shipped[-1].id, shipped[-1].text)
        assert registry.get_schema(shipped[-1].id).schema_str == shipped[-1].text


def test_another_schema_cannot_be_registered(registry: SchemaRegistryClient) -> None:
    """The registry is read-only and says so with Confluent's code."""
    with pytest.raises(SchemaRegistryError) as refused:
        registry.register_schema(f"{MENTIONS}-value", Schema('{"type": "string"}', "AVRO"))

    assert (refused.value.http_status_code, refused.value.error_code) == (422, 42205)


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/subjects/nothing/versions", 404, 40401),
        ("/subjects/nothing/versions/latest", 404, 40401),
        ("/subjects/bars.v1-value/versions/999", 404, 40402),
        ("/subjects/bars.v1-value/versions/zero", 422, 42202),
        ("/subjects/bars.v1-value/versions/0", 422, 42202),
        ("/schemas/ids/1", 404, 40403),
        ("/schemas/ids/99999999999999999999", 404, 40403),
        ("/schemas/ids/x", 404, 40403),
        ("/config/nothing", 404, 40401),
    ],
)
def test_what_is_not_there_has_the_codes_of_a_registry(client: httpx.Client, path: str, status: int, code: int) -> None:
    """Clients tell these apart by error_code."""
    answer = client.get(path)

    assert (answer.status_code, answer.json()["error_code"]) == (status, code)
    assert answer.headers["content-type"] == MEDIA_TYPE


def test_what_user_interfaces_ask_first_is_answered(client: httpx.Client) -> None:
    """Kinds of schemas, compatibility, mode, bare schemas and where an id is used."""
    told = {path: client.get(path) for path in ("/schemas/types", "/config", "/config/bars.v1-value", "/mode")}
    bar = REGISTRY.versions("bars.v1-value")[-1]

    assert told["/schemas/types"].json() == ["AVRO"]
    assert told["/config"].json() == told["/config/bars.v1-value"].json() == {"compatibilityLevel": "BACKWARD"}
    assert told["/mode"].json() == {"mode": "READONLY"}
    assert {answer.headers["content-type"] for answer in told.values()} == {MEDIA_TYPE}
    assert client.get("/subjects/bars.v1-value/versions/-1").json()["id"] == bar.id
    assert client.get("/subjects/bars.v1-value/versions/latest/schema").json() == bar.schema
    assert client.get(f"/schemas/ids/{bar.id}/schema").json() == bar.schema
    assert client.get(f"/schemas/ids/{bar.id}/subjects").json() == ["bars.v1-value"]
    assert client.get(f"/schemas/ids/{bar.id}/versions").json() == [
        {"subject": "bars.v1-value", "version": bar.version}
    ]
    assert client.post("/subjects/bars.v1-value", json={"schema": bar.text}).json()["version"] == bar.version
    assert client.post("/subjects/bars.v1-value", json={"schema": "{"}).json()["error_code"] == 42201
