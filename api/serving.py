"""The process that serves HTTP: its address, the file that tells it, and its end."""

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
from infra.listening import listen, require_key_or_loopback, url_of
from infra.metrics import announce
from infra.settings import Settings

GRACE_SECONDS = 8
REMEDY = "choose another MOODTAPE_API_HOST (--host) or MOODTAPE_API_PORT (--port; 0 = a free one)"


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
    require_key_or_loopback(settings.api_host, settings.api_key)
    note = settings.data_dir / ("api.json" if service is None else f"api-{service}.json")
    listener = bind(settings, note)
    url = url_of(listener)

    def tell() -> None:
        write_whole(note, json.dumps({"url": url, "pid": os.getpid()}))
        announce(settings.data_dir, note.stem, url)
        listening(url)

    config = uvicorn.Config(
        app, log_config=None, access_log=False, timeout_graceful_shutdown=GRACE_SECONDS, server_header=False
    )
    # uvicorn raises the signal again after its end, so that the default would make a clean end look like a crash.
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.signal(signal.SIGINT, lambda *_: None)
    with listener:
        _Server(config, tell).run(sockets=[listener])


def bind(settings: Settings, note: Path) -> socket.socket:
    """Listen on the port of the settings, else the one remembered, else a free one.

    Raises:
        UserError: the address cannot be had.
    """
    if settings.api_port is not None:
        return listen(settings.api_host, settings.api_port, REMEDY)
    try:
        return listen(settings.api_host, remembered_port(note), REMEDY)
    except UserError:
        return listen(settings.api_host, 0, REMEDY)


def remembered_port(note: Path) -> int:
    """The port in ``api.json``; 0 where there is none."""
    try:
        return int(json.loads(note.read_text("utf-8"))["url"].rpartition(":")[2])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return 0
