"""The real commands: a recording is live, and comes once more, in other ways, with another scorer, in part."""

import signal
from collections.abc import Iterator, Sequence
from pathlib import Path

import psycopg
import pytest

from infra.clock import from_rfc3339
from schemas.codec import codec_for
from schemas.topics import BARS, MENTIONS, QUOTES, RAW_QUOTES, SENTIMENT
from tests.helpers.playing import Servers, play, rows_of
from tests.helpers.sinking import delete_records

from .cutting import cut
from .living import Live

pytestmark = [pytest.mark.services, pytest.mark.shared, pytest.mark.timeout(600)]
FROM, TO = "2022-03-14T12:00:00Z", "2022-03-14T18:00:00Z"
WHOLE = ("--from", "2022-03-14T00:00:00Z", "--to", "2022-03-16T00:00:00Z")
INSIDE = ("2022-03-14T14:00:00Z", "2022-03-14T16:30:00Z")
KILLED = {
    "stream-quotes": "offsets-sent 2 kill",
    "stream-bars": "produced 2 kill",
    "stream-posts": "before-produce 1 kill",
    "stream-correlations": "committed 2 kill",
    "sink-timescale": "before-commit 2 kill",
    "replay": "look 3 kill",
}


@pytest.fixture(scope="module")
def live(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """Six hours of a real recording, played to their end by the lexicon; then only the servers run."""
    folder = tmp_path_factory.mktemp("live")
    play(cut(shared, folder / "recording", FROM, TO), folder / "data", environment={"MOODTAPE_SCORER": "lexicon"})
    with Servers(folder / "data") as endpoints:
        yield Live(folder / "data", endpoints)


def test_the_whole_again_differs_in_nothing_whatever_died(live: Live, tmp_path: Path) -> None:
    """Other chunks and workers; each process killed in a transaction, the command itself too, and begun again."""
    for name, order in KILLED.items():
        (tmp_path / name).write_text(order)
    orders = {
        "MOODTAPE_FAILPOINTS": str(tmp_path),
        "MOODTAPE_CONSUME_RECORDS": "50",
        "MOODTAPE_COMMIT_INTERVAL_MS": "20",
    }
    words = ("replay", *WHOLE, "--into", "killed", "--workers", "2")
    assert live.run(*words, **orders).returncode == -signal.SIGKILL
    assert "is not complete" in live.refused("replay", "compare", "killed")
    found = live.done(*words, **orders)
    assert sorted(path.name for path in tmp_path.glob("*.fired")) == sorted(f"{name}.fired" for name in KILLED)
    assert found["complete"]
    assert live.done("replay", "compare", "killed")["different"] == 0
    for topic in (QUOTES, BARS):
        assert live.facts(f"{topic}.killed") == live.facts(topic)
    assert sorted(all_of(live.facts(f"{MENTIONS}.killed"))) == sorted(all_of(live.facts(MENTIONS)))
    assert live.done(*words)["complete"]


def test_a_part_of_it_has_the_live_facts_of_its_time_and_symbols(live: Live) -> None:
    """Folded from the beginning, written from --from to --to, one symbol: the same rows and records as live."""
    live.done("replay", "--from", INSIDE[0], "--to", INSIDE[1], "--symbols", "tsla", "--into", "part")
    report = live.done("replay", "compare", "part")
    assert report["different"] == 0
    assert all(table["replay"] == table["live"] > 0 for table in report["tables"].values())
    times = [from_rfc3339(text) for text in INSIDE]
    for topic in (QUOTES, BARS, MENTIONS, SENTIMENT):
        codec = codec_for(topic)
        records = [codec.decode(value) for value in all_of(live.facts(f"{topic}.part"))]
        assert {record.symbol for record in records} == {"TSLA"}
        assert all(times[0] <= record.event_time < times[1] for record in records)
    assert {row["replay"] for row in rows_of(live.endpoints.database, "bar")} == {"live", "killed", "part"}


def test_another_scorer_changes_scores_and_what_follows_from_them(live: Live, shared: Path) -> None:
    """Prices, bars, words and buzz stay; scores, moods and mood against return differ, because of the model."""
    model = f"onnx:{shared / 'models' / 'finminilm'}"
    live.done("replay", *WHOLE, "--into", "scored", "--symbols", "TSLA", MOODTAPE_SCORER=model)
    report = live.done("replay", "compare", "scored", "--samples", "1")
    assert report["unexplained"] == 0
    tables = report["tables"]
    assert (tables["quote"]["different"], tables["bar"]["different"]) == (0, 0)
    for name in ("post", "mention", "sentiment", "correlation"):
        table = tables[name]
        assert set(table["reasons"]) == {"model"}
        assert table["changed"] == table["different"] > 0
    assert tables["mention"]["changed"] == tables["mention"]["live"]
    assert set(tables["mention"]["fields"]) <= {
        *("score", "positive", "negative", "neutral", "label", "model", "model_version")
    }
    assert not {"mentions", "buzz_z", "keywords", "coverage", "authors"} & set(tables["sentiment"]["fields"])
    assert tables["correlation"]["samples"][0]["key"]["pair"] == "MOOD_RETURN"


def test_a_difference_that_nothing_explains_is_told(live: Live) -> None:
    """A row removed, one added and one altered in a replay are counted, named, and end with exit code 1, though other
    code made live facts before these and will after them.
    """
    live.done("replay", "--from", INSIDE[0], "--to", INSIDE[1], "--into", "spoiled")
    with psycopg.connect(live.endpoints.database) as connection:
        spoil = "WHERE replay = 'spoiled' AND ctid = (SELECT min(ctid) FROM {0} WHERE replay = 'spoiled')"
        connection.execute(f"DELETE FROM quote {spoil.format('quote')}")
        connection.execute(f"UPDATE bar SET close = close + 1e-9 {spoil.format('bar')}")
        connection.execute(f"UPDATE mention SET revision = revision + 1 {spoil.format('mention')}")
        connection.execute("INSERT INTO build (since, code) VALUES ('2000-01-01Z', 'old'), ('2999-01-01Z', 'new')")
    report = live.done("replay", "compare", "spoiled", code=1)
    tables = report["tables"]
    assert report["unexplained"] == 4
    assert (tables["quote"]["missing"], tables["bar"]["fields"]) == (1, {"close": 1})
    assert (tables["mention"]["missing"], tables["mention"]["added"]) == (1, 1)
    assert tables["quote"]["samples"][0]["only_in"] == "live"


def test_what_is_refused(live: Live) -> None:
    """Each with the reason and the way out, in one line."""
    assert "no name for a replay" in live.refused("replay", *WHOLE, "--into", "live")
    assert "is not before" in live.refused("replay", "--from", TO, "--to", FROM, "--into", "backwards")
    assert "offset" in live.refused("replay", "--from", "noon", "--to", TO, "--into", "noon")
    assert "--into" in live.refused("replay", "--from", FROM, "--to", TO)
    assert "there is no replay nobody" in live.refused("replay", "compare", "nobody")
    other = live.refused("replay", *WHOLE, "--into", "part")
    assert "--from" in other
    assert "moodtape replay drop part" in other


def test_a_time_whose_prices_were_removed_is_refused(live: Live) -> None:
    """Last, for it cuts the logs: the message says from when on everything is there, and that a recording would do."""
    for partition in range(12):
        half = len(live.facts(RAW_QUOTES).get(partition, ())) // 2
        delete_records(live.endpoints.kafka, RAW_QUOTES, partition, half)
    line = live.refused("replay", *WHOLE, "--into", "late")
    assert "a raw topic lacks what came before 2022-03-14T" in line
    assert "moodtape record" in line
    assert "--from-mentions" in line
    assert "late" not in [plan["replay"] for plan in live.done("replay", "list")]
    live.done("replay", "drop", "part")
    assert "part" not in {row["replay"] for row in rows_of(live.endpoints.database, "bar")}


def test_moods_and_correlations_fold_again_of_stored_mentions(live: Live) -> None:
    """With the raw facts gone, stored mentions and bars give the very moods and correlations that are live."""
    live.done("replay", *WHOLE, "--into", "folded", "--from-mentions")
    report = live.done("replay", "compare", "folded")
    assert report["input"] == "stored mentions and bars"
    assert report["different"] == 0
    assert {name: table["replay"] == table["live"] > 0 for name, table in report["tables"].items()} == {
        "sentiment": True,
        "correlation": True,
    }
    (listed,) = [plan for plan in live.done("replay", "list") if plan["replay"] == "folded"]
    assert (listed["input"], listed["scorer"]) == ("stored mentions and bars", "none")
    assert "no prices and posts" in live.refused("replay", "switch", "folded")
    assert "with --from-mentions" in live.refused("replay", *WHOLE, "--into", "folded")
    assert "--symbols" in live.refused("replay", *WHOLE, "--into", "x", "--from-mentions", "--symbols", "TSLA")
    assert live.done("dlq", "list", "--replay", "folded")["counts"] == []


def all_of(facts: dict[int, list[bytes]]) -> Sequence[bytes]:
    """The facts of all partitions."""
    return [value for values in facts.values() for value in values]
