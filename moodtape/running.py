"""One machine's whole pipeline under one supervisor: what ``run`` and ``demo`` share."""

import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from infra.endpoints import Endpoints
from infra.kafka import plain_producer
from infra.migrate import migrate
from infra.services import start_services, stop_services
from infra.settings import Settings
from infra.topics import create_topics
from schemas.clocks import Clock
from schemas.topics import PARTITIONS, RAW_TOPICS

from .pipeline import children
from .supervisor import Child, Supervisor

TICK_SECONDS = 10.0
TURN_SECONDS = 0.2
Note = Callable[[str], None]


class Running:
    """The pipeline while it runs: servers up, topics and tables there, processes tended."""

    def __init__(self, supervisor: Supervisor, endpoints: Endpoints, stop: threading.Event) -> None:
        self.supervisor = supervisor
        self.endpoints = endpoints
        self.stopping = stop
        self._producer = plain_producer(endpoints.kafka)
        self._next_tick = 0.0

    def turn(self) -> bool:
        """Tend the processes for a moment; False once a signal asked to stop."""
        self.supervisor.tend()
        if time.monotonic() >= self._next_tick:
            self._tick()
        return not self.stopping.wait(TURN_SECONDS)

    def _tick(self) -> None:
        """Move append time on in both raw topics, so that first stages can tell an origin that fell silent."""
        self._next_tick = time.monotonic() + TICK_SECONDS
        headers = Clock(kind="tick").headers()
        for topic in RAW_TOPICS:
            for partition in range(PARTITIONS):
                self._producer.produce(topic, None, None, partition, headers=headers)
        self._producer.poll(0)


@contextmanager
def running(settings: Settings, workers: int, producers: Sequence[Child], note: Note) -> Iterator[Running]:
    """Start everything, and stop it in reverse order, servers last."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    note("servers: starting (first time: downloading)")
    endpoints = start_services(settings, note)
    supervisor = Supervisor(settings)
    try:
        note("topics and tables: creating what is missing")
        create_topics(endpoints.kafka, settings)
        migrate(endpoints.database)
        note("processes: starting")
        supervisor.start([*children(settings, workers), *producers])
        yield Running(supervisor, endpoints, stop)
    finally:
        note("stopping")
        supervisor.stop()
        stop_services(settings)
