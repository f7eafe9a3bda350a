"""The demo's table."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest

from infra.settings import Settings
from moodtape.screen import Screen
from moodtape.supervisor import Supervisor


class _Overview(BaseHTTPRequestHandler):
    """An API that has one symbol for those who send its key."""

    def do_GET(self) -> None:
        let_in = self.headers.get("X-API-Key") == "sesame"
        self.send_response(200 if let_in else 401)
        self.end_headers()
        self.wfile.write(json.dumps({"items": [{"symbol": "TSLA"}]}).encode())

    def log_message(self, format: str, *args: object) -> None:
        """Requests are not logged."""


def test_the_table_is_asked_for_with_the_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where the API wants one the demo sends it, and shows what it is told."""
    settings = Settings(data_dir=tmp_path, api_key="sesame")  # type: ignore[arg-type]
    turns = iter([True, False])
    pipeline = SimpleNamespace(
        turn=lambda: next(turns), supervisor=Supervisor(settings), endpoints=SimpleNamespace(kafka="")
    )
    with HTTPServer(("127.0.0.1", 0), _Overview) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        (tmp_path / "api.json").write_text(json.dumps({"url": f"http://127.0.0.1:{server.server_address[1]}"}))
        Screen(settings, pipeline).show()
        server.shutdown()
    assert "TSLA" in capsys.readouterr().out
