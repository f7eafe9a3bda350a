"""Topics as code: created as the table says, and every difference is found."""

from typing import Any

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    OffsetSpec,
    ResourceType,
)

from infra.errors import ServiceUnavailable, UserError
from infra.kafka import admin_client, plain_producer
from infra.settings import Settings
from infra.topics import create_topics, desired_topics, diff_topics, require_topics
from schemas.topics import TOPICS
from tests.helpers.waiting import wait_for

pytestmark = pytest.mark.services


def _set_config(admin: AdminClient, topic: str, key: str, value: str) -> None:
    entry = ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET)
    change = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    for future in admin.incremental_alter_configs([change]).values():
        future.result()


def _ends(bootstrap: str, topic: str) -> int:
    parts = {TopicPartition(topic, number): OffsetSpec.latest() for number in range(12)}
    admin = admin_client(bootstrap)  # a client that nobody holds is gone before it answers
    return sum(future.result(30).offset for future in admin.list_offsets(parts).values())


def test_created_topics_do_not_differ(topics: str, settings: Settings) -> None:
    """What create makes, diff finds nothing to say about, and create again makes nothing."""
    assert diff_topics(topics, settings) == []
    assert create_topics(topics, settings) == []
    require_topics(topics, settings)


def test_diff_finds_a_changed_config(topics: str, settings: Settings) -> None:
    """A changed retention is one line of diff that names topic, setting, value and wish."""
    _set_config(admin_client(topics), "quotes.v1", "retention.ms", "1000")
    week = str(7 * 24 * 3_600_000)
    told = [f"quotes.v1 has retention.ms = 1000, not {week}"]
    wait_for(lambda: diff_topics(topics, settings) == told, "the broker shows the change")


def test_diff_finds_missing_topics_and_other_partition_counts(topics: str, settings: Settings) -> None:
    """A topic that is gone and one that grew are told, and the application refuses to start."""
    admin = admin_client(topics)
    for future in admin.create_partitions([NewPartitions("gaps.v1", 3)]).values():
        future.result()
    for future in admin.delete_topics(["bars.v1.dlq"], operation_timeout=30).values():
        future.result()
    told = ["gaps.v1 has 3 partitions, not 1", "bars.v1.dlq is missing"]
    wait_for(lambda: diff_topics(topics, settings) == told, "the broker shows the changes")
    with pytest.raises(UserError, match=r"gaps.v1 has 3 partitions.*moodtape topics create"):
        require_topics(topics, settings)


def test_the_fixture_empties_topics(topics: str, settings: Settings) -> None:
    """What one test wrote, the next one does not see (this test runs its own fixture's work twice)."""
    producer = plain_producer(topics)
    producer.produce("bars.v1", b"x", b"TSLA")
    producer.flush(10)
    wait_for(lambda: _ends(topics, "bars.v1") == 1, "the record is there")


def test_the_fixture_emptied_topics(topics: str) -> None:
    """After the test before this one wrote a record, the topic is empty again."""
    assert _ends(topics, "bars.v1") == 0


def test_kafka_that_is_not_there_is_told_plainly(settings: Settings) -> None:
    """An address where nobody listens gives one sentence with the address."""
    with pytest.raises(ServiceUnavailable, match=r"127\.0\.0\.1:9 does not answer"):
        diff_topics("127.0.0.1:9", settings)


@pytest.mark.parametrize("topic", [t for t in desired_topics(Settings()) if "retention.ms" in t.config], ids=str)
def test_segments_are_short_beside_the_retention(topic: Any) -> None:
    """No segment covers more than a twelfth of its topic's retention, and time is the broker's."""
    assert int(topic.config["segment.ms"]) * 12 <= int(topic.config["retention.ms"])
    assert topic.config["message.timestamp.type"] == "LogAppendTime"


def test_every_topic_of_facts_has_dead_letters_beside_it() -> None:
    """Each topic has a dead letter topic with as many partitions, so that a letter keeps its partition."""
    desired = {topic.name: topic for topic in desired_topics(Settings())}
    for spec in TOPICS.values():
        assert desired[f"{spec.name}.dlq"].partitions == desired[spec.name].partitions == spec.partitions


def test_three_copies_need_two_acknowledgements() -> None:
    """With three replicas a write is acknowledged by two."""
    assert {t.config["min.insync.replicas"] for t in desired_topics(Settings(replication_factor=3))} == {"2"}
