"""What every sink does for ever: find its place, read a chunk, store it, go on; wait where a server is away.

The store decides where reading begins and whether a chunk may be stored. Whatever goes wrong in between, the chunk
is dropped and the store is asked again, so the loop itself can neither lose a record nor store one twice.
"""

import threading
from collections.abc import Mapping
from random import Random
from typing import Protocol

from infra.clock import MICROS, Now
from infra.errors import FatalError, TransientError
from infra.log import get_logger
from infra.metrics import COMMITS, CONSUMER_LAG, RECORDS_IN, RETRIES, Health

from .ledger import Bounds, Part, require_contained
from .log import Chunk
from .retry import Backoff

_LOG = get_logger(__name__)
POLL_SECONDS = 0.1
_SLICE_SECONDS = 0.2
_LAG_MICROS = 5 * MICROS
_SILENT_MICROS = 60 * MICROS
_STALL_MICROS = 30 * MICROS
_ALONE_MICROS = 20 * MICROS
_ASK_MICROS = 5 * MICROS


class Log(Protocol):
    """Partitions to read; :class:`sinks.log.KafkaLog` outside tests.

    ``moved``: other partitions than before. ``given``: how many the group gave this process; None: it said nothing yet.
    """

    moved: bool
    given: int | None

    def idle(self, seconds: float) -> None: ...
    def bounds(self) -> dict[Part, Bounds]: ...
    def seek(self, offsets: Mapping[Part, int]) -> None: ...
    def hold(self) -> None: ...
    def read(self, seconds: float) -> Chunk | None: ...
    def done(self, chunk: Chunk) -> None: ...
    def lags(self) -> dict[Part, int]: ...
    def behind(self) -> dict[Part, int]: ...
    def is_forgotten(self) -> bool: ...


class Store(Protocol):
    """Where chunks go."""

    name: str

    def place(self, bounds: Mapping[Part, Bounds]) -> dict[Part, int]:
        """Where to read on, for each partition.

        Raises:
            TransientError: the store is away.
        """
        ...

    def write(self, chunk: Chunk) -> bool:
        """Store a chunk; False if another writer was there before, and nothing was stored.

        Raises:
            TransientError: the store is away; whether the chunk is stored is not known.
        """
        ...

    def idle(self) -> None:
        """There is nothing to store just now: a moment to look after what is stored.

        Raises:
            TransientError: the store is away, or must be asked again where to read on.
        """
        ...


class SinkLoop:
    """One sink process. ``problem`` says what it waits for, None while it works."""

    def __init__(self, log: Log, store: Store, now: Now, random: Random) -> None:
        self._log, self._store, self._now = log, store, now
        self._backoff = Backoff(random)
        self._placed = False
        self._lag_at = 0
        self._stall_at = now()
        self._asked_at = now()
        self._alone_at: int | None = None
        self._behind: Mapping[Part, int] = {}
        self._shown: set[Part] = set()
        self.beat = now()
        self.problem: str | None = "not assigned yet"

    def run(self, stop: threading.Event) -> None:
        """Go on until told to stop."""
        while not stop.is_set():
            wait = self.step()
            while wait > 0 and not stop.is_set():
                self.beat = self._now()
                self._log.idle(min(wait, _SLICE_SECONDS))
                wait -= _SLICE_SECONDS

    def step(self) -> float:
        """Find a place or store one chunk; returns seconds to wait before the next step.

        Raises:
            FatalError: the process must be started again.
        """
        self.beat = self._now()
        try:
            if self._log.moved:
                self._placed = False
                self._forget_lag()
            if self._placed:
                self._pass_on()
            else:
                self._find_place()
        except TransientError as error:
            return self._wait_for(error)
        self._backoff.reset()
        return 0.0

    def live(self) -> str | None:
        """What is wrong if the process hangs, for the health page."""
        silent = self._now() - self.beat
        return f"no step for {silent // MICROS} s" if silent > _SILENT_MICROS else None

    def _find_place(self) -> None:
        # Rebalances are served here as well: an unplaced sink may wait for its first partitions.
        self._log.idle(0.0 if self._log.moved and self._log.given else POLL_SECONDS)
        bounds = self._log.bounds()
        if not bounds:
            self._look_for_a_group()
            return
        self._alone_at = None
        offsets = self._store.place(bounds)
        # Asked again: meanwhile another writer may have stored what came behind the ends of the first answer.
        require_contained(self._store.name, offsets, self._log.bounds())
        self._log.seek(offsets)
        self._placed, self.problem, self._behind = True, None, {}
        _LOG.info("reading", sink=self._store.name, partitions=len(bounds))

    def _pass_on(self) -> None:
        chunk = self._log.read(POLL_SECONDS)
        if chunk is None:
            self._store.idle()
            self._show_lag()
            self._look_for_stalls()
            return
        if not self._store.write(chunk):
            _LOG.warning("another writer was here: chunk dropped", sink=self._store.name)
            COMMITS.labels("dropped").inc()
            self._placed = False
            return
        self._log.done(chunk)
        COMMITS.labels("stored").inc()
        for part, messages in chunk.messages.items():
            RECORDS_IN.labels(part.topic).inc(len(messages))
        self._show_lag()

    def _look_for_a_group(self) -> None:
        """Called without partitions: Kafka's client may have lost them, and never ask for new ones.

        Raises:
            FatalError: for long enough the group has been complete without this process; a new one joins it.
        """
        now = self._now()
        if self._log.given is not None:
            self._alone_at = None
        elif now - self._asked_at >= _ASK_MICROS:
            self._asked_at = now
            if not self._log.is_forgotten():
                self._alone_at = None
            elif self._alone_at is None:
                self._alone_at = now
            elif now - self._alone_at >= _ALONE_MICROS:
                raise FatalError(f"the group has been complete without this sink for {_ALONE_MICROS // MICROS} s")

    def _look_for_stalls(self) -> None:
        """Called when nothing that was fetched is left: a partition that has more and does not move is stuck.

        Raises:
            FatalError: a partition is stuck; a new process reads it.
        """
        if self._now() - self._stall_at < _STALL_MICROS:
            return
        self._stall_at = self._now()
        behind = self._log.behind()
        stuck = sorted(part for part, offset in behind.items() if self._behind.get(part) == offset)
        if stuck:
            raise FatalError(f"{len(stuck)} partitions have more to read and do not move, {stuck[0].topic} first")
        self._behind = behind

    def _wait_for(self, error: TransientError) -> float:
        wait = self._backoff.next()
        if self.problem != str(error):
            _LOG.warning("waiting", sink=self._store.name, problem=str(error))
        self.problem, self._placed = str(error), False
        RETRIES.labels(self._store.name).inc()
        self._log.hold()
        return wait

    def _show_lag(self) -> None:
        if self._now() - self._lag_at < _LAG_MICROS:
            return
        self._lag_at = self._now()
        for part, lag in self._log.lags().items():
            CONSUMER_LAG.labels(part.topic, str(part.partition)).set(lag)
            self._shown.add(part)

    def _forget_lag(self) -> None:
        """Partitions that another process has now would be shown here for ever as they were."""
        for part in self._shown:
            CONSUMER_LAG.remove(part.topic, str(part.partition))
        self._shown.clear()
        self._lag_at = 0


def watch(loop: SinkLoop, health: Health) -> None:
    """Put a loop on the health page."""
    health.live["loop"] = loop.live
    health.ready["place"] = lambda: loop.problem
