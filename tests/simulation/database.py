"""A database in memory: rows, the sinks' ledger with row locks, and commits whose outcome the client never hears.

:class:`MemoryStore` takes the steps of ``sinks.timescale.TimescaleStore`` in the same order: move the ledger from
where this process believes it to stand, copy the rows, commit.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from infra.errors import TransientError
from sinks.ledger import Bounds, Part
from sinks.log import Chunk

from .machine import Process, this_process

FAULTS = ("away", "cut before commit", "answer lost")
LOCK_SECONDS = 20.0
IDLE_SECONDS = 30.0
Row = tuple[str, int, int]
"""Topic, partition and offset of a fact."""


@dataclass(eq=False)
class Session:
    """A transaction of one client; it ends with its process, or when it idles while others wait."""

    process: Process
    since: float
    ledger: dict[Part, int] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    open: bool = True


class Database:
    """What survives every crash; ``compares`` False moves the ledger wherever it stands."""

    def __init__(self) -> None:
        self.ledger: dict[Part, int] = {}
        self.rows: list[Row] = []
        self.locks: dict[Part, Session] = {}
        self.compares = True

    def lock(self, session: Session, part: Part) -> None:
        """Wait for a row of the ledger.

        Raises:
            TransientError: not got in time, or this session was ended meanwhile.
        """
        deadline = session.process.machine.now + LOCK_SECONDS
        while self._holder(part) not in (None, session):
            if session.process.machine.now > deadline:
                self.end(session)
                raise TransientError("database: lock not got")
            session.process.wait(0.1, idle=True)
        self.locks[part] = session

    def _holder(self, part: Part) -> Session | None:
        holder = self.locks.get(part)
        if holder is not None:
            idle = holder.process.machine.now - holder.since > IDLE_SECONDS
            if idle or not holder.process.alive:
                self.end(holder)
                return None
        return holder

    def end(self, session: Session, *, commit: bool = False) -> None:
        """Commit or roll back, and release the locks."""
        if commit:
            self.ledger.update(session.ledger)
            self.rows += session.rows
        session.open = False
        self.locks = {part: holder for part, holder in self.locks.items() if holder is not session}


class MemoryStore:
    """One client of the database, as a :class:`sinks.loop.Store`."""

    name = "memory"

    def __init__(self, database: Database) -> None:
        self._database = database
        self._process = this_process()

    def place(self, bounds: Mapping[Part, Bounds]) -> dict[Part, int]:
        self._step()
        return {part: self._database.ledger.setdefault(part, low) for part, (low, _, _) in bounds.items()}

    def write(self, chunk: Chunk) -> bool:
        self._step()
        database, session = self._database, Session(self._process, self._process.machine.now)
        if not self._advance(session, chunk):
            database.end(session)
            return False
        session.rows += [
            (*part, message.offset())
            for part, messages in chunk.messages.items()
            for message in messages
            if message.value() is not None
        ]
        self._step(session)
        if self._process.fault("cut before commit"):
            database.end(session)
            raise TransientError("database: connection lost")
        database.end(session, commit=True)
        if self._process.fault("answer lost"):
            raise TransientError("database: connection lost")
        self._process.wait()
        return True

    def idle(self) -> None:
        """Nothing of it needs looking after."""

    def _advance(self, session: Session, chunk: Chunk) -> bool:
        moved = 0
        for part, begin in chunk.begins.items():
            self._database.lock(session, part)
            self._step(session)
            if self._database.ledger[part] == begin or not self._database.compares:
                session.ledger[part] = chunk.ends[part]
                moved += 1
        return moved == len(chunk.begins)

    def _step(self, session: Session | None = None) -> None:
        """Others run, then the next statement is sent."""
        self._process.wait()
        if self._process.fault("away") or not (session is None or session.open):
            if session is not None:
                self._database.end(session)
            raise TransientError("database: connection lost")
