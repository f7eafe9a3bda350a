"""A model hub on loopback that serves one folder, as far as its client asks: enough to fetch, resume and check."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

SHA = "0123456789abcdef0123456789abcdef01234567"
LARGE = 1 << 20


@dataclass
class Hub:
    """What is served under ``name``, and what was asked.

    ``cut``: the first answers that carry this file stop in the middle. ``spoil``: its last byte is another. ``sha``:
    the revision that it has. ``asked``: how often anything was asked for.
    """

    name: str
    folder: Path
    url: str = ""
    cut: dict[str, int] = field(default_factory=dict)
    spoil: str | None = None
    ranges: list[str] = field(default_factory=list)
    sha: str = SHA
    asked: int = 0


class Handler(BaseHTTPRequestHandler):
    """Answers for ``hub``, which :func:`serve` sets."""

    protocol_version = "HTTP/1.1"
    hub: Hub

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        hub, path = self.hub, self.path.partition("?")[0]
        hub.asked += 1
        if path.startswith(f"/api/models/{hub.name}"):
            names = sorted(file.name for file in hub.folder.iterdir())
            told = {"id": hub.name, "sha": hub.sha, "siblings": [{"rfilename": name} for name in names]}
            self._send(200, json.dumps(told).encode(), {"Content-Type": "application/json"}, body)
            return
        file = hub.folder / path.rpartition("/")[2]
        if path.startswith(f"/{hub.name}/resolve/") and file.is_file():
            self._file(file, body)
        else:
            self._send(404, b"{}", {"X-Error-Code": "EntryNotFound" if hub.name in path else "RepoNotFound"})

    def _file(self, file: Path, body: bool) -> None:
        hub, content, start = self.hub, file.read_bytes(), 0
        headers = {"ETag": f'"{digest(content)}"', "X-Repo-Commit": hub.sha, "Accept-Ranges": "bytes"}
        if hub.spoil == file.name:
            content = content[:-1] + bytes([content[-1] ^ 1])
        asked = self.headers.get("Range")
        if body and asked:
            hub.ranges.append(f"{file.name} {asked}")
            start = int(asked.removeprefix("bytes=").partition("-")[0])
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        stop = None
        if body and hub.cut.get(file.name, 0) > 0:
            hub.cut[file.name] -= 1
            stop = (len(content) - start) // 2
        self._send(206 if body and asked else 200, content[start:], headers, body, stop)

    def _send(
        self, code: int, content: bytes, headers: dict[str, str], body: bool = True, stop: int | None = None
    ) -> None:
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            self.wfile.write(content[:stop])
        if stop is not None:
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Requests are not logged."""


@contextmanager
def serve(hub: Hub) -> Iterator[Hub]:
    """Serve until the block ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Handler,), {"hub": hub}))
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()


def digest(content: bytes) -> str:
    """SHA-256 of large files, git's SHA-1 of small ones, as the hub names them."""
    if len(content) >= LARGE:
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
