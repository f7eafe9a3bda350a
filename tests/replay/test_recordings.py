"""The three recordings through the whole pipeline, held against computations of our own making."""

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

from api.app import create_app
from infra.clock import from_datetime
from infra.offsets import read_to_end
from infra.settings import Settings
from schemas.topics import BARS, CORRELATIONS, MENTIONS, SENTIMENT
from tests.helpers import bar_oracle, mood_oracle
from tests.helpers.playing import Played, Servers, play
from tests.integration.serving import running

pytestmark = [pytest.mark.services, pytest.mark.shared, pytest.mark.timeout(1800)]
RECORDINGS = ("gme_2021_01", "tsla_2022_03", "stocknet_2014")
BAR_FIELDS = ("start", "known_time", "open", "high", "low", "close", "volume", "trades", "vwap", *bar_oracle.INDICATORS)


@pytest.fixture(scope="module", params=RECORDINGS)
def played(request: pytest.FixtureRequest, shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    """A recording played to its end, its servers up again."""
    recording = shared / "recordings" / request.param
    data_dir = tmp_path_factory.mktemp(request.param) / "data"
    counts = play(recording, data_dir)
    with Servers(data_dir) as endpoints:
        yield Played(recording, data_dir, counts, endpoints)


def test_raw_topics_hold_the_lines_of_the_recording(played: Played) -> None:
    """Facts in the raw topics are the lines of the files, and nothing became a dead letter."""
    for topic, name in (("raw.quotes.v1", "quotes"), ("raw.posts.v1", "posts")):
        lines = sum(1 for _ in bar_oracle.lines_of(played.recording / f"{name}.jsonl.gz"))
        assert played.counts["topics"][topic] == lines
    assert played.counts["dead_letters"] == {}


def test_tables_hold_what_the_topics_hold(played: Played) -> None:
    """Every derived topic has as many facts as its table has rows."""
    topics, tables = played.counts["topics"], played.counts["tables"]
    pairs = {"quotes": "quote", "bars": "bar", "posts": "post", "mentions": "mention", "correlations": "correlation"}
    for topic, table in {**pairs, "sentiment": "sentiment"}.items():
        assert topics[f"{topic}.v1"] == tables[table]


def test_bars_equal_a_computation_from_the_recording(played: Played) -> None:
    """The rows of ``bar`` are the bars of the recording, both ways, all intervals, indicators as TA-Lib gives them."""
    expected = bar_oracle.bars_of(played.recording / "quotes.jsonl.gz")
    rows = {(row["symbol"], row["interval"], row["event_time"]): row for row in played.rows("bar")}
    assert rows.keys() == expected.keys()
    wrong = [
        (key, field, rows[key][field], want[field])
        for key, want in expected.items()
        for field in BAR_FIELDS
        if not bar_oracle.same(rows[key][field], want[field])
    ]
    assert wrong[:5] == []


def test_each_bar_is_the_record_that_it_names(played: Played) -> None:
    """A row's (topic_partition, topic_offset) is a record of bars.v1 with the same fields for a foreign consumer."""
    context = SerializationContext(BARS, MessageField.VALUE)
    with running(create_app(Settings(data_dir=played.data_dir), played.endpoints, "registry")) as client:
        deserialize = AvroDeserializer(SchemaRegistryClient({"url": str(client.base_url)}))
        records = {
            (m.partition(), m.offset()): deserialize(m.value(), context)
            for m in read_to_end(played.endpoints.kafka, [BARS])
            if m.value() is not None
        }
    rows = played.rows("bar")
    assert len(rows) == len(records)
    for row in rows:
        record = records[row["topic_partition"], row["topic_offset"]]
        assert {name: row[name] for name in flat(record)} == flat(record)


def test_a_users_own_consumer_counts_what_the_tables_hold(played: Played, tmp_path: Path) -> None:
    """The program printed in the README, run as it stands, reads as many mentions and correlations as are stored."""
    program = tmp_path / "consumer.py"
    program.write_text(consumer_of_the_readme())
    with running(create_app(Settings(data_dir=played.data_dir), played.endpoints, "registry")) as client:
        for topic, table in ((MENTIONS, "mention"), (CORRELATIONS, "correlation")):
            arguments = [played.endpoints.kafka, str(client.base_url).rstrip("/"), topic]
            done = subprocess.run(
                [sys.executable, str(program), *arguments], capture_output=True, text=True, check=True
            )
            assert int(done.stdout.split()[-1]) == played.counts["tables"][table]


def consumer_of_the_readme() -> str:
    """The README's Python example."""
    text = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
    return text.split("```python\n", 1)[1].split("```", 1)[0]


def flat(record: dict[str, Any]) -> dict[str, Any]:
    """A bar as a foreign consumer sees it, in the table's columns."""
    plain = {k: from_datetime(v) if hasattr(v, "tzinfo") else v for k, v in record.items() if k != "indicators"}
    return {**plain, **record["indicators"]}


def test_moods_and_correlations_equal_a_plain_computation(played: Played) -> None:
    """Moods and correlations of TSLA (300 s) and GME (3600 s) are those of numpy and scipy, and half of them are OK."""
    choice = {"tsla_2022_03": ("TSLA", 300, 390), "gme_2021_01": ("GME", 3600, 60)}.get(played.recording.name)
    if choice is None:
        symbol, interval, window = "AAPL", 86400, 60
    else:
        symbol, interval, window = choice
    mentions = [m for m in played.records(MENTIONS) if m.symbol == symbol]
    moods = [m for m in played.records(SENTIMENT) if m.symbol == symbol]
    bars = [b for b in played.records(BARS) if b.symbol == symbol]
    compare([m for m in moods if m.interval == interval], mood_oracle.moods(mentions, intervals=[interval]))
    found = [c for c in played.records(CORRELATIONS) if c.symbol == symbol and c.interval == interval]
    compare(found, mood_oracle.correlations(bars, moods, symbol=symbol, interval=interval))
    if choice is not None:
        used = Counter(c.status for c in found if c.window == window)
        assert used["OK"] >= sum(used.values()) / 2


def compare(found: list[Any], expected: list[Any]) -> None:
    """The same keys, and the same fields under each."""
    ours, theirs = ({key_of(item): item for item in items} for items in (found, expected))
    assert len(found) == len(ours)
    assert ours.keys() == theirs.keys()
    wrong = [(key, d) for key, item in ours.items() if (d := mood_oracle.differences(item, theirs[key]))]
    assert wrong[:3] == []


def key_of(item: Any) -> tuple[Any, ...]:
    """The logical key of a mood or a correlation."""
    names = ("symbol", "interval", "event_time", "window", "pair", "method")
    return tuple(getattr(item, name, None) for name in names)
