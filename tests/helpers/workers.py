"""Worker processes of the counting stage, prices for them, and whether they are through."""

import os
import subprocess
import sys
from pathlib import Path

from infra.kafka import plain_producer
from infra.offsets import committed_offsets, log_ends
from schemas.clocks import Clock
from schemas.codec import encode
from schemas.records import RawQuote
from schemas.topics import RAW_QUOTES

GROUP = "moodtape.quotes"
NAME = "counting"
"""Of the file with a worker's orders (``infra.failpoints``)."""
SYMBOLS = [f"S{number:02d}" for number in range(30)]


class Workers:
    """Worker processes of the counting stage, their logs in a folder; a context manager that kills them."""

    def __init__(self, folder: Path, kafka: str) -> None:
        self.folder = folder
        self.kafka = kafka
        self.started: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.started:
            process.kill()
            process.wait()

    def start(self, **more: str) -> subprocess.Popen[bytes]:
        """Start one."""
        environment = {
            **os.environ,
            "MOODTAPE_DATA_DIR": str(self.folder),
            "MOODTAPE_KAFKA_BOOTSTRAP": self.kafka,
            "MOODTAPE_DATABASE_URL": "postgresql://unused",
            "MOODTAPE_REDIS_URL": "redis://unused",
            "MOODTAPE_SESSION_TIMEOUT_MS": "6000",
            "MOODTAPE_SNAPSHOT_INTERVAL_SECONDS": "0.3",
            **more,
        }
        with (self.folder / f"worker-{len(self.started)}.log").open("wb") as log:
            command = [sys.executable, "-m", "tests.helpers.counting_stage", NAME]
            process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        self.started.append(process)
        return process

    def log(self, number: int) -> str:
        """What a worker said."""
        return (self.folder / f"worker-{number}.log").read_text()


def feed(kafka: str, count: int, first: int = 0) -> None:
    """Prices of thirty symbols, in turn, with a clock now and then."""
    producer = plain_producer(kafka)
    for number in range(first, first + count):
        symbol = SYMBOLS[number % len(SYMBOLS)]
        fact = RawQuote(source="x", symbol=symbol, event_time=number, ingest_time=number, price=100.0 + number)
        producer.produce(RAW_QUOTES, encode(fact), symbol)
        if number % 200 == 199:
            for partition in range(12):
                headers = Clock(kind="time", origin="x/0", time=number).headers()
                producer.produce(RAW_QUOTES, None, None, partition, headers=headers)
    assert producer.flush(30) == 0


def drained(kafka: str) -> bool:
    """Whether the group stands at the ends of the raw topic."""
    ends, stands = log_ends(kafka, [RAW_QUOTES]), committed_offsets(kafka, GROUP, [RAW_QUOTES])
    return all(stands.get(key, 0) >= end for key, end in ends.items())
