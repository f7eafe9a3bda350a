"""Runs ``moodtape demo --exit`` as a user does, and reads what it left."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from infra.clock import from_datetime
from infra.endpoints import Endpoints
from infra.offsets import read_to_end
from infra.services import start_services, stop_services
from infra.settings import Settings
from schemas.codec import codec_for

DEMO_SECONDS = 1500
TABLES = ("quote", "bar", "post", "mention", "sentiment", "correlation", "gap", "instrument", "dead_letter")
NOT_COMPARED = {"stored_at", "topic_partition", "topic_offset", "first_failed_at"}


def demo_command(recording: Path, data_dir: Path, *more: str) -> list[str]:
    """The command line of a demo that ends."""
    return [
        *(sys.executable, "-m", "moodtape", "demo", "--recording", str(recording), "--exit", "--json"),
        *("--data-dir", str(data_dir), *more),
    ]


def play(
    recording: Path,
    data_dir: Path,
    *more: str,
    environment: Mapping[str, str] | None = None,
    meanwhile: Callable[[Path], None] | None = None,
) -> dict[str, Any]:
    """Play a recording to its end; the counts that the command printed."""
    errors = data_dir.with_suffix(".stderr")
    with errors.open("w") as stderr:
        process = subprocess.Popen(
            demo_command(recording, data_dir, *more),
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            env={**os.environ, **(environment or {})},
            cwd=data_dir.parent,
        )
        if meanwhile is not None:
            meanwhile(data_dir)
        out, _ = process.communicate(timeout=DEMO_SECONDS)
    assert process.returncode == 0, errors.read_text()[-4000:]
    counts: dict[str, Any] = json.loads(out.strip().splitlines()[-1])
    return counts


@dataclass
class Played:
    """A recording that was played, its servers up again."""

    recording: Path
    data_dir: Path
    counts: dict[str, Any]
    endpoints: Endpoints

    def records(self, topic: str) -> list[Any]:
        """The facts of a topic."""
        codec = codec_for(topic)
        return [codec.decode(m.value()) for m in read_to_end(self.endpoints.kafka, [topic]) if m.value() is not None]

    def rows(self, table: str) -> list[dict[str, Any]]:
        """Rows of a table, times in microseconds."""
        return rows_of(self.endpoints.database, table)


def rows_of(database: str, table: str) -> list[dict[str, Any]]:
    """Rows of a table, times in microseconds."""
    with psycopg.connect(database, row_factory=dict_row) as connection:
        rows = connection.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(table))).fetchall()
    return [{name: _micros(value) for name, value in row.items()} for row in rows]


def _micros(value: Any) -> Any:
    return from_datetime(value) if isinstance(value, datetime) else value


def digests(database: str) -> dict[str, str]:
    """A digest of each table that does not depend on when, where and in which order rows were stored."""
    return {table: _digest(rows_of(database, table)) for table in TABLES}


def _digest(rows: Sequence[dict[str, Any]]) -> str:
    lines = sorted(
        json.dumps({k: v for k, v in row.items() if k not in NOT_COMPARED}, sort_keys=True, default=repr)
        for row in rows
    )
    return f"{len(rows)}:{hashlib.sha256(chr(10).join(lines).encode()).hexdigest()}"


class Servers:
    """The servers of a data folder, up while the block runs."""

    def __init__(self, data_dir: Path) -> None:
        self._settings = Settings(data_dir=data_dir)

    def __enter__(self) -> Endpoints:
        return start_services(self._settings)

    def __exit__(self, *_: object) -> None:
        stop_services(self._settings)
