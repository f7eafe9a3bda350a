"""One machine's whole pipeline under one supervisor: what ``run`` and ``demo`` share."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from infra.endpoints import Endpoints, find_endpoints
from infra.errors import ServiceUnavailable
from infra.kafka import plain_producer
from infra.metrics import Health, serve_health
from infra.migrate import migrate
from infra.services import start_services, stop_services
from infra.settings import Settings
from infra.stopping import on_stop
from infra.topics import create_topics
from producers.ticks import TICK_SECONDS, write_ticks

from .pipeline import children
from .supervisor import Child, Supervisor
from .tending import ServerTender

TURN_SECONDS = 0.2
SERVERS_SECONDS = 30.0
Note = Callable[[str], None]


class Running:
    """The pipeline while it runs: servers up, topics and tables there, processes and servers tended."""

    def __init__(
        self, supervisor: Supervisor, servers: ServerTender, endpoints: Endpoints, stop: threading.Event
    ) -> None:
        self.supervisor = supervisor
        self._servers = servers
        self.endpoints = endpoints
        self.stopping = stop
        self._producer = plain_producer(endpoints.kafka)
        self._next_tick = 0.0

    def turn(self) -> bool:
        """Tend processes and servers for a moment; False once a signal asked to stop."""
        self.supervisor.tend()
        self._servers.look()
        if time.monotonic() >= self._next_tick:
            self._next_tick = time.monotonic() + TICK_SECONDS
            write_ticks(self._producer)
        return not self.stopping.wait(TURN_SECONDS)


@contextmanager
def running(settings: Settings, workers: int, producers: Sequence[Child], note: Note) -> Iterator[Running]:
    """Start everything, and stop it in reverse order, servers last; a second signal kills all but the servers."""
    stop, supervisor = threading.Event(), Supervisor(settings)

    def end_at_once() -> None:
        supervisor.kill()
        note("killed; the servers may still run, `moodtape down` stops them")

    on_stop(stop.set, within=None, last=end_at_once)
    supervisor.take_over()
    health = Health()
    health.ready["processes"] = supervisor.missing
    serve_health(health, settings, "supervisor")
    servers = ServerTender(settings)
    up_before = servers_are_up(settings)
    try:
        note("servers: starting (the first time they are downloaded)")
        endpoints = start_services(settings, note)
        note("topics and tables: creating what is missing")
        create_topics(endpoints.kafka, settings)
        migrate(endpoints.database)
        note("processes: starting")
        supervisor.start([*children(settings, workers), *producers])
        yield Running(supervisor, servers, endpoints, stop)
    finally:
        note("stopping")
        supervisor.stop()
        servers.wait(SERVERS_SECONDS)
        if not up_before:
            stop_services(settings)


def servers_are_up(settings: Settings) -> bool:
    """Whether somebody started the servers before, by `moodtape up`; then they are left running."""
    try:
        find_endpoints(settings)
    except ServiceUnavailable:
        return False
    return True
