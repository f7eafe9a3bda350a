"""Starts and stops the embedded servers of a data folder."""

import errno
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from infra.endpoints import KAFKA, POSTGRES, SERVERS, Endpoints, external_urls, find_endpoints
from infra.errors import ServiceUnavailable, UserError
from infra.ledger import Entry, Ledger, file_lock
from infra.processes import ProcessId
from infra.settings import Settings

from .kafka import KafkaServer
from .postgres import PostgresServer
from .server import Note, Server, free_port, is_free, spawn, tail
from .valkey import ValkeyServer

_READY_SECONDS = 120.0
_STOP_SECONDS = 30.0
_POLL_SECONDS = 0.05
_CLOSE_SECONDS = 2.0
_STARTS = 3
_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.ENOTDIR, errno.EEXIST)


@dataclass(slots=True)
class _Start:
    """A server on its way up; ``child`` is None when it ran already."""

    server: Server
    entry: Entry
    child: "subprocess.Popen[bytes] | None"


def start_services(settings: Settings, note: Note = lambda _: None) -> Endpoints:
    """Start what the settings do not name elsewhere and what does not run yet; return when all answer.

    Args:
        settings: which servers are external, the data folder, Java, the cache of downloads.
        note: is told about progress, one line a call.

    Raises:
        UserError: something is missing on this machine; the message says how to mend it.
        ServiceUnavailable: a server did not start; the message names its log.
    """
    names = [name for name in SERVERS if name not in external_urls(settings)]
    if names:
        with plain_errors(settings.data_dir):
            _start_all(settings, names, note)
    return find_endpoints(settings)


def stop_services(settings: Settings, note: Note = lambda _: None) -> list[str]:
    """Stop every embedded server of the data folder, first politely; returns the names of those that ran."""
    if not settings.data_dir.is_dir():
        return []
    with plain_errors(settings.data_dir), file_lock(settings.data_dir / "services.lock"):
        ledger = Ledger.load(settings.data_dir)
        servers = {name: make_server(name, settings, entry) for name, entry in ledger.entries.items()}
        running = {name: _processes(server, ledger.entries[name]) for name, server in servers.items()}
        for entry in ledger.entries.values():
            entry.stopped()
        # First of all: whoever tends the servers would take those that end for dead, and start them again. A full disk
        # is no reason to let them run.
        with suppress(OSError):
            ledger.save()
        for name, processes in running.items():
            for process in processes:
                note(f"{name}: stopping")
                process.stop(servers[name].stop_signal, _STOP_SECONDS)
        ledger.save()
    return [name for name, processes in running.items() if processes]


def make_server(name: str, settings: Settings, entry: Entry) -> Server:
    """The embedded server of this name."""
    folder = settings.data_dir / name
    if name == KAFKA:
        return KafkaServer(folder, entry, settings)
    return PostgresServer(folder, entry) if name == POSTGRES else ValkeyServer(folder, entry)


def log_path(data_dir: Path, name: str) -> Path:
    """Where a server's output goes."""
    return data_dir / "logs" / f"{name}.log"


def _start_all(settings: Settings, names: list[str], note: Note) -> None:
    data_dir = settings.data_dir
    (data_dir / "logs").mkdir(parents=True, exist_ok=True)
    with file_lock(data_dir / "services.lock"):
        ledger = Ledger.load(data_dir)
        # Each is launched before any is waited for: Kafka takes seconds, the others start meanwhile.
        starts = [_launch(settings, ledger, name, note) for name in names]
        for start in starts:
            _wait_ready(settings, ledger, start, note)


def _launch(settings: Settings, ledger: Ledger, name: str, note: Note) -> _Start:
    entry = ledger.entry(name)
    server = make_server(name, settings, entry)
    if entry.running():
        return _Start(server, entry, None)
    # One that was started by a process which died before it could write the ledger.
    for stray in server.strays():
        stray.stop(server.stop_signal, _STOP_SECONDS)
    _choose_ports(ledger, entry, name)
    server.prepare(note)
    ledger.save()  # the secrets, before anything is protected by them
    note(f"{name}: starting on port {entry.port}")
    child = spawn(server.launch(), log_path(settings.data_dir, name))
    entry.started_as(ProcessId.of(child.pid))
    ledger.save()
    return _Start(server, entry, child)


def _choose_ports(ledger: Ledger, entry: Entry, name: str) -> None:
    others = [e for e in ledger.entries.values() if e is not entry]
    taken = {port for e in others for port in (e.port, e.inner_port)}
    if not entry.port or not _comes_free(entry.port):
        entry.port = free_port(taken)
    if name == KAFKA and (not entry.inner_port or not _comes_free(entry.inner_port)):
        entry.inner_port = free_port(taken | {entry.port})


def _comes_free(port: int) -> bool:
    """Whether a remembered port can be had; the kernel may still be closing the sockets of a killed server."""
    deadline = time.monotonic() + _CLOSE_SECONDS
    while not is_free(port):
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def _wait_ready(settings: Settings, ledger: Ledger, start: _Start, note: Note) -> None:
    name, deadline = start.server.name, time.monotonic() + _READY_SECONDS
    attempts = 1
    while (problem := start.server.problem()) is not None:
        if start.entry.running():
            if time.monotonic() > deadline:
                raise _failure(settings, name, f"does not answer after {_READY_SECONDS:.0f} s ({problem})")
            time.sleep(_POLL_SECONDS)
            continue
        if start.child is not None and (attempts == _STARTS or is_free(start.entry.port)):
            raise _failure(settings, name, "died while it started")
        # It ran already and was just dying, or somebody took the port between our look and the server's.
        attempts += 1
        start = _launch(settings, ledger, name, note)
    note(f"{name}: ready")


def _failure(settings: Settings, name: str, what: str) -> ServiceUnavailable:
    log = log_path(settings.data_dir, name)
    return ServiceUnavailable(f"{name} {what}; its log is {log}, and ends with:{tail(log)}")


def _processes(server: Server, entry: Entry) -> list[ProcessId]:
    known = [entry.process] if entry.process and entry.process.alive() else []
    return known + [stray for stray in server.strays() if all(stray.pid != process.pid for process in known)]


@contextmanager
def plain_errors(data_dir: Path) -> Iterator[None]:
    """A full disk and a closed folder are the user's to mend, so they are told plainly."""
    try:
        yield
    except PermissionError as error:
        raise UserError(
            f"{error.filename or data_dir} may not be written: give --data-dir, or mend its owner"
        ) from None
    except OSError as error:
        if error.errno not in _DISK_ERRORS:
            raise
        raise UserError(
            f"{error.strerror} at {error.filename or data_dir}: make room there, or give --data-dir"
        ) from None
