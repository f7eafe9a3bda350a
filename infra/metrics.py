"""Prometheus metrics and the health page of a process. Labels are bounded: never a symbol, never a text."""

import atexit
import json
import os
import threading
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import get_args

import psutil
from prometheus_client import CONTENT_TYPE_LATEST, Counter, Gauge, Histogram, generate_latest

from .errors import PoisonReason, UserError
from .files import write_whole
from .listening import url_of
from .log import get_logger
from .settings import Settings

_log = get_logger(__name__)
TARGETS_FOLDER = "metrics"

RECORDS_IN = Counter("moodtape_records_in_total", "Records read from a topic.", ["topic"])
RECORDS_OUT = Counter("moodtape_records_out_total", "Facts written to a topic; no clocks, no dead letters.", ["topic"])
DEAD_LETTERS = Counter("moodtape_dead_letters_total", "Records sent to the dead letters.", ["topic", "reason"])
POSTS_FLAGGED = Counter(
    "moodtape_posts_flagged_total",
    "Posts by what is special about them: late, foreign, long, crowded, unsure_mention.",
    ["flag"],
)
COMMITS = Counter("moodtape_commits_total", "Transactions by result.", ["result"])
COMMIT_SECONDS = Histogram("moodtape_commit_seconds", "Duration of a transaction's commit.")
CONSUMER_LAG = Gauge(
    "kafka_consumergroup_lag", "Records between the committed offset and the log's end.", ["topic", "partition"]
)
WATERMARK = Gauge("moodtape_watermark_seconds", "Event-time watermark of a partition.", ["partition"])
RESTORE_SECONDS = Gauge("moodtape_restore_seconds", "Duration of the last restore of state.")
RESTORE_RECORDS = Gauge("moodtape_restore_records", "Records that the last restore folded again.")
SOURCE_CLOCK = Gauge(
    "moodtape_source_clock_seconds", "Event time that a source has reached, and if it is played.", ["source", "played"]
)
PRODUCER_SKEW = Gauge(
    "moodtape_producer_skew_seconds", "How far this machine's clock is ahead of the broker's.", ["source"]
)
HTTP_SECONDS = Histogram("moodtape_http_request_seconds", "Duration of a request.", ["route", "method", "status"])
RETRIES = Counter("moodtape_retries_total", "Attempts repeated after a transient failure.", ["what"])
MENTIONS_UNSURE = Counter(
    "moodtape_mentions_unsure_total", "Instruments seen in posts, but not surely enough, by rule.", ["rule"]
)
TEXTS_SCORED = Counter(
    "moodtape_texts_scored_total", "Texts answered by the scorer: by the model, from its cache, or failed.", ["by"]
)
# Their label is no `process`: that is the scraped process itself, here the supervisor.
PROCESS_RESTARTS = Counter("moodtape_process_restarts_total", "Starts of what had died, by the supervisor.", ["name"])
PROCESS_RUNNING = Gauge("moodtape_process_running", "Whether what the supervisor keeps running runs.", ["name"])


def expect_dead_letters(topics: Iterable[str]) -> None:
    """Serve the dead letters of topics as 0 before there are any: a series that begins at 1 has not risen."""
    for topic in topics:
        for reason in get_args(PoisonReason):
            DEAD_LETTERS.labels(topic, reason)


def show_kept(name: str, *, running: bool) -> None:
    """Show whether a process that is to run does; its restarts are served from 0 on."""
    PROCESS_RESTARTS.labels(name)
    PROCESS_RUNNING.labels(name).set(running)


def forget_kept(name: str) -> None:
    """The process is not to run any more."""
    PROCESS_RUNNING.remove(name)


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


def serve_health(health: Health, settings: Settings, name: str) -> int:
    """Serve ``/metrics``, ``/livez`` and ``/readyz`` of the process ``name`` from a daemon thread; returns the port.

    Prometheus is told where; see :func:`announce`.

    Raises:
        UserError: the address cannot be had.
    """

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

    try:
        server = ThreadingHTTPServer((settings.metrics_host, settings.metrics_port), Handler)
    except OSError as error:
        raise UserError(
            f"cannot serve metrics at {settings.metrics_host}:{settings.metrics_port}: {error.strerror}; "
            "set another MOODTAPE_METRICS_PORT (0 = a free one) or MOODTAPE_METRICS_HOST"
        ) from None
    threading.Thread(target=server.serve_forever, name="health", daemon=True).start()
    announce(settings.data_dir, name, url_of(server.socket))
    return int(server.server_address[1])


def announce(data_dir: Path, name: str, url: str) -> None:
    """Tell Prometheus where ``/metrics`` of this process is (``file_sd_configs``), for as long as it lives."""
    try:
        _write_target(data_dir / TARGETS_FOLDER, name, url.removeprefix("http://"))
    except OSError as error:  # a full disk is no reason not to work
        _log.warning("metrics are served but not announced", url=url, error=str(error))


def _write_target(folder: Path, name: str, address: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.glob("*.json"):
        pid = path.stem.rpartition("-")[2]
        if not (pid.isdigit() and psutil.pid_exists(int(pid))):
            path.unlink(missing_ok=True)
    target = folder / f"{name}-{os.getpid()}.json"
    write_whole(target, json.dumps([{"targets": [address], "labels": {"process": name}}]))
    atexit.register(target.unlink, missing_ok=True)
