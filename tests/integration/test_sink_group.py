"""What a sink hears of its consumer group, from a real one."""

import uuid
from contextlib import closing

import pytest

from infra.settings import Settings
from schemas.topics import GAPS
from sinks.log import KafkaLog
from tests.helpers.waiting import wait_for

pytestmark = pytest.mark.services
WAIT_SECONDS = 60


def joined(*logs: KafkaLog) -> bool:
    """Let each poll; whether the group has said to all which partitions are theirs."""
    for log in logs:
        log.idle(0.1)
    return all(log.given is not None for log in logs)


def test_a_group_forgets_who_is_not_in_it(topics: str, settings: Settings) -> None:
    """It waits for nobody while it is not there yet, while it has what it wants, and when it is empty; not in between.

    Of two processes and one partition it gives one to the first and none to the second, which is a word too.
    """
    group, alone = f"test.{uuid.uuid4().hex}", settings.model_copy(update={"instance": None})
    with closing(KafkaLog(alone, topics, group, [GAPS])) as first:
        wait_for(first.is_forgotten, "Kafka tells of groups", WAIT_SECONDS)
        wait_for(lambda: joined(first), "the group has an answer", WAIT_SECONDS)
        assert (first.given, first.moved) == (1, True)
        with closing(KafkaLog(alone, topics, group, [GAPS])) as second:
            wait_for(lambda: not first.is_forgotten() or second.given is not None, "the second one joins", WAIT_SECONDS)
            wait_for(lambda: joined(first, second), "the group has an answer for both", WAIT_SECONDS)
            assert sorted([first.given, second.given]) == [0, 1]
            assert second.is_forgotten()  # asked of who is in it, it means only that the group is complete
    with closing(KafkaLog(alone, "localhost:1", group, [GAPS])) as away:
        assert not away.is_forgotten()
