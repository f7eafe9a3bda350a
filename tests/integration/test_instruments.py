"""Instruments in their topic, and the commands that put them there."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from infra.errors import ServiceUnavailable
from infra.instrument_topic import loaded_instruments, publish_instruments
from infra.instruments import load_instruments, shipped_table
from infra.kafka import plain_producer
from infra.mention_counts import count_rules
from schemas.records import Instrument
from schemas.topics import INSTRUMENTS

from .serving import NOON, Rows

COUNTS = {"instruments": 2, "left_out": 0}
LISTING = "Symbol,Security Name\nZOOT,Zoot Brands Inc. - Common Stock\nZOT.B,Zot Inc. Class B\n"


def moodtape(folder: Path, environ: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command."""
    command = [sys.executable, "-m", "moodtape", *arguments, "--json"]
    return subprocess.run(command, env=environ, cwd=folder, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.services
def test_loading_twice_writes_once(topics: str, environ: dict[str, str], tmp_path: Path) -> None:
    """The first load writes every instrument of the file, the second none; the stages' table then has them."""
    path = tmp_path / "listing.csv"
    path.write_text(LISTING)
    first, second = (moodtape(tmp_path, environ, "instruments", "load", str(path)) for _ in range(2))
    assert json.loads(first.stdout) == COUNTS | {"files": [str(path)], "written": 2, "unchanged": 0}
    assert json.loads(second.stdout) == COUNTS | {"files": [str(path)], "written": 0, "unchanged": 2}
    table = load_instruments(topics)
    assert table.symbol_of("zoot brands") == "ZOOT"
    assert len(table) == len(shipped_table()) + 2
    listed = json.loads(moodtape(tmp_path, environ, "instruments", "list", "--grep", "ZOOT").stdout)
    assert [instrument["symbol"] for instrument in listed] == ["ZOOT"]


@pytest.mark.services
def test_the_newest_of_a_symbol_counts_and_null_deletes(topics: str) -> None:
    """The topic is read as its compaction would leave it; what cannot be read is left out."""
    old, new = Instrument(symbol="ZOOT", name="Old"), Instrument(symbol="ZOOT", name="New")
    assert publish_instruments(topics, [old, Instrument(symbol="GONE", name="Gone")]) == 2
    assert publish_instruments(topics, [new]) == 1
    producer = plain_producer(topics)
    producer.produce(INSTRUMENTS, None, b"GONE")
    producer.produce(INSTRUMENTS, b"\0broken", b"BROKEN")
    assert producer.flush(30) == 0
    assert loaded_instruments(topics) == {"ZOOT": new}


def test_a_file_that_is_no_listing_is_told_in_one_line(tmp_path: Path, environ: dict[str, str]) -> None:
    """Exit code 2, one line on standard error, no traceback; the good file beside it is not loaded either."""
    good, path = tmp_path / "listing.csv", tmp_path / "notes.txt"
    good.write_text(LISTING)
    path.write_text("hello\n")
    result = moodtape(tmp_path, environ, "instruments", "load", str(good), str(path))
    assert result.returncode == 2
    assert result.stderr.startswith("moodtape: ")
    assert len(result.stderr.splitlines()) == 1


def test_without_kafka_the_shipped_instruments_are_listed(tmp_path: Path) -> None:
    """Listing needs no server; it says on standard error that only the shipped ones are there."""
    environ = {"PATH": "/usr/bin", "MOODTAPE_DATA_DIR": str(tmp_path)}
    result = moodtape(tmp_path, environ, "instruments", "list", "--grep", "gamestop")
    assert [instrument["symbol"] for instrument in json.loads(result.stdout)] == ["GME", "GME-WT"]
    assert "only the shipped instruments" in result.stderr


@pytest.mark.services
def test_rules_are_counted_with_the_posts_that_name_one_too_unsurely(database: str) -> None:
    """Of the version that readers see: mentions and mean confidence by rule, and flagged posts; deleted ones not."""
    rows = Rows(database)
    for number, (rule, confidence, replay) in enumerate(
        [("name", 0.9, "live"), ("name", 1.0, "live"), ("cashtag", 1.0, "live"), ("bare", 0.5, "again")]
    ):
        place = {"post_id": str(number), "event_time": NOON, "symbol": "TSLA"}
        rows.put("mention", rule=rule, confidence=confidence, replay=replay, **place)
    rows.put("mention", rule="name", deleted=True, post_id="9", event_time=NOON, symbol="TSLA")
    rows.put("post", post_id="1", event_time=NOON, flags=["late", "unsure_mention"])
    rows.put("post", post_id="2", event_time=NOON)
    rows.close()
    counted = count_rules(database)
    assert [(rule.rule, rule.mentions, round(rule.confidence, 6)) for rule in counted.rules] == [
        ("name", 2, 0.95),
        ("cashtag", 1, 1.0),
    ]
    assert (counted.posts, counted.unsure_posts) == (2, 1)


def test_a_broker_that_is_gone_is_told() -> None:
    """Reading from nowhere ends with a sentence, not with an endless wait."""
    with pytest.raises(ServiceUnavailable, match=r"127\.0\.0\.1:9"):
        loaded_instruments("127.0.0.1:9")
