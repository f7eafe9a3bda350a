"""The programs that the simulated machine runs: ours, with the broker, the time and the database in memory."""

import logging
import random
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

import structlog

from infra.errors import FatalError
from infra.settings import Settings
from sinks import log as sink_log
from sinks.loop import SinkLoop
from streams.engine import chunks, core, pump, restore, transactions, worker
from streams.stage import Stage

from . import clients
from .broker import PARTITIONS
from .database import MemoryStore
from .machine import Process, VirtualTime, this_process

GROUP_OF_SINK = "sink"


class TurnTaking(chunks.Handover):
    """Where the real one waits for the agent's thread, this lets it run."""

    def wait(self, seconds: float) -> None:
        this_process().wait(seconds, idle=True)


class Chance:
    """Stands where a module of ours has the standard library's ``random``."""

    @staticmethod
    def random() -> float:
        return this_process().machine.services["chance"].random()


def _noting(commit: Callable[..., bool]) -> Callable[..., bool]:
    """The commit of a worker, which lets the broker know of what chunks it is."""

    def noted(self: Any, finished: Sequence[chunks.Finished], *rest: Any) -> bool:
        process = this_process()
        process.folded = [(process.stage, item.owned.partition, item.topic, item.end) for item in finished]
        return commit(self, finished, *rest)

    return noted


@contextmanager
def in_memory() -> Iterator[None]:
    """Clients, time and chance of the simulation, where modules of ours have the libraries'; no log lines."""
    replaced: list[tuple[Any, str, Any]] = [
        (core, "PARTITIONS", PARTITIONS),
        (pump, "Consumer", clients.SimConsumer),
        (restore, "Consumer", clients.SimConsumer),
        (restore, "log_ends", clients.log_ends),
        (transactions, "Producer", clients.SimProducer),
        (transactions, "random", Chance),
        (transactions, "within", clients.within),
        (sink_log, "Consumer", clients.SimConsumer),
        (sink_log, "admin_client", clients.admin_client),
        (sink_log, "within", clients.within),
        (transactions.Transactions, "commit", _noting(transactions.Transactions.commit)),
        *((module, "time", VirtualTime) for module in (pump, restore, transactions)),
    ]
    said = structlog.get_config()
    with ExitStack() as stack:
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
        stack.callback(structlog.configure, **said)
        for owner, name, stand_in in replaced:
            stack.enter_context(mock.patch.object(owner, name, stand_in))
        yield


def run_worker(process: Process, stage: Stage, settings: Settings, instance: str) -> None:
    """A worker of a stage: the Kafka thread, with the agent as a thread beside it."""
    inbox: deque[chunks.Chunk] = deque()
    handover = TurnTaking()
    kafka = pump.Pump(
        stage,
        settings,
        "memory",
        instance,
        send=inbox.extend,
        handover=handover,
        end=lambda why: process.end(FatalError(why)),
        now=lambda: 0,
    )
    process.stop, process.stage = kafka.stop, stage
    process.spawn("agent", lambda: _agent(process, stage, inbox, handover))
    kafka.run()


def _agent(process: Process, stage: Stage, inbox: "deque[chunks.Chunk]", handover: chunks.Handover) -> None:
    while True:
        process.wait(idle=not inbox)
        if not inbox:
            continue
        try:
            finished = _run(worker.process_chunk(stage, inbox.popleft(), handover))
        except Exception as error:
            handover.fail(error)
            if not isinstance(error, FatalError):
                raise
            return
        process.wait()
        handover.put(finished)


def _run(steps: Any) -> Any:
    """The result of a coroutine that never waits for an event loop."""
    try:
        steps.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("the agent waits for something that is not simulated")


def run_sink(process: Process, topics: Sequence[str], settings: Settings) -> None:
    """A sink of the facts of some topics."""
    machine = process.machine
    store = MemoryStore(machine.services["database"])
    log = sink_log.KafkaLog(settings, "memory", GROUP_OF_SINK, topics)
    stop = threading.Event()
    process.stop = stop.set
    SinkLoop(log, store, lambda: int(machine.now * 1e6), random.Random(0)).run(stop)
    log.close()
