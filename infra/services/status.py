"""What runs in a data folder: the content of ``moodtape status``."""

import json
from pathlib import Path
from typing import Any

import psycopg
import redis
from confluent_kafka import KafkaException

from infra.endpoints import KAFKA, POSTGRES, SERVERS, VALKEY, embedded_url, external_urls
from infra.kafka import admin_client
from infra.ledger import Entry, Ledger
from infra.processes import ProcessId
from infra.settings import Settings

_ASK_SECONDS = 2


def services_status(settings: Settings) -> dict[str, Any]:
    """Servers, API and processes, as ``moodtape status --json`` prints them; URLs carry their passwords.

    A URL is None for what never ran here.
    """
    ledger = Ledger.load(settings.data_dir)
    kafka, database, cache = (_url(settings, ledger, name) for name in SERVERS)
    processes = _own_processes(ledger) + _other_processes(settings.data_dir)
    return {
        "data_dir": str(settings.data_dir),
        "kafka": {"bootstrap": kafka, "running": kafka is not None and _kafka_answers(kafka)},
        "database": {"url": database, **_database(database)},
        "redis": {"url": cache, "running": cache is not None and _redis_answers(cache)},
        "api": _api(settings.data_dir, processes),
        "processes": processes,
    }


def _url(settings: Settings, ledger: Ledger, name: str) -> str | None:
    outside = external_urls(settings).get(name)
    entry = ledger.entries.get(name)
    return outside or (embedded_url(name, entry) if entry and entry.port else None)


def _kafka_answers(bootstrap: str) -> bool:
    try:
        return bool(admin_client(bootstrap).list_topics(timeout=_ASK_SECONDS).brokers)
    except KafkaException:
        return False


def _database(url: str | None) -> dict[str, Any]:
    if url is None:
        return {"running": False, "timescaledb": None}
    try:
        with psycopg.connect(url, connect_timeout=_ASK_SECONDS) as connection:
            return {"running": True, "timescaledb": _timescaledb(connection)}
    except psycopg.Error:
        return {"running": False, "timescaledb": None}


def _timescaledb(connection: "psycopg.Connection[tuple[Any, ...]]") -> str | None:
    """Which edition the database has: ``community``, ``apache`` or None."""
    installed = connection.execute("SELECT 1 FROM pg_extension WHERE extname = 'timescaledb'").fetchone()
    if installed is None:
        return None
    row = connection.execute("SELECT current_setting('timescaledb.license', true)").fetchone()
    return "apache" if row is not None and row[0] == "apache" else "community"


def _redis_answers(url: str) -> bool:
    client = redis.Redis.from_url(url, socket_timeout=_ASK_SECONDS, socket_connect_timeout=_ASK_SECONDS)
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False
    finally:
        client.close()


def _own_processes(ledger: Ledger) -> list[dict[str, Any]]:
    return [_process(name, ledger.entries[name]) for name in (KAFKA, POSTGRES, VALKEY) if name in ledger.entries]


def _process(name: str, entry: Entry) -> dict[str, Any]:
    running = entry.running()
    return {"name": name, "pid": entry.pid if running else None, "running": running, "restarts": entry.restarts}


def _other_processes(data_dir: Path) -> list[dict[str, Any]]:
    """What a supervisor wrote, with those not running whose process is gone."""
    listed = _read_json(data_dir / "processes.json")
    return [
        {**process, "running": bool(process.get("running")) and _runs(process)}
        for process in (listed if isinstance(listed, list) else [])
    ]


def _runs(process: dict[str, Any]) -> bool:
    found = ProcessId.of(process["pid"]) if process.get("pid") else None
    started = process.get("started")
    return found is not None and (started is None or ProcessId(found.pid, started).alive())


def _api(data_dir: Path, processes: list[dict[str, Any]]) -> dict[str, Any]:
    written = _read_json(data_dir / "api.json")
    if not isinstance(written, dict):
        return {"url": None, "running": False}
    listed = any(process["name"] == "api" and process["running"] for process in processes)
    return {"url": written.get("url"), "running": _runs(written) if "pid" in written else listed}


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None
