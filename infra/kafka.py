"""Settings of the librdkafka clients, in one place: what every producer, consumer and admin client of ours uses."""

import logging
import random
import re
import time
from collections.abc import Callable
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient

# librdkafka's default partitioner is CRC32 and would break co-partitioning with Java's client.
PARTITIONER = "murmur2_random"
_REPEAT_SECONDS = 30.0
_NUMBER = re.compile(r"\d+")


class Sparing(logging.Filter):
    """Lets a message pass once in half a minute, whatever the numbers in it.

    While a broker is away, each client of librdkafka says so at each attempt.
    """

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a message is news."""
        now, text = time.monotonic(), _NUMBER.sub("", record.getMessage())
        if now - self._said.get(text, -_REPEAT_SECONDS) < _REPEAT_SECONDS:
            return False
        self._said[text] = now
        return True


_client_log = logging.getLogger("librdkafka")
_client_log.setLevel(logging.ERROR)
_client_log.addFilter(Sparing())


def client_config(bootstrap: str) -> dict[str, Any]:
    """Settings shared by every client."""
    return {
        "bootstrap.servers": bootstrap,
        "log_level": 3,
        "logger": _client_log,
        "socket.keepalive.enable": True,
        # The default of ten seconds would be most of the time that a broker's return takes to be noticed.
        "reconnect.backoff.max.ms": 1000,
    }


def producer_config(bootstrap: str, **extra: Any) -> dict[str, Any]:
    """An idempotent producer: acks=all, lz4, Java's partitioner."""
    return {
        **client_config(bootstrap),
        "acks": "all",
        "enable.idempotence": True,
        "compression.type": "lz4",
        "partitioner": PARTITIONER,
        "linger.ms": 5,
        "batch.size": 262_144,
        "queue.buffering.max.messages": 200_000,
        "message.max.bytes": 8 * 1024 * 1024,
        **extra,
    }


def consumer_config(bootstrap: str, group: str, **extra: Any) -> dict[str, Any]:
    """A read_committed consumer with bounded prefetch that commits only when told to."""
    return {
        **client_config(bootstrap),
        "group.id": group,
        "isolation.level": "read_committed",
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "earliest",
        # The defaults prefetch 100,000 records or 64 MiB a partition.
        "queued.min.messages": 2000,
        "queued.max.messages.kbytes": 1024,
        "fetch.wait.max.ms": 50,
        # With so little prefetched, the default pause of a second between fetches would halve the throughput.
        "fetch.queue.backoff.ms": 20,
        **extra,
    }


def admin_client(bootstrap: str) -> AdminClient:
    """An admin client."""
    return AdminClient(client_config(bootstrap))


def plain_producer(bootstrap: str, **extra: Any) -> Producer:
    """An idempotent producer without transactions."""
    return Producer(producer_config(bootstrap, **extra))


def is_fatal(error: KafkaError) -> bool:
    """Whether a client is dead: ``consume()`` hands fatal errors out with ``fatal()`` False and code _FATAL."""
    return bool(error.fatal()) or error.code() == KafkaError._FATAL


def insist(call: Callable[[], object], seconds: float) -> None:
    """Repeat a call of a client for so long while it says that repeating may help.

    Raises:
        KafkaException: repeating does not help, or did not.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            call()
        except KafkaException as error:
            if not error.args[0].retriable() or time.monotonic() > deadline:
                raise
            time.sleep(0.05 + 0.1 * random.random())  # noqa: S311  # jitter
        else:
            return
