"""Real servers for every test that asks for them; nothing of the user's own settings reaches a test."""

import logging
import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import hypothesis
import psycopg
import pytest
import redis
from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec
from psycopg import sql

from infra.endpoints import Endpoints
from infra.kafka import admin_client
from infra.services import start_services, stop_services
from infra.settings import Settings
from infra.topics import create_topics, diff_topics

# What a caller of the suite may set; every other MOODTAPE_* variable and any moodtape.toml is the user's own.
_SERVERS = ("MOODTAPE_KAFKA_BOOTSTRAP", "MOODTAPE_DATABASE_URL", "MOODTAPE_REDIS_URL")
_KEPT = (*_SERVERS, "MOODTAPE_SHARED", "MOODTAPE_CACHE_DIR", "MOODTAPE_JAVA")
_ROOT = Path(__file__).resolve().parent.parent
_WAIT_SECONDS = 30.0


# No test is about time: on a busy machine an example may take as long as it needs.
hypothesis.settings.register_profile("patient", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("patient")


def pytest_configure(config: pytest.Config) -> None:
    """Hide the user's settings from the tests and from the programs that they start."""
    if config.getoption("dist", "no") != "no":
        return  # this process runs no test; those that do are about to take their environment from it
    for name in list(os.environ):
        if name.startswith("MOODTAPE_") and name not in _KEPT and not name.startswith("MOODTAPE_REQUIRE_"):
            del os.environ[name]
    config.stash[_OUTSIDE] = {name: os.environ.pop(name) for name in _SERVERS if name in os.environ}
    Settings.model_config["toml_file"] = None
    logging.getLogger("librdkafka").setLevel(logging.CRITICAL)


_OUTSIDE = pytest.StashKey[dict[str, str]]()


@pytest.fixture(scope="session")
def outside_servers(request: pytest.FixtureRequest) -> dict[str, str]:
    """The external servers that the suite was told to use, by setting."""
    return {name.removeprefix("MOODTAPE_").lower(): url for name, url in request.config.stash[_OUTSIDE].items()}


@pytest.fixture(scope="session")
def endpoints(outside_servers: dict[str, str]) -> Iterator[Endpoints]:
    """Kafka, PostgreSQL and Valkey: those of MOODTAPE_KAFKA_BOOTSTRAP and its like, else a trio of this session."""
    folder = Path(tempfile.mkdtemp(prefix="moodtape-test-"))
    settings = Settings(data_dir=folder, **outside_servers)  # type: ignore[arg-type]
    try:
        yield start_services(settings)
    finally:
        stop_services(settings)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def settings(endpoints: Endpoints, tmp_path: Path) -> Settings:
    """Settings of a user with an empty data folder who names the session's three servers.

    The database is the server's own; for one with our tables take the ``database`` fixture too:
    ``settings.model_copy(update={"database_url": SecretStr(database)})``.
    """
    return Settings(
        data_dir=tmp_path / "data",
        kafka_bootstrap=endpoints.kafka,
        database_url=endpoints.database,  # type: ignore[arg-type]
        redis_url=endpoints.redis,  # type: ignore[arg-type]
    )


@pytest.fixture
def topics(endpoints: Endpoints) -> str:
    """Every topic of ours, there and empty, and no consumer group; the bootstrap list."""
    admin = admin_client(endpoints.kafka)
    _delete_groups(admin)
    settings = Settings()
    differing = {line.split()[0] for line in diff_topics(endpoints.kafka, settings)}
    _delete_topics(admin, _used_topics(admin) | differing)
    create_topics(endpoints.kafka, settings)
    # A broker answers from an image of its metadata that lags behind what it has just acknowledged.
    _wait_until(lambda: not diff_topics(endpoints.kafka, settings), "the broker shows its new topics")
    _wait_until(lambda: _log_ends(admin) is not None, "every partition has a leader that answers")
    return endpoints.kafka


@pytest.fixture
def database(endpoints: Endpoints) -> Iterator[str]:
    """A database of this test alone with our tables in it; its URL."""
    from infra.migrate import migrate

    name = f"test_{uuid.uuid4().hex[:12]}"
    url = urlsplit(endpoints.database)._replace(path=f"/{name}").geturl()
    with psycopg.connect(endpoints.database, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            migrate(url)
            yield url
        finally:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def cache(endpoints: Endpoints) -> str:
    """An empty Redis or Valkey; its URL."""
    with redis.Redis.from_url(endpoints.redis) as client:
        client.flushdb()
    return endpoints.redis


@pytest.fixture
def environ(endpoints: Endpoints) -> dict[str, str]:
    """Environment for a ``moodtape`` command that shall use the session's servers (give it ``cwd=tmp_path``)."""
    urls = {
        "MOODTAPE_KAFKA_BOOTSTRAP": endpoints.kafka,
        "MOODTAPE_DATABASE_URL": endpoints.database,
        "MOODTAPE_REDIS_URL": endpoints.redis,
    }
    return {**os.environ, **urls}


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of recordings, data and models: MOODTAPE_SHARED, else ``../shared``; must be there in CI."""
    folder = Path(os.environ.get("MOODTAPE_SHARED") or _ROOT.parent / "shared")
    if not folder.is_dir():
        reason = f"{folder} is not there; MOODTAPE_SHARED names the folder of recordings and models"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return folder


def _used_topics(admin: AdminClient) -> set[str]:
    """Topics in which anything was ever written."""
    _wait_until(lambda: _log_ends(admin) is not None, "every partition has a leader that answers")
    return {topic for (topic, _), end in (_log_ends(admin) or {}).items() if end > 0}


def _log_ends(admin: AdminClient) -> dict[tuple[str, int], int] | None:
    """Where the log of each partition ends; None while the broker is not yet, or no longer, serving them all."""
    topics = admin.list_topics(timeout=_WAIT_SECONDS).topics
    ours = {name: topic for name, topic in topics.items() if not name.startswith("__")}
    partitions = [TopicPartition(name, number) for name, topic in ours.items() for number in topic.partitions]
    ends = admin.list_offsets({partition: OffsetSpec.latest() for partition in partitions}) if partitions else {}
    try:
        return {(each.topic, each.partition): future.result(_WAIT_SECONDS).offset for each, future in ends.items()}
    except KafkaException:
        return None


def _delete_topics(admin: AdminClient, names: set[str]) -> None:
    present = names & set(admin.list_topics(timeout=_WAIT_SECONDS).topics)
    if not present:
        return
    for future in admin.delete_topics(list(present), operation_timeout=_WAIT_SECONDS).values():
        future.result(2 * _WAIT_SECONDS)
    _wait_until(lambda: not present & set(admin.list_topics(timeout=_WAIT_SECONDS).topics), "topics are gone")


def _delete_groups(admin: AdminClient) -> None:
    """Delete consumer groups; one that has members still is left to its own test."""
    names = [group.group_id for group in admin.list_consumer_groups().result(_WAIT_SECONDS).valid]
    for future in admin.delete_consumer_groups(names).values() if names else ():
        try:
            future.result(_WAIT_SECONDS)
        except KafkaException:
            continue


def _wait_until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _WAIT_SECONDS
    while not holds():
        assert time.monotonic() < deadline, f"waited {_WAIT_SECONDS:.0f} s until {what}"
        time.sleep(0.02)
