"""``moodtape verify`` and ``moodtape dlq`` on real servers: what adds up passes, what was tampered with is named."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from infra.clock import to_rfc3339
from infra.endpoints import Endpoints
from infra.settings import Settings
from moodtape.verify.accounting import verify
from schemas.codec import codec_for
from schemas.deadletters import dead_letter_headers
from schemas.records import Bar, Gap, Indicators, Instrument, Mention, PostMention, Quote, RawPost, RawQuote, ScoredPost
from schemas.topics import QUOTES, RAW_QUOTES, dead_letter_topic, partition_of
from sinks.timescale import run_timescale
from tests.helpers.sinking import MINUTE, START, Writer, await_true, running, sample_records, stored_to_end

pytestmark = pytest.mark.services
FIRST = START // (60 * MINUTE) * 60 * MINUTE
SYMBOLS = ("TSLA", "GME")
# For each table a column to alter and another value of it.
ALTERED = {
    "quote": ("price", "price + 1e-9"),
    "bar": ("vwap", "1.5"),
    "post": ("mentions", "'[]'"),
    "mention": ("words", "'{x}'"),
    "gap": ("reason", "'x'"),
    "instrument": ("aliases", "'{x}'"),
    "dead_letter": ("value", "'\\x00'"),
}


def raw_quotes() -> list[RawQuote]:
    """Two ticks a symbol in one minute."""
    return [
        RawQuote(
            source="simulator", symbol=s, event_time=FIRST + n, ingest_time=FIRST + n, price=4.0 + n, volume=2.0 * n
        )
        for s in SYMBOLS
        for n in (1, 2)
    ]


def quotes() -> list[Quote]:
    """What the first stage makes of the raw quotes."""
    return [Quote(**{name: getattr(raw, name) for name in RawQuote.__slots__}) for raw in raw_quotes()]


def bars() -> list[Bar]:
    """The one bar of each symbol that is closed."""
    end = FIRST + MINUTE
    numbers = {"open": 5.0, "high": 6.0, "low": 5.0, "close": 6.0, "volume": 6.0, "trades": 2, "vwap": 34.0 / 6.0}
    return [
        Bar(
            symbol=s,
            interval=60,
            start=FIRST,
            event_time=end,
            known_time=end,
            source="simulator",
            indicators=Indicators(obv=6.0),
            **numbers,
        )
        for s in SYMBOLS
    ]


def posts() -> tuple[list[RawPost], list[ScoredPost], list[Mention]]:
    """A post that stays and one whose second revision deletes it."""
    raw = [
        RawPost(source="reddit", post_id="p1", event_time=START, text="calm seas", author="a1", url="u1"),
        RawPost(source="reddit", post_id="p2", event_time=START, text="rough seas", author="a2", url="u2"),
        RawPost(source="reddit", post_id="p2", revision=1, event_time=START, author="a2", url="u2", deleted=True),
    ]
    names = ("source", "post_id", "revision", "event_time", "ingest_time", "author", "community", "url", "deleted")
    shared = [{name: getattr(post, name) for name in names} for post in raw]
    shared[2] |= {"author": None, "url": None}
    mention = PostMention(symbol="TSLA", rule="tag", confidence=1.0)
    scored = [ScoredPost(**fields, mentions=() if fields["deleted"] else (mention,)) for fields in shared]
    named = {"rule": mention.rule, "confidence": mention.confidence}
    return raw, scored, [Mention(symbol="TSLA", **fields, **({} if fields["deleted"] else named)) for fields in shared]


def other_records() -> list[Any]:
    """Facts that no stage makes."""
    return [r for r in sample_records() if isinstance(r, Gap | Instrument)]


def write_everything(bootstrap: str) -> None:
    """A small world in the topics: facts, clocks, one dead letter, one aborted transaction."""
    writer = Writer(bootstrap)
    raw, scored, mentions = posts()
    writer.facts([*raw_quotes(), *raw_quotes()[:1], *raw])
    writer.facts(raw_quotes(), abort=True)
    with writer.transaction():
        writer.put(RAW_QUOTES, 3, b"k", b"garbage")
    with writer.transaction():
        writer.put(dead_letter_topic(RAW_QUOTES), 3, b"k", b"garbage", letter_headers())
    writer.facts(quotes())
    with writer.transaction():
        for symbol in SYMBOLS:
            writer.put(QUOTES, partition_of(symbol), None, None, clock_headers(symbol))
    writer.facts([*bars(), *scored, *mentions, *other_records()])


def letter_headers() -> list[tuple[str, bytes]]:
    """Headers of the dead letter of the only raw record of its partition."""
    return dead_letter_headers(
        topic=RAW_QUOTES,
        partition=3,
        offset=0,
        stage="quotes",
        error="DecodeError",
        message="first byte is 103, not 0",
        reason="undecodable",
        attempts=1,
        group="moodtape.quotes",
        failed_at=START,
        original=[("odd", b"\xff")],
    )


def clock_headers(symbol: str) -> list[tuple[str, bytes]]:
    """A clock at the end of the first minute."""
    from schemas.clocks import Clock

    origin = f"{RAW_QUOTES}/{partition_of(symbol)}"
    return Clock(kind="time", origin=origin, time=FIRST + MINUTE).headers()


@pytest.fixture
def stored(topics: str, endpoints: Endpoints, settings: Settings, database: str) -> Iterator[Endpoints]:
    """The small world in the topics, and in the tables by the real sink."""
    here = replace(endpoints, database=database)
    write_everything(topics)
    with running(run_timescale, settings, here):
        await_true(lambda: stored_to_end(topics, database), "everything is stored")
    return here


def account(here: Endpoints, settings: Settings) -> dict[str, dict[str, Any]]:
    """The edges of an account, by name."""
    return {edge.name: edge.to_json() for edge in verify(here, settings, 0.0, lambda _: None).edges}


def tamper(database: str, statement: str) -> None:
    """Run one statement for each table, its name in place of {t}, its first row's place in place of {where}."""
    first = "(topic_partition, topic_offset) = (SELECT topic_partition, topic_offset FROM {t} ORDER BY 1, 2 LIMIT 1)"
    with psycopg.connect(database) as connection:
        connection.execute("DROP INDEX dead_letter_identity")
        for table, (column, value) in ALTERED.items():
            text = statement.replace("{where}", first).replace("{set}", f"{column} = {value}").replace("{t}", table)
            connection.execute(sql.SQL(text))  # type: ignore[arg-type]


