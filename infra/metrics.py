"""Prometheus metrics and the health page of a process. Labels are bounded: never a symbol, never a text."""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CONTENT_TYPE_LATEST, Counter, Gauge, Histogram, generate_latest

RECORDS_IN = Counter("moodtape_records_in_total", "Records read from a topic.", ["topic"])
RECORDS_OUT = Counter("moodtape_records_out_total", "Records written to a topic.", ["topic"])
DEAD_LETTERS = Counter("moodtape_dead_letters_total", "Records sent to the dead letters.", ["topic", "reason"])
COMMITS = Counter("moodtape_commits_total", "Transactions by result.", ["result"])
COMMIT_SECONDS = Histogram("moodtape_commit_seconds", "Duration of a transaction's commit.")
CONSUMER_LAG = Gauge(
    "kafka_consumergroup_lag", "Records between the committed offset and the log's end.", ["topic", "partition"]
)
WATERMARK = Gauge("moodtape_watermark_seconds", "Event-time watermark of a partition.", ["partition"])
RESTORE_SECONDS = Gauge("moodtape_restore_seconds", "Duration of the last restore of state.")
SOURCE_CLOCK = Gauge("moodtape_source_clock_seconds", "Event time that a source has reached.", ["source"])
PRODUCER_SKEW = Gauge(
    "moodtape_producer_skew_seconds", "How far this machine's clock is ahead of the broker's.", ["source"]
)
HTTP_SECONDS = Histogram("moodtape_http_request_seconds", "Duration of a request.", ["route", "method", "status"])
RETRIES = Counter("moodtape_retries_total", "Attempts repeated after a transient failure.", ["what"])
TEXTS_SCORED = Counter("moodtape_texts_scored_total", "Texts answered by the scorer, by where from.", ["by"])


class Health:
    """Liveness and readiness of a process, as named checks that answer a sentence when something is wrong."""

    def __init__(self) -> None:
        self.ready: dict[str, Callable[[], str | None]] = {}
        self.live: dict[str, Callable[[], str | None]] = {}

    @staticmethod
    def problems(checks: dict[str, Callable[[], str | None]]) -> dict[str, str]:
        """What is wrong, by check; empty when all is well."""
        found = {name: check() for name, check in checks.items()}
        return {name: text for name, text in found.items() if text is not None}


def serve_health(health: Health, host: str, port: int) -> int:
    """Serve ``/metrics``, ``/livez`` and ``/readyz`` from a daemon thread; returns the port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/metrics":
                self._answer(200, generate_latest(), CONTENT_TYPE_LATEST)
            elif self.path in ("/livez", "/readyz"):
                problems = health.problems(health.live if self.path == "/livez" else health.ready)
                body = json.dumps({"status": "fail" if problems else "ok", "problems": problems}).encode()
                self._answer(503 if problems else 200, body, "application/json")
            else:
                self._answer(404, b"", "text/plain")

        def _answer(self, code: int, body: bytes, content_type: str) -> None:
            self.send_response(code)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Requests are not logged."""

    server = ThreadingHTTPServer((host, port), Handler)
    threading.Thread(target=server.serve_forever, name="health", daemon=True).start()
    return int(server.server_address[1])
