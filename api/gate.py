"""The gate in front of every route: limits of size, and a histogram of requests with bounded labels."""

import time
from collections.abc import Iterable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from infra.metrics import HTTP_SECONDS

from .problems import Problem

MAX_BODY = 64 * 1024
MAX_URL = 8 * 1024
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Gate:
    """ASGI middleware. Routes are labelled by their template, all that fit none by ``unmatched``."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 500

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._enter(scope, receive, watched)
        finally:
            route = getattr(scope.get("route"), "path", "unmatched")
            method = scope["method"] if scope["method"] in _METHODS else "other"
            HTTP_SECONDS.labels(route, method, str(status)).observe(time.perf_counter() - started)

    async def _enter(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = _refusal(scope)
        if refusal is not None:
            await refusal.response()(scope, receive, send)
            return
        await self._app(scope, _limited(receive), send)


def _refusal(scope: Scope) -> Problem | None:
    if len(scope.get("raw_path") or b"") + len(scope.get("query_string", b"")) > MAX_URL:
        return Problem(414, "uri-too-long", f"Paths and queries have at most {MAX_URL} bytes.")
    if _length(scope["headers"]) > MAX_BODY:
        return _too_large()
    return None


def _length(headers: Iterable[tuple[bytes, bytes]]) -> int:
    text = next((value for name, value in headers if name == b"content-length"), b"0")
    return int(text) if text.isdigit() else 0


def _too_large() -> Problem:
    return Problem(413, "body-too-large", f"Bodies have at most {MAX_BODY} bytes.")


def _limited(receive: Receive) -> Receive:
    read = 0

    async def counted() -> Message:
        nonlocal read
        message = await receive()
        read += len(message.get("body", b""))
        if read > MAX_BODY:
            raise _too_large()
        return message

    return counted
