"""Reading logs between offsets, against a real broker."""

from collections.abc import Mapping

import pytest

from infra.errors import UserError
from infra.kafka import plain_producer
from infra.offsets import cluster_of, read_until, topic_ids
from schemas.topics import BARS, QUOTES
from tests.helpers.sinking import delete_records

pytestmark = pytest.mark.services
PLACE = (BARS, 3)


def fill(bootstrap: str, count: int) -> None:
    """Numbered records in one partition."""
    producer = plain_producer(bootstrap)
    for number in range(count):
        producer.produce(BARS, str(number).encode(), b"TSLA", partition=PLACE[1])
    producer.flush(30)


def numbers(bootstrap: str, end: int, starts: Mapping[tuple[str, int], int] | None = None) -> list[int]:
    """What is read before an end."""
    return [int(message.value()) for message in read_until(bootstrap, {PLACE: end}, starts)]


def test_exactly_what_lies_between_is_read(topics: str) -> None:
    """From the log's start or an offset on, and nothing that lies behind the end."""
    fill(topics, 50)
    assert numbers(topics, 20) == list(range(20))
    assert numbers(topics, 20, {PLACE: 17}) == [17, 18, 19]
    assert numbers(topics, 20, {PLACE: 20}) == []


def test_a_beginning_that_was_removed_is_refused(topics: str) -> None:
    """Whoever says where to begin must not get what comes later without a word; who does not gets what there is."""
    fill(topics, 50)
    delete_records(topics, *PLACE, 10)
    assert numbers(topics, 20) == list(range(10, 20))
    assert numbers(topics, 20, {PLACE: 10}) == list(range(10, 20))
    with pytest.raises(UserError, match="removed"):
        numbers(topics, 20, {PLACE: 9})


def test_a_topic_and_a_cluster_have_identities(topics: str) -> None:
    """Each topic has its own, which stays for as long as the topic does."""
    found = topic_ids(topics, [BARS, QUOTES])
    assert len({*found.values()}) == 2
    assert found == topic_ids(topics, [QUOTES, BARS])
    assert cluster_of(topics) == cluster_of(topics) != ""