def test_what_was_stored_adds_up(stored: Endpoints, settings: Settings) -> None:
    """Every edge is ok over facts, clocks, aborted and dead records, duplicates and a deleted post."""
    edges = account(stored, settings)
    assert [edge["problems"] for edge in edges.values() if not edge["ok"]] == []
    raw = edges["raw.quotes.v1 -> quotes.v1"]
    assert {k: raw[k] for k in ("in", "out", "dead", "duplicates")} == {"in": 6, "out": 4, "dead": 1, "duplicates": 1}
    assert (edges["quotes.v1 -> bars.v1"]["in"], edges["quotes.v1 -> bars.v1"]["out"]) == (2, 2)
    assert edges["posts.v1 -> post"]["out"] == 3
    assert edges["raw.quotes.v1.dlq -> dead_letter"]["out"] == 1


@pytest.mark.parametrize(
    ("trouble", "statement"),
    [
        ("missing", "DELETE FROM {t} WHERE {where}"),
        ("extra", "INSERT INTO {t} SELECT * FROM {t} WHERE {where}"),
        ("altered", "UPDATE {t} SET {set} WHERE {where}"),
    ],
)
def test_a_row_tampered_with_is_named(stored: Endpoints, settings: Settings, trouble: str, statement: str) -> None:
    """One row of each table deleted, doubled or altered by SQL: its edge counts exactly that and names the row."""
    tamper(stored.database, statement)
    edges = account(stored, settings)
    for table, (column, _) in ALTERED.items():
        edge = next(e for name, e in edges.items() if name.endswith(f"-> {table}") and e["in"])
        assert edge[trouble] == 1, (edge, table)
        assert edge["missing"] + edge["extra"] + edge["altered"] == 1, edge
        (problem,) = edge["problems"]
        assert f": {trouble}: " in problem
        assert trouble != "altered" or problem.endswith(f": {column}"), problem


