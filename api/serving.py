"""The process that serves HTTP: its address, the file that tells it, and its end."""

import ipaddress
import json
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from infra.errors import UserError
from infra.files import write_whole
from infra.settings import Settings

GRACE_SECONDS = 8


class _Server(uvicorn.Server):
    """uvicorn, telling when it listens."""

    def __init__(self, config: uvicorn.Config, listening: Callable[[], None]) -> None:
        super().__init__(config)
        self._listening = listening

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._listening()


def serve(
    app: FastAPI, settings: Settings, service: str | None = None, listening: Callable[[str], None] = lambda url: None
) -> None:
    """Serve until SIGTERM or SIGINT, then let requests end for at most eight seconds.

    ``<data_dir>/api.json`` (``api-<service>.json`` for one service) says ``{"url", "pid"}`` once it listens;
    its port is taken again the next time.

    Raises:
        UserError: the port is taken, or the address needs an API key.
    """
    require_key_or_loopback(settings)
    note = settings.data_dir / ("api.json" if service is None else f"api-{service}.json")
    listener = bind(settings, note)
    url = url_of(listener)

    def tell() -> None:
        write_whole(note, json.dumps({"url": url, "pid": os.getpid()}))
        listening(url)

    config = uvicorn.Config(
        app, log_config=None, access_log=False, timeout_graceful_shutdown=GRACE_SECONDS, server_header=False
    )
    # uvicorn raises the signal again after its end, so that the default would make a clean end look like a crash.
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.signal(signal.SIGINT, lambda *_: None)
    with listener:
        _Server(config, tell).run(sockets=[listener])


def require_key_or_loopback(settings: Settings) -> None:
    """Refuse to be heard from elsewhere without a key.

    Raises:
        UserError: the address is not loopback and there is no API key.
    """
    if settings.api_key is None and not is_loopback(settings.api_host):
        raise UserError(
            f"listening on {settings.api_host} lets other machines in: set MOODTAPE_API_KEY, "
            "which callers then send as X-API-Key, or listen on 127.0.0.1"
        )


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address; a name counts as loopback when it is ``localhost``."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def bind(settings: Settings, note: Path) -> socket.socket:
    """Listen on the port of the settings, else the one remembered, else a free one.

    Raises:
        UserError: the address cannot be had.
    """
    if settings.api_port is not None:
        return _listen(settings.api_host, settings.api_port)
    try:
        return _listen(settings.api_host, remembered_port(note))
    except UserError:
        return _listen(settings.api_host, 0)


def remembered_port(note: Path) -> int:
    """The port in ``api.json``; 0 where there is none."""
    try:
        return int(json.loads(note.read_text("utf-8"))["url"].rpartition(":")[2])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return 0


def url_of(listener: socket.socket) -> str:
    """Address for a caller on this machine."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  # told, not bound
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise UserError(f"api_host: {host} cannot be resolved: {error.strerror}") from None
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        listener.listen(512)
    except OSError as error:
        listener.close()
        raise UserError(
            f"cannot listen on {host}:{port}: {error.strerror}; choose another with --port, or --port 0 for a free one"
        ) from None
    listener.setblocking(False)
    return listener
