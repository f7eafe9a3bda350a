"""``services.json``: what was started in a data folder, on which ports, with which secrets."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from .errors import UserError
from .files import write_whole
from .processes import ProcessId


@dataclass(slots=True)
class Entry:
    """One embedded server.

    ``secret`` is its password; Kafka's, which has none, is the identity of its cluster.
    ``inner_port`` is Kafka's controller. ``restarts`` counts how often it was started again because it had died,
    since it was last stopped.
    """

    port: int = 0
    inner_port: int = 0
    secret: str = ""
    pid: int = 0
    started: float = 0.0
    restarts: int = 0

    @property
    def process(self) -> ProcessId | None:
        """The server's process as it was started last; None when it was stopped."""
        return ProcessId(self.pid, self.started) if self.pid else None

    def running(self) -> bool:
        """Whether that process still runs."""
        process = self.process
        return process is not None and process.alive()

    def started_as(self, process: ProcessId | None) -> None:
        """Remember the process, None where it ended at once; it is a restart unless the one before was stopped."""
        if self.pid:
            self.restarts += 1
        self.pid, self.started = (process.pid, process.started) if process else (0, 0.0)

    def stopped(self) -> None:
        """Remember that there is none, because it was asked to end."""
        self.pid, self.started, self.restarts = 0, 0.0, 0


@dataclass(slots=True)
class Ledger:
    """The embedded servers of one data folder, by name."""

    path: Path
    entries: dict[str, Entry] = field(default_factory=dict)

    @classmethod
    def load(cls, data_dir: Path) -> "Ledger":
        """Read ``<data_dir>/services.json``; empty when there is none.

        Raises:
            UserError: the file is not ours or damaged, or may not be read.
        """
        path = data_dir / "services.json"
        try:
            content = json.loads(path.read_text())
            return cls(path, {name: Entry(**values) for name, values in content.items()})
        except (FileNotFoundError, NotADirectoryError):
            return cls(path)
        except PermissionError:
            raise UserError(f"{path} belongs to another user: run as that user, or give --data-dir") from None
        except (ValueError, TypeError, AttributeError):
            raise UserError(f"{path} is damaged: restore it, or remove {data_dir} and begin anew") from None

    def entry(self, name: str) -> Entry:
        """The entry of a server, made when missing."""
        return self.entries.setdefault(name, Entry())

    def save(self) -> None:
        """Write the file whole or not at all, readable by its owner only."""
        content = {name: asdict(entry) for name, entry in self.entries.items()}
        write_whole(self.path, json.dumps(content, indent=2), private=True)


@contextmanager
def file_lock(path: Path) -> Iterator[None]:
    """Hold a lock that the kernel drops with its process; wait for whoever holds it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
