"""Runs the processes of one machine: starts them, starts again what dies, stops them in order.

Writes ``<data_dir>/processes.json`` at every change, which ``moodtape status`` reads.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra.errors import UserError
from infra.files import write_whole
from infra.log import get_logger
from infra.metrics import PROCESS_RESTARTS, forget_kept, show_kept
from infra.processes import ProcessId
from infra.settings import Settings

_log = get_logger(__name__)
STOP_SECONDS = 12.0
FIRST_DELAY_SECONDS = 0.5
MOST_DELAY_SECONDS = 10.0
HEALTHY_SECONDS = 30.0


@dataclass(slots=True)
class Child:
    """One supervised process. ``once`` processes are not started again after they ended well.

    ``code`` is what it ended with last.
    """

    name: str
    arguments: Sequence[str]
    once: bool = False
    restarts: int = 0
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    delay: float = FIRST_DELAY_SECONDS
    due: float = 0.0
    finished: int | None = None
    code: int | None = None

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        process = self.process  # the health page asks from another thread
        return process is not None and process.poll() is None


@dataclass(slots=True)
class Supervisor:
    """Keeps children running until told to stop."""

    settings: Settings
    environment: Mapping[str, str] = field(default_factory=dict)
    children: list[Child] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _unwritten: str = ""

    @property
    def _file(self) -> Path:
        return self.settings.data_dir / "processes.json"

    @property
    def given_up(self) -> Child | None:
        """A ``once`` process that ended for a mistake of the user's, which starting it again cannot mend."""
        return next((child for child in self.children if child.finished not in (None, 0)), None)

    @property
    def finished(self) -> bool:
        """Whether every ``once`` process ended well."""
        return all(child.finished == 0 for child in self.children if child.once)

    def missing(self) -> str | None:
        """Which processes shall run and do not, for the health page; None where all do."""
        if not self.children:
            return "nothing was started yet"
        names = [child.name for child in self.children if child.finished is None and not child.running]
        return f"not running: {', '.join(names)}" if names else None

    def start(self, children: Sequence[Child]) -> None:
        """Start processes."""
        for child in children:
            self.children.append(child)
            self._spawn(child)
        self._write()

    def tend(self) -> None:
        """Look after the children once: notice deaths, start again what is due."""
        changed = False
        for child in self.children:
            changed |= self._tend(child)
        if changed or self._unwritten:
            self._write()

    def _tend(self, child: Child) -> bool:
        if child.finished is not None or child.running:
            return False
        if child.process is not None:
            self._note_death(child, child.process.returncode)
            return True
        if time.monotonic() < child.due:
            return False
        try:
            self._spawn(child)
        except OSError as error:
            # A full disk has no room for its log, say: it may have some later.
            child.due = time.monotonic() + MOST_DELAY_SECONDS
            _log.error("process not started", name=child.name, error=str(error), again_in_seconds=MOST_DELAY_SECONDS)
            return False
        child.restarts += 1
        PROCESS_RESTARTS.labels(child.name).inc()
        return True

    def _note_death(self, child: Child, code: int) -> None:
        child.process, child.code = None, code
        show_kept(child.name, running=False)
        if child.once and code in (0, UserError.exit_code):
            child.finished = code
            if code == 0:
                forget_kept(child.name)
            return
        lived = time.monotonic() - child.started
        child.delay = FIRST_DELAY_SECONDS if lived > HEALTHY_SECONDS else min(child.delay * 2, MOST_DELAY_SECONDS)
        child.due = time.monotonic() + child.delay
        _log.warning("process died", name=child.name, code=code, again_in_seconds=child.delay)

    def log_of(self, child: Child) -> Path:
        """Where a process writes what it has to say."""
        return self.settings.data_dir / "logs" / f"{child.name}.log"

    def _spawn(self, child: Child) -> None:
        self.log_of(child).parent.mkdir(parents=True, exist_ok=True)
        arguments = [*child.arguments, "--data-dir", str(self.settings.data_dir)]
        with self.log_of(child).open("ab") as log:
            child.process = subprocess.Popen(
                [sys.executable, "-m", "moodtape", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                # A fixed port is for one process, the supervisor; these announce where they listen.
                env={**os.environ, "MOODTAPE_METRICS_PORT": "0", **self.environment},
            )
        child.started = time.monotonic()
        show_kept(child.name, running=True)

    def stop(self) -> None:
        """SIGTERM to all, in reverse order of start; SIGKILL to those that do not end in time."""
        alive = [child.process for child in reversed(self.children) if child.process is not None and child.running]
        for process in alive:
            process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        for process in alive:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                _log.warning("process killed, it did not end in time", pid=process.pid)
                process.kill()
                process.wait()
        self._write()

    def kill(self) -> None:
        """SIGKILL to all."""
        for child in self.children:
            if child.process is not None and child.running:
                child.process.kill()

    def _write(self) -> None:
        rows = [
            {
                "name": child.name,
                "pid": child.process.pid if child.process else None,
                "started": _started(child.process),
                "running": child.running,
                "restarts": child.restarts,
            }
            for child in self.children
        ]
        try:
            with self._lock:
                write_whole(self._file, json.dumps(rows))
        except OSError as error:
            # The processes matter more than the list of them; it is written when there is room again.
            if str(error) != self._unwritten:
                _log.error("list of processes not written", error=str(error))
            self._unwritten = str(error)
        else:
            self._unwritten = ""

    def take_over(self) -> None:
        """Become the supervisor of the data folder; what an earlier, killed one left behind is ended.

        Raises:
            UserError: another supervisor runs here.
        """
        self.settings.data_dir.mkdir(parents=True, exist_ok=True)
        owner_file = self._file.with_name("supervisor.json")
        owner = _process(_read(owner_file) or {})
        if owner is not None and owner.pid != os.getpid() and owner.alive():
            raise UserError(f"moodtape runs in {self.settings.data_dir} already (process {owner.pid})")
        for left in filter(None, map(_process, _read(self._file) or [])):
            left.stop(signal.SIGTERM, STOP_SECONDS)
        me = ProcessId.of(os.getpid())
        write_whole(owner_file, json.dumps({"pid": os.getpid(), "started": me.started if me else 0.0}))


def last_words(log: Path) -> str:
    """The last line of a process's log."""
    lines = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
    return lines[-1] if lines else f"none; see {log}"


def _process(row: Mapping[str, Any]) -> ProcessId | None:
    pid, started = row.get("pid"), row.get("started")
    return None if pid is None or started is None else ProcessId(pid, started)


def _started(process: subprocess.Popen[bytes] | None) -> float | None:
    found = ProcessId.of(process.pid) if process else None
    return found.started if found else None


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None
