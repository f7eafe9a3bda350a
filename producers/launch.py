"""Runs a source as a process does: until it ends or a signal comes."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.endpoints import Endpoints
from infra.settings import Settings

from .recording import RecordingSource
from .runner import Produced, Runner
from .simulator import SimulatorOptions, SimulatorSource


def run_recording(
    settings: Settings,
    endpoints: Endpoints,
    folder: Path,
    speed: float | None = None,
    stop: threading.Event | None = None,
) -> Produced:
    """Write a recording into the raw topics; blocks until its end, or until SIGTERM, SIGINT or ``stop``.

    Args:
        settings: the settings.
        endpoints: where Kafka is.
        folder: the recording.
        speed: event seconds in a wall second; None = as fast as it goes.
        stop: set it to stop from another thread.

    Raises:
        UserError: the folder is no recording, or the topics hold later facts.
        ServiceUnavailable: Kafka does not answer.
        FatalError: a delivery failed; started again it continues.
    """
    with stopped_by_signals(stop or threading.Event()) as flag:
        return Runner(endpoints.kafka, RecordingSource(folder, speed), flag).run()


def run_simulator(
    settings: Settings, endpoints: Endpoints, options: SimulatorOptions, stop: threading.Event | None = None
) -> Produced:
    """Simulate into the raw topics, and write the ledger; blocks like :func:`run_recording`.

    Args:
        settings: the settings; the ledger goes to their data folder.
        endpoints: where Kafka is.
        options: what to simulate.
        stop: set it to stop from another thread.

    Raises:
        UserError: an option makes no sense, or the topics hold something that does not go together with it.
        ServiceUnavailable: Kafka does not answer.
        FatalError: a delivery failed; started again it continues.
    """
    source = SimulatorSource(options)
    with stopped_by_signals(stop or threading.Event()) as flag:
        return Runner(endpoints.kafka, source, flag, accepted=lambda: source.write_ledger(settings.data_dir)).run()


@contextmanager
def stopped_by_signals(flag: threading.Event) -> Iterator[threading.Event]:
    """Set ``flag`` on SIGTERM and SIGINT while inside; signals are only caught in the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield flag
        return
    before = {number: signal.signal(number, lambda *_: flag.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield flag
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
