"""Asking a broker for its topics while it has no controller."""

from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

import infra.topics
from infra.errors import ServiceUnavailable
from infra.settings import Settings
from infra.topics import desired_topics, diff_topics

HERE = desired_topics(Settings())


class Admin:
    """A client that knows all topics, and their configurations unless it met the broker too early."""

    def __init__(self, *, early: bool) -> None:
        self._early = early

    def list_topics(self, timeout: float) -> Any:
        """As the real one."""
        topics = {topic.name: SimpleNamespace(partitions=dict.fromkeys(range(topic.partitions))) for topic in HERE}
        return SimpleNamespace(topics=topics)

    def describe_configs(self, resources: Any, request_timeout: float) -> Any:
        """As the real one."""
        configs = {topic.name: topic.config for topic in HERE}
        futures: dict[Any, Future[Any]] = {resource: Future() for resource in resources}
        for resource, future in futures.items():
            if self._early:
                future.set_exception(KafkaException(KafkaError(KafkaError._TIMED_OUT)))
            else:
                entries = configs[resource.name].items()
                future.set_result({key: SimpleNamespace(value=value) for key, value in entries})
        return futures


@pytest.mark.parametrize("early", [0, 1, 3])
def test_another_client_is_asked_where_one_waits_for_a_controller(monkeypatch: pytest.MonkeyPatch, early: int) -> None:
    """A few that met the broker too early do no harm."""
    clients = [Admin(early=number < early) for number in range(early + 1)]
    monkeypatch.setattr(infra.topics, "admin_client", lambda _: clients.pop(0))
    assert diff_topics("anywhere", Settings()) == []
    assert clients == []


def test_a_broker_that_never_answers_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked no more than a few times."""
    monkeypatch.setattr(infra.topics, "admin_client", lambda _: Admin(early=True))
    with pytest.raises(ServiceUnavailable, match="did not describe"):
        diff_topics("anywhere", Settings())
