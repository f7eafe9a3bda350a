"""Servers of a measurement's own, in a fresh folder that is removed afterwards."""

import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.endpoints import Endpoints
from infra.services import start_services, stop_services
from infra.settings import Settings


@contextmanager
def servers() -> Iterator[tuple[Settings, Endpoints]]:
    """Kafka, PostgreSQL and Valkey of this measurement alone."""
    settings = Settings(data_dir=Path(tempfile.mkdtemp(prefix="moodtape-bench-")))
    # Whoever ends a measurement must not leave its servers behind.
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        yield settings, start_services(settings, note)
    finally:
        stop_services(settings)
        shutil.rmtree(settings.data_dir, ignore_errors=True)
        signal.signal(signal.SIGTERM, before)


def note(text: str) -> None:
    """Tell about progress."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
