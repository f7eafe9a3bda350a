"""The pipeline into a database of somebody else's server: plain PostgreSQL, or TimescaleDB where CI names one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr

from infra.services import start_services, stop_services
from infra.settings import Settings
from tests.helpers.playing import play

from .cutting import cut

pytestmark = [pytest.mark.services, pytest.mark.shared, pytest.mark.timeout(900)]


def test_an_external_database_takes_the_place_of_ours(shared: Path, database: str, tmp_path: Path) -> None:
    """With MOODTAPE_DATABASE_URL set no PostgreSQL is started, all rows are in that database, and verify agrees."""
    recording = cut(shared, tmp_path / "recording", "2022-03-14T13:00:00Z", "2022-03-14T17:00:00Z")
    data_dir, named = tmp_path / "data", {"MOODTAPE_DATABASE_URL": database}
    counts = play(recording, data_dir, environment=named)
    assert not (data_dir / "postgres").exists()
    assert counts["tables"]["bar"] == counts["topics"]["bars.v1"] > 1000
    settings = Settings(data_dir=data_dir, database_url=SecretStr(database))
    start_services(settings)
    try:
        command = [sys.executable, "-m", "moodtape", "verify", "--json", "--data-dir", str(data_dir)]
        done = subprocess.run(command, env={**os.environ, **named}, capture_output=True, text=True, check=False)
    finally:
        stop_services(settings)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["ok"] is True


def test_timescaledb_is_there_where_ci_says_so(database: str) -> None:
    """Under MOODTAPE_REQUIRE_TIMESCALEDB the tables of facts are hypertables."""
    if "MOODTAPE_REQUIRE_TIMESCALEDB" not in os.environ:
        pytest.skip("MOODTAPE_REQUIRE_TIMESCALEDB is not set: this run is on plain PostgreSQL")
    with psycopg.connect(database) as connection:
        names = connection.execute("SELECT hypertable_name FROM timescaledb_information.hypertables").fetchall()
    assert {"quote", "bar", "post", "mention", "sentiment", "correlation"} <= {name for (name,) in names}
