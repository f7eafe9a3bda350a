"""Starts the embedded servers of a data folder again when they die, beside the loop that tends the processes."""

import signal
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from infra.endpoints import KAFKA, SERVERS, external_urls
from infra.errors import MoodtapeError
from infra.files import free_bytes
from infra.ledger import Ledger
from infra.log import get_logger
from infra.metrics import PROCESS_RESTARTS, forget_kept, show_kept
from infra.services import start_services
from infra.settings import Settings

_log = get_logger(__name__)
LOOK_SECONDS = 1.0
FIRST_DELAY_SECONDS = 1.0
MOST_DELAY_SECONDS = 10.0
RESERVE_BYTES = 64 << 20
_KILL_SECONDS = 5.0


class ServerTender:
    """Looks once a second which servers died, and starts them in a thread, since Kafka takes seconds to answer.

    A server that ``moodtape down`` stopped is left alone: the ledger holds no process of it. External servers are
    somebody else's.

    The broker is killed before its disk is full, and started when there is room again. Kafka writes its indexes through
    memory: a page for which there is no room fails the append after the records were written, the next append takes
    the same offsets, and at its next start it throws the whole segment away. A broker that is killed loses nothing.

    Args:
        start: brings up what does not run, or raises a ``MoodtapeError``.
        monotonic: seconds.
        free: bytes that are free on the disk of a folder.
    """

    def __init__(
        self,
        settings: Settings,
        start: Callable[[Settings], object] = start_services,
        monotonic: Callable[[], float] = time.monotonic,
        free: Callable[[Path], int] = free_bytes,
    ) -> None:
        self._settings = settings
        self._start = start
        self._monotonic = monotonic
        self._free = free
        self._short = False
        self._ours = [name for name in SERVERS if name not in external_urls(settings)]
        self._thread: threading.Thread | None = None
        self._due = 0.0
        self._delay = FIRST_DELAY_SECONDS

    def look(self) -> None:
        """Called often; has an eye on the room each time, and looks who died once a second."""
        if KAFKA in self._ours and self._lacks_room():
            show_kept(KAFKA, running=False)
            return
        if not self._ours or self._monotonic() < self._due or (self._thread is not None and self._thread.is_alive()):
            return
        self._due = self._monotonic() + LOOK_SECONDS
        dead = self.dead()
        if dead:
            _log.warning("servers died, starting them again", servers=dead)
            self._thread = threading.Thread(target=self._bring_back, args=(dead,), name="servers", daemon=True)
            self._thread.start()

    def _lacks_room(self) -> bool:
        """Whether nothing is to be started for want of room; the broker does not outlive the answer."""
        room, before = self._free(self._settings.data_dir / KAFKA), self._short
        if room >= RESERVE_BYTES * (2 if before else 1):
            self._short = False
            if before:
                _log.info("there is room again", free_bytes=room)
            return False
        entry = Ledger.load(self._settings.data_dir).entries.get(KAFKA)
        if entry is None or entry.process is None:
            return False
        if entry.running():
            entry.process.stop(signal.SIGKILL, _KILL_SECONDS)
        self._short = True
        if not before:
            _log.error(
                "the broker is stopped: its disk is nearly full", free_bytes=room, needed_bytes=2 * RESERVE_BYTES
            )
        return True

    def wait(self, seconds: float) -> None:
        """Let a start that is under way finish, so that a stop afterwards finds what it started."""
        if self._thread is not None:
            self._thread.join(seconds)

    def dead(self) -> list[str]:
        """Names of the embedded servers that were started and whose process is gone."""
        entries = Ledger.load(self._settings.data_dir).entries
        known = {name: entries[name] for name in self._ours if name in entries}
        dead = [name for name, entry in known.items() if entry.process is not None and not entry.running()]
        for name, entry in known.items():
            if entry.process is None:  # stopped on purpose
                forget_kept(name)
            else:
                show_kept(name, running=name not in dead)
        return dead

    def _bring_back(self, dead: Iterable[str]) -> None:
        try:
            self._start(self._settings)
        except MoodtapeError as error:
            # A full disk, say: it may have room later.
            _log.error("servers not started", error=str(error), again_in_seconds=self._delay)
            self._due = self._monotonic() + self._delay
            self._delay = min(self._delay * 2, MOST_DELAY_SECONDS)
        else:
            self._delay = FIRST_DELAY_SECONDS
            for name in dead:
                PROCESS_RESTARTS.labels(name).inc()
