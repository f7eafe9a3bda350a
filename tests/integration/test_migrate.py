"""Migrations against a real server, with or without TimescaleDB."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from infra.errors import ServiceUnavailable, UserError
from infra.migrate import Migration, migrate, require_schema, shipped_migrations
from schemas.records import Bar, Correlation, Instrument, Quote, Sentiment
from schemas.replays import LIVE
from schemas.topics import TOPIC_OF_RECORD
from sinks.rows import table_of
from tests.helpers.sinking import MINUTE, START

pytestmark = pytest.mark.services
NAMES = [migration.name for migration in shipped_migrations()]
HYPERTABLES = {"quote", "bar", "post", "mention", "sentiment", "correlation"}


@pytest.fixture
def empty(endpoints):
    """An empty database of this test alone; its URL."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(endpoints.database, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        yield urlsplit(endpoints.database)._replace(path=f"/{name}").geturl()
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def test_migrators_do_not_race(empty):
    """Of two migrators at once each file is applied by one, in order; afterwards there is nothing to do."""
    with pytest.raises(UserError, match="run `moodtape migrate`"):
        require_schema(empty)
    notes = []
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: migrate(empty, notes.append), range(2))
    assert first + second == NAMES
    assert notes == [f"migrated {name}" for name in NAMES]
    assert migrate(empty) == []
    require_schema(empty)


def test_a_changed_or_broken_file_is_refused(empty):
    """A changed file stops the migrator; a broken one leaves nothing behind and names itself."""
    one = Migration("0001_a", b"CREATE TABLE a (x int)")
    assert migrate(empty, migrations=[one]) == ["0001_a"]
    with pytest.raises(UserError, match=r"0001_a\.sql was changed"):
        migrate(empty, migrations=[Migration("0001_a", b"CREATE TABLE a (y int)")])
    broken = Migration("0002_b", b"CREATE TABLE b (x int); INSERT INTO b VALUES ('no number')")
    with pytest.raises(UserError, match=r"0002_b\.sql"):
        migrate(empty, migrations=[one, broken])
    with psycopg.connect(empty) as connection:
        assert connection.execute("SELECT to_regclass('b')").fetchone() == (None,)
    with pytest.raises(UserError, match="0001_a, which this moodtape does not know"):
        require_schema(empty)


def test_a_server_that_does_not_answer_is_told():
    """No server is one line that says how to start it, not a traceback."""
    with pytest.raises(ServiceUnavailable, match="moodtape up"):
        migrate("postgresql://moodtape:x@127.0.0.1:1/moodtape")


def test_hypertables_where_timescaledb_is(database):
    """Facts with an event time are hypertables where the server has TimescaleDB loaded, else plain tables."""
    with psycopg.connect(database) as connection:
        loaded = connection.execute(
            "SELECT count(*) > 0 FROM pg_available_extensions WHERE name = 'timescaledb'"
            " AND current_setting('shared_preload_libraries') LIKE '%timescaledb%'"
        ).fetchone()
        tables = {name for (name,) in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}
        found = set()
        if loaded == (True,):
            query = "SELECT hypertable_name FROM timescaledb_information.hypertables"
            found = {name for (name,) in connection.execute(query)}
    assert tables >= HYPERTABLES
    assert found == (HYPERTABLES if loaded == (True,) else set())


def store(connection, record, offset, replay=LIVE):
    """Insert one record as the sink would."""
    table = table_of(TOPIC_OF_RECORD[type(record)].name)
    query = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
        sql.Identifier(table.name),
        sql.SQL(", ").join(map(sql.Identifier, table.columns)),
        sql.SQL(", ").join(sql.Placeholder() * len(table.columns)),
    )
    connection.execute(query, table.row(record, replay, 0, offset))


def test_views_show_the_greatest_revision(database):
    """The views for people hold live facts only, and of each the greatest revision."""
    tesla = {"symbol": "TSLA", "event_time": START}
    bucket = {**tesla, "interval": 60, "start": START - MINUTE}
    pair = {**tesla, "interval": 60, "window": 60, "pair": "MOOD_RETURN"}
    with psycopg.connect(database) as connection:
        for offset in (1, 0, 2):
            replay = "other" if offset == 2 else LIVE
            store(connection, Bar(**bucket, revision=offset), offset, replay)
            store(connection, Sentiment(**bucket, revision=offset), offset, replay)
            store(connection, Correlation(**pair, revision=offset, method="PEARSON"), offset, replay)
            store(connection, Quote(source="yahoo", **tesla, revision=offset, price=offset), offset, replay)
            store(connection, Instrument(symbol="TSLA", name=str(offset)), offset, replay)
        store(connection, Correlation(**pair, method="SPEARMAN"), 3)
        seen = {
            "stock_data": "SELECT revision FROM stock_data",
            "sentiment_data": "SELECT revision FROM sentiment_data",
            "latest_sentiment": "SELECT revision FROM latest_sentiment",
            "latest_quote": "SELECT price FROM latest_quote",
            "latest_instrument": "SELECT name FROM latest_instrument",
            "correlation_analysis": "SELECT method FROM correlation_analysis ORDER BY method",
        }
        found = {view: [value for (value,) in connection.execute(query)] for view, query in seen.items()}
    assert [found[name] for name in list(seen)[:3]] == [[1], [1], [1]]
    assert found["latest_quote"] == [1.0]
    assert found["latest_instrument"] == ["1"]
    assert found["correlation_analysis"] == ["PEARSON", "SPEARMAN"]
