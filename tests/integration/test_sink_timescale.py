"""The sink of the database against real servers: every fact of the topics is a row, once, whatever happens."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from infra.endpoints import Endpoints
from infra.errors import UserError
from infra.replays import code_version
from infra.settings import Settings
from schemas.codec import codec_for
from schemas.records import Mention, Quote, ScoredPost
from schemas.topics import BARS, MENTIONS, QUOTES, TOPIC_OF_RECORD, partition_of
from sinks.rows import TABLE_OF_TOPIC
from sinks.timescale import GROUP, run_timescale
from tests.helpers.sinking import (
    MINUTE,
    START,
    Writer,
    await_true,
    delete_records,
    quote,
    rows,
    running,
    sample_records,
    stored_to_end,
)
from tests.helpers.wires import wire_before

pytestmark = pytest.mark.services
PLACE = ("topic_partition", "topic_offset")


@pytest.fixture
def here(endpoints: Endpoints, database: str) -> Endpoints:
    """The servers, with a database of this test."""
    return replace(endpoints, database=database)


@pytest.fixture
def quick(settings: Settings) -> Settings:
    """Settings with short chunks, so that a test has many of them."""
    return settings.model_copy(update={"consume_records": 50, "session_timeout_ms": 6000})


def sink(settings: Settings, endpoints: Endpoints) -> Iterator[object]:
    """The sink in a thread of this process."""
    return running(run_timescale, settings, endpoints)


def test_every_fact_is_a_row_once(topics, here, quick):
    """Of each kind of fact every committed record is one row of its table; clocks and aborted facts are none.

    The ledger ends behind clocks and transaction markers, and so do the group's offsets.
    """
    writer, records = Writer(topics), sample_records()
    writer.facts(records)
    writer.facts([quote("ABORTED")], abort=True)
    with sink(quick, here):
        await_true(lambda: stored_to_end(topics, here.database), "the first facts are stored")
        writer.clocks(QUOTES)
        writer.clocks(MENTIONS)
        await_true(lambda: stored_to_end(topics, here.database), "clocks moved the ledger")
    for topic, table in TABLE_OF_TOPIC.items():
        written = [record for record in records if TOPIC_OF_RECORD[type(record)].name == topic]
        assert len(rows(here.database, table)) == len(written) == 2
    (full,) = [row for row in rows(here.database, "quote") if row["symbol"] == "^GSPC"]
    assert (full["price"], full["bar_open"], full["flags"], full["replay"]) == (12.5, 1.0, ["jump", "stale"], "live")
    assert full["sequence"] == 2**40
    assert full["event_time"].timestamp() == START / 1e6
    (post,) = [row for row in rows(here.database, "post") if row["source"] == "reddit"]
    assert post["mentions"][0] == {"symbol": "TSLA", "rule": "cashtag", "confidence": 0.9}
    assert (post["score"], post["label"]) == (0.5, "positive")
    (mood,) = [row for row in rows(here.database, "sentiment") if row["interval"] == 300]
    assert mood["sources"] == {"reddit": 4, "x": 1}
    (found,) = [row for row in rows(here.database, "correlation") if row["interval"] == 300]
    assert (found["window"], found["lags"], found["r_by_lag"]) == (60, [-1, 0, 1], [None, 0.4, 0.2])


def test_two_processes_share_the_partitions(topics, here, quick):
    """With a second process coming and going, every fact is a row once."""
    writer = Writer(topics)
    batches = [[quote(f"S{n % 40}", minute * 40 + n) for n in range(40)] for minute in range(12)]
    with sink(quick, here):
        for batch in batches[:4]:
            writer.facts(batch)
        with sink(quick, here):
            for batch in batches[4:8]:
                writer.facts(batch)
            await_true(lambda: stored_to_end(topics, here.database), "both have stored")
        for batch in batches[8:]:
            writer.facts(batch)
        await_true(lambda: stored_to_end(topics, here.database), "one has stored the rest")
    assert_stored_once(here.database, [record for batch in batches for record in batch])


def test_a_ledger_moved_by_another_writer_drops_the_chunk(topics, here, quick):
    """Where the ledger stands elsewhere than a sink believes, its chunk is dropped and it goes on from the ledger."""
    writer, symbol = Writer(topics), "TSLA"
    place = {"topic": QUOTES, "partition": partition_of(symbol)}
    writer.facts([quote(symbol, 0)])
    with sink(quick, here):
        await_true(lambda: stored_to_end(topics, here.database), "the first fact is stored")
        with psycopg.connect(here.database) as connection:
            # As if another process had stored the next fact and its marker.
            connection.execute(
                "UPDATE sink_offset SET next_offset = next_offset + 2"
                " WHERE topic = %(topic)s AND partition = %(partition)s",
                place,
            )
        writer.facts([quote(symbol, 1)])
        writer.facts([quote(symbol, 2)])
        await_true(lambda: stored_to_end(topics, here.database), "the ledger is at the end")
    assert [row["event_time"].timestamp() * 1e6 for row in rows(here.database, "quote")] == [START, START + 2 * MINUTE]


def test_the_database_tells_which_code_makes_the_live_facts(topics, here, quick):
    """However the processes are started; a restart of the same code adds nothing."""
    writer = Writer(topics)
    for minute in range(2):
        writer.facts([quote("TSLA", minute)])
        with sink(quick, here):
            await_true(lambda: stored_to_end(topics, here.database), "it is stored")
    with psycopg.connect(here.database) as connection:
        assert connection.execute("SELECT code FROM build").fetchall() == [(code_version(),)]


def test_killed_in_between_nothing_is_lost_or_doubled(topics, here, environ, tmp_path):
    """Kill -9 in the middle of its work, and a start as the same member: every fact is a row once."""
    writer = Writer(topics)
    records = [quote(f"S{n % 60}", n) for n in range(2000)]
    writer.facts(records)
    environ = {**environ, "MOODTAPE_DATABASE_URL": here.database, "MOODTAPE_CONSUME_RECORDS": "40"}
    environ = {**environ, "MOODTAPE_INSTANCE": "a", "MOODTAPE_SESSION_TIMEOUT_MS": "6000"}
    for last in (False, True):
        before = len(rows(here.database, "quote"))
        with (tmp_path / "log").open("a") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "moodtape", "sink", "timescale"], env=environ, cwd=tmp_path, stderr=log
            )
        try:
            if last:
                await_true(lambda: stored_to_end(topics, here.database), "all is stored")
            else:
                await_true(lambda b=before: len(rows(here.database, "quote")) > b, "it has begun")
        finally:
            process.send_signal(signal.SIGTERM if last else signal.SIGKILL)
            code = process.wait(30)
    assert code == 0, Path(tmp_path / "log").read_text()
    assert_stored_once(here.database, records)


def test_refused_and_unreadable_records_become_dead_letters(topics, here, quick):
    """A row that the database refuses is found among the others and becomes a dead letter; so is what is unreadable.

    Everything else is stored, and the letters, with the original bytes, end in their table.
    """
    writer = Writer(topics)
    good = [quote("TSLA", minute) for minute in range(40)]
    bad = [replace(good[0], currency="a\x00b"), replace(good[0], event_time=-(2**60)), quote(price=5e9)]
    with psycopg.connect(here.database) as connection:
        connection.execute("ALTER TABLE quote ADD CHECK (price < 1e9)")
    writer.facts([*good[:20], bad[0], *good[20:], bad[1], bad[2]])
    key, partition = b"TSLA", partition_of("TSLA")
    alien = codec_for(BARS).encode(sample_records()[3])
    with writer.transaction():
        writer.put(QUOTES, partition, key, b"\x00\x01", [("a", b"\xff"), ("b", b"text")])
        writer.put(QUOTES, partition, key, alien)
    with sink(quick, here):
        await_true(lambda: len(rows(here.database, "dead_letter")) == 5, "all dead letters are stored")
        await_true(lambda: stored_to_end(topics, here.database), "everything is stored")
    letters = sorted(rows(here.database, "dead_letter"), key=lambda row: row["origin_offset"])
    assert [row["error"] for row in letters[:3]] == ["CharacterNotInRepertoire", "OverflowError", "CheckViolation"]
    assert [row["reason"] for row in letters] == ["refused"] * 3 + ["undecodable", "unknown_schema"]
    assert [row["value"] for row in letters[:3]] == [codec_for(QUOTES).encode(record) for record in bad]
    assert letters[3]["headers"] == [["a", {"base64": "/w=="}], ["b", "text"]]
    assert {(row["origin_topic"], row["dlq_topic"], row["key"]) for row in letters} == {(QUOTES, f"{QUOTES}.dlq", key)}
    assert {(row["consumer_group"], row["attempts"], row["stage"]) for row in letters} == {(GROUP, 1, "sink.timescale")}
    assert_stored_once(here.database, good)


def test_a_database_that_goes_away_is_waited_for(topics, here, quick):
    """Connections cut in the middle, refused for a while, then accepted: every fact is a row once."""
    writer = Writer(topics)
    records = [quote(f"S{n % 60}", n) for n in range(4000)]
    with wire_before(here.database) as (wires, url), sink(quick, replace(here, database=url)) as future:
        writer.facts(records[:2000])
        await_true(lambda: len(rows(here.database, "quote")) > 0, "it has begun")
        with wires.rule("server", "cut"):
            writer.facts(records[2000:])
        await_true(lambda: len(rows(here.database, "quote")) > 2000, "it goes on")
        with psycopg.connect(here.database, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        await_true(lambda: stored_to_end(topics, here.database), "all is stored")
        assert future.running()
    assert_stored_once(here.database, records)


def test_a_deleted_post_leaves_no_author_or_url(topics, here, quick):
    """A deletion takes author and url from every row of the post, also from those that are stored after it.

    Rows of later revisions and of other posts keep theirs.
    """
    writer = Writer(topics)
    post = ScoredPost(source="reddit", post_id="p", event_time=START, author="a", url="u")
    said = Mention(symbol="TSLA", source="reddit", post_id="p", event_time=START, author="a", url="u")
    writer.facts([post, said, replace(post, post_id="q"), replace(said, post_id="q", symbol="GME")])
    with sink(quick, here):
        await_true(lambda: stored_to_end(topics, here.database), "the post is stored")
        writer.facts([replace(post, revision=1, deleted=True)])
        await_true(lambda: stored_to_end(topics, here.database), "the deletion is stored")
        writer.facts([replace(said, symbol="AMC"), replace(said, revision=2)])
        await_true(lambda: stored_to_end(topics, here.database), "more mentions are stored")
    found = {
        (table, row["post_id"], row["revision"], row.get("symbol")): (row["author"], row["url"])
        for table in ("post", "mention")
        for row in rows(here.database, table)
    }
    kept = {place for place, value in found.items() if value == ("a", "u")}
    assert kept == {("post", "q", 0, None), ("mention", "q", 0, "GME"), ("mention", "p", 2, "TSLA")}
    assert {value for place, value in found.items() if place not in kept} == {(None, None)}


@pytest.mark.parametrize("lost", ["start", "end"])
def test_a_log_without_what_is_missing_stops_the_sink(topics, here, quick, lost):
    """Where the log has lost what is not stored yet the sink stops and says which partition lacks what."""
    writer, partition = Writer(topics), partition_of("TSLA")
    writer.facts([quote("TSLA", minute) for minute in range(9)])
    with sink(quick, here):
        await_true(lambda: stored_to_end(topics, here.database), "all is stored")
    if lost == "start":
        writer.facts([quote("TSLA", 10), quote("TSLA", 11)])
        delete_records(topics, QUOTES, partition, 12)
    else:
        with psycopg.connect(here.database) as connection:
            connection.execute("UPDATE sink_offset SET next_offset = 99 WHERE topic = %s", (QUOTES,))
    word = "2 offsets were removed" if lost == "start" else "the log ends at"
    where = f"quotes.v1/{'[0-9]+' if lost == 'end' else partition}.*{word}"
    with pytest.raises(UserError, match=where), sink(quick, here) as future:
        future.exception(30)


def assert_stored_once(database: str, records: list[Quote]) -> None:
    """The rows of ``quote`` are exactly these quotes, each from a place of its own."""
    found = rows(database, "quote")
    assert len({tuple(row[name] for name in PLACE) for row in found}) == len(found)
    stored = sorted((row["symbol"], round(row["event_time"].timestamp() * 1e6)) for row in found)
    assert stored == sorted((record.symbol, record.event_time) for record in records)
