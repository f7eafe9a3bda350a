"""What a checkout makes of a recording: the demo is run to its end, and what it stored is read."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import namedtuple_row

from bench.servers import note
from infra.services import start_services, stop_services
from infra.settings import Settings

# The newest revision of each, by columns that every version of the tables has.
MENTIONS = """
    SELECT DISTINCT ON (source, post_id, symbol) source, post_id, symbol, rule, label, score, model, model_version
    FROM mention WHERE NOT deleted ORDER BY source, post_id, symbol, revision DESC"""
MOODS = """
    SELECT DISTINCT ON (symbol, interval, start) symbol, interval, start, mentions, score
    FROM sentiment ORDER BY symbol, interval, start, revision DESC"""
CORRELATIONS = """
    SELECT DISTINCT ON (symbol, interval, "window", event_time, pair, method)
        symbol, interval, "window", event_time, pair, method, n, n_effective, r, p_value, best_lag, status
    FROM correlation ORDER BY symbol, interval, "window", event_time, pair, method, revision DESC"""
Rows = Mapping[Hashable, Any]


@dataclass(frozen=True, slots=True)
class Side:
    """What one checkout stored: mentions by post and symbol, moods by bucket, correlations by figure."""

    mentions: Rows
    moods: Rows
    correlations: Rows


def side(checkout: Path, recording: Path) -> Side:
    """Play a recording through the code of a checkout, in servers of its own, and read the tables.

    Raises:
        subprocess.CalledProcessError: the demo failed; what it said is on standard error.
    """
    folder = Path(tempfile.mkdtemp(prefix="moodtape-recordings-"))
    try:
        note(f"{recording.name} by {checkout}")
        _play(checkout, recording, folder)
        settings = Settings(data_dir=folder)
        try:
            with psycopg.connect(start_services(settings, lambda _: None).database) as connection:
                return Side(
                    _read(connection, MENTIONS, 3), _read(connection, MOODS, 3), _read(connection, CORRELATIONS, 6)
                )
        finally:
            stop_services(settings)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _play(checkout: Path, recording: Path, folder: Path) -> None:
    command = [sys.executable, "-m", "moodtape", "demo", "--recording", str(recording.resolve()), "--exit", "--json"]
    environment = {**os.environ, "PYTHONPATH": str(checkout.resolve())}
    subprocess.run([*command, "--data-dir", str(folder)], check=True, env=environment, cwd=folder, stdout=sys.stderr)


def _read(connection: psycopg.Connection, query: str, key: int) -> Rows:
    with connection.cursor(row_factory=namedtuple_row) as cursor:
        return {tuple(row[:key]): row for row in cursor.execute(query)}
