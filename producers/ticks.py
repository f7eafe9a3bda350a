"""Ticks: they move append time on in the raw topics, so that first stages can tell an origin that fell silent."""

import threading

from confluent_kafka import Producer

from schemas.clocks import Clock
from schemas.topics import PARTITIONS, RAW_TOPICS

TICK_SECONDS = 10.0


def write_ticks(producer: Producer) -> None:
    """One tick into every partition of both raw topics."""
    headers = Clock(kind="tick").headers()
    for topic in RAW_TOPICS:
        for partition in range(PARTITIONS):
            producer.produce(topic, None, None, partition, headers=headers)
    producer.poll(0)


def tick_until(stop: threading.Event, producer: Producer) -> None:
    """Write ticks every ten seconds until told to stop."""
    while not stop.is_set():
        write_ticks(producer)
        stop.wait(TICK_SECONDS)
    producer.flush(5)