def test_an_author_kept_after_deletion_is_a_fault(stored: Endpoints, settings: Settings) -> None:
    """Rows of a deleted post must have lost author and url; those of others must not."""
    with psycopg.connect(stored.database) as connection:
        connection.execute("UPDATE mention SET author = 'a2' WHERE post_id = 'p2' AND revision = 0")
        connection.execute("UPDATE mention SET author = NULL WHERE post_id = 'p1'")
    edge = account(stored, settings)["mentions.v1 -> mention"]
    assert edge["altered"] == 2
    assert "author, though the post was not deleted" in " ".join(edge["problems"])
    assert "author or url must be gone" in " ".join(edge["problems"])


def test_rows_from_nowhere_are_named(stored: Endpoints, settings: Settings) -> None:
    """A row that names an offset or a partition that the topic does not have is too much."""
    with psycopg.connect(stored.database) as connection:
        connection.execute("UPDATE quote SET topic_offset = 1000 WHERE symbol = 'GME' AND price = 5")
        connection.execute("UPDATE gap SET topic_partition = 9 WHERE source = 'x'")
    edges = account(stored, settings)
    for name in ("quotes.v1 -> quote", "gaps.v1 -> gap"):
        assert (edges[name]["missing"], edges[name]["extra"]) == (1, 1)


def test_a_lost_and_a_doubled_output_are_named(topics: str, endpoints: Endpoints, settings: Settings, database: str):
    """What the stages lost or wrote twice is found in the topics themselves, whatever the tables hold."""
    writer = Writer(topics)
    writer.facts([*raw_quotes(), *posts()[0]])
    writer.facts([*quotes()[1:], quotes()[1]])
    edges = account(replace(endpoints, database=database), settings)
    raw = edges["raw.quotes.v1 -> quotes.v1"]
    assert (raw["missing"], raw["extra"]) == (1, 1)
    assert edges["raw.posts.v1 -> posts.v1"]["missing"] == 3
    assert "behind" in raw["notes"][0]
    assert edges["quotes.v1 -> quote"]["missing"] == 4


def run(arguments: list[str], environ: dict[str, str], folder: Path) -> "subprocess.CompletedProcess[str]":
    """A moodtape command."""
    command = [sys.executable, "-c", "from moodtape.cli import main; main()", *arguments, "--json"]
    return subprocess.run(command, env=environ, cwd=folder, capture_output=True, text=True, check=False, timeout=120)


def test_the_commands_tell_and_exit(stored: Endpoints, environ: dict[str, str], tmp_path: Path) -> None:
    """Both checks exit 0 or 1, `dlq list` counts, `dlq show` shows a letter by the place of its original, no text."""
    environ = {**environ, "MOODTAPE_DATABASE_URL": stored.database, "PYTHONPATH": str(Path.cwd())}
    good = run(["verify", "--wait", "0"], environ, tmp_path)
    assert (good.returncode, json.loads(good.stdout)["ok"]) == (0, True), good.stderr
    good = run(["lookahead-check"], environ, tmp_path)
    assert (good.returncode, json.loads(good.stdout)["ok"]) == (0, True), good.stderr
    with psycopg.connect(stored.database) as connection:
        connection.execute("DELETE FROM bar WHERE symbol = 'GME'")
        connection.execute("UPDATE bar SET known_time = known_time - interval '1 microsecond'")
    ahead = run(["lookahead-check"], environ, tmp_path)
    assert ahead.returncode == 1
    (problem,) = json.loads(ahead.stdout)["edges"][0]["problems"]
    assert "TSLA" in problem
    assert problem.endswith(": known_time")
    bad = run(["verify", "--wait", "0"], environ, tmp_path)
    assert bad.returncode == 1
    assert "GME" in json.dumps(json.loads(bad.stdout)["edges"])
    watched = run(["verify", "--watch", "--passes", "1"], environ, tmp_path)
    passed, summary = map(json.loads, watched.stdout.splitlines())
    assert (watched.returncode, passed["pass"], summary["passes"], summary["ok"]) == (1, 1, 1, False)
    assert any("GME" in problem for problem in summary["problems"])
    before = run(["verify", "--wait", "0", "--as-of", to_rfc3339(FIRST)], environ, tmp_path)
    assert (before.returncode, json.loads(before.stdout)["ok"]) == (0, True), before.stdout
    listed = json.loads(run(["dlq", "list", "--reason", "undecodable"], environ, tmp_path).stdout)
    assert listed["counts"] == [
        {"topic": "raw.quotes.v1.dlq", "reason": "undecodable", "count": 1, "states": {"waiting": 1}}
    ]
    assert json.loads(run(["dlq", "list", "--reason", "bug"], environ, tmp_path).stdout)["counts"] == []
    shown = json.loads(run(["dlq", "show", RAW_QUOTES, "3", "0"], environ, tmp_path).stdout)
    assert (shown["message"], shown["bytes"], shown["value"]) == ("first byte is 103, not 0", 7, None)
    none = run(["dlq", "show", RAW_QUOTES, "4", "0"], environ, tmp_path)
    assert none.returncode == 2
    assert "no dead letter of raw.quotes.v1 4 0" in none.stderr


def test_a_text_is_only_shown_when_asked_for(topics: str, environ: dict[str, str], tmp_path: Path) -> None:
    """A post among the dead letters is shown without its text unless --reveal is given."""
    raw = replace(posts()[0][0], text="a secret hunch")
    value = codec_for("raw.posts.v1").encode(raw)
    writer = Writer(topics)
    headers = [(name, b"raw.posts.v1" if text == RAW_QUOTES.encode() else text) for name, text in letter_headers()]
    with writer.transaction():
        writer.put(dead_letter_topic("raw.posts.v1"), 5, b"reddit:p1", value, headers)
    environ = {**environ, "PYTHONPATH": str(Path.cwd())}
    hidden = run(["dlq", "show", "raw.posts.v1.dlq", "5", "0"], environ, tmp_path)
    assert json.loads(hidden.stdout)["record"]["text"] == "(14 characters, hidden)"
    assert "hunch" not in hidden.stdout
    shown = run(["dlq", "show", "raw.posts.v1.dlq", "5", "0", "--reveal"], environ, tmp_path)
    assert json.loads(shown.stdout)["record"]["text"] == "a secret hunch"


def test_doctor_finds_what_is_wrong(topics: str, database: str, environ: dict[str, str], tmp_path: Path) -> None:
    """With servers, topics and schema in place everything is ok; an external server that is away is broken."""
    environ = {**environ, "MOODTAPE_DATABASE_URL": database, "PYTHONPATH": str(Path.cwd())}
    done = run(["doctor"], environ, tmp_path)
    report = json.loads(done.stdout)
    assert (done.returncode, report["ok"]) == (0, True), report
    assert {check["name"]: check["state"] for check in report["checks"]}["topics"] == "ok"
    password = database.split(":")[2].partition("@")[0]
    assert password not in done.stdout
    environ["MOODTAPE_KAFKA_BOOTSTRAP"] = "127.0.0.1:1"
    done = run(["doctor"], environ, tmp_path)
    assert done.returncode == 1
    kafka = next(check for check in json.loads(done.stdout)["checks"] if check["name"] == "kafka")
    assert kafka == {
        "name": "kafka", "state": "broken", "text": "does not answer: check MOODTAPE_KAFKA_BOOTSTRAP"
    }  # fmt: skip
