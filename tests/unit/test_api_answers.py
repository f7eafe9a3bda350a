"""The pure parts of the API: cursors, labels, ages, names, rows of the snapshot."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from api.ages import is_played, is_stale
from api.directory import nearest, ranked
from api.gate import MAX_URL
from api.paging import Cursors
from api.problems import Problem
from api.queries import MoodsQuery, PostsQuery
from api.registry import RegistryError, SchemaBody, look_up, version
from api.shapes import label_of, mood_status
from api.snapshot import keys_of, row_of
from schemas.records import Instrument
from schemas.topics import BARS

_FAR = "2199-12-31T23:59:59.999999+00:00"
SEEN = datetime(2022, 3, 16, 16, tzinfo=UTC)
TABLE = {
    i.symbol: i
    for i in (
        Instrument(symbol="TSLA", name="Tesla, Inc."),
        Instrument(symbol="TSM", name="Taiwan Semiconductor"),
        Instrument(symbol="META", name="Meta Platforms", former_symbols=("FB",)),
        Instrument(symbol="BRK-B", name="Berkshire Hathaway"),
        Instrument(symbol="METX", name="Burcon Metals"),
    )
}
queries = st.dictionaries(
    st.sampled_from(["symbol", "interval", "from", "as_of"]), st.none() | st.integers() | st.text()
)
positions = st.lists(st.integers() | st.text(max_size=20), min_size=1, max_size=3)


@given(queries, positions)
def test_a_cursor_gives_its_position_back(query: dict[str, Any], position: list[Any]) -> None:
    """Whatever the query, for the one who holds the secret."""
    cursors = Cursors(b"secret")

    assert cursors.read(query, cursors.make(query, position)) == position


@given(queries, queries, positions)
def test_a_cursor_is_bound_to_its_query(one: dict[str, Any], other: dict[str, Any], position: list[Any]) -> None:
    """Another query or another secret refuses it with 400."""
    assume(one != other)
    cursor = Cursors(b"secret").make(one, position)

    for cursors, query in ((Cursors(b"secret"), other), (Cursors(b"another"), one)):
        with pytest.raises(Problem) as refused:
            cursors.read(query, cursor)
        assert refused.value.status_code == 400


@given(positions, st.data())
def test_no_altered_cursor_is_read(position: list[Any], data: st.DataObject) -> None:
    """One character more, less or other, anywhere, and it is refused: one position has one text."""
    cursors = Cursors(b"secret")
    cursor = cursors.make({}, position)
    place = data.draw(st.integers(0, len(cursor) - 1))
    letter = data.draw(st.text(st.characters(), min_size=0, max_size=2).filter(lambda text: text != cursor[place]))

    with pytest.raises(Problem):
        cursors.read({}, cursor[:place] + letter + cursor[place + 1 :])


@pytest.mark.parametrize("letter", ["p", '"', "é", "\U0001f680"])
def test_the_longest_cursor_can_be_sent_back(letter: str) -> None:
    """A post's position with names as long as the index of posts holds them, in the longest query for posts."""
    name = letter * (2704 // len(letter.encode()))
    query = PostsQuery.model_validate({"from": _FAR, "to": _FAR, "as_of": _FAR, "interval": "86400"})
    cursors, bound = Cursors(b"secret"), query.bound("posts", "S" * 32)
    cursor = cursors.make(bound, [4_000_000_000_000_000, "", name])

    again = {"from": _FAR, "to": _FAR, "as_of": _FAR, "interval": 86400, "limit": 5000, "next": cursor}
    url = httpx.URL(f"http://x/api/v1/sentiment/{'S' * 32}/posts", params=again)

    assert len(url.raw_path) <= MAX_URL
    assert PostsQuery.model_validate({**again, "interval": "86400"}).after(cursors, "posts", "S" * 32) is not None


def test_a_cursor_too_long_is_refused_as_an_altered_one() -> None:
    """Whatever its length it is read, and answered with 400."""
    for length in (601, 7000):
        with pytest.raises(Problem) as refused:
            MoodsQuery.model_validate({"next": "A" * length}).after(Cursors(b"secret"), "moods", "TSLA")
        assert refused.value.status_code == 400


@pytest.mark.parametrize(
    ("score", "label"),
    [
        (None, None),
        (0.0, "neutral"),
        (0.05, "neutral"),
        (0.0500001, "positive"),
        (-0.05, "neutral"),
        (-0.0500001, "negative"),
        (1.0, "positive"),
        (-1.0, "negative"),
    ],
)
def test_a_label_is_the_scores_side(score: float | None, label: str | None) -> None:
    """Above .05 and below -.05; no score has no label."""
    assert label_of(score) == label


@pytest.mark.parametrize(
    ("score", "coverage", "status"), [(0.1, 1.0, "ok"), (None, 1.0, "partial"), (0.1, 0.99, "partial")]
)
def test_a_mood_is_ok_only_when_scored_and_covered(score: float | None, coverage: float, status: str) -> None:
    """What is missing is said."""
    assert mood_status({"score": score, "coverage": coverage}) == status


@pytest.mark.parametrize(
    ("row", "played"),
    [
        ({"source": "yahoo", "ingest_time": SEEN, "stored_at": SEEN + timedelta(seconds=1)}, False),
        ({"source": "yahoo", "ingest_time": SEEN, "stored_at": SEEN + timedelta(hours=23)}, False),
        ({"source": "yahoo", "ingest_time": SEEN, "stored_at": SEEN + timedelta(hours=25)}, True),
        ({"source": "yahoo", "ingest_time": SEEN, "stored_at": SEEN - timedelta(hours=1)}, True),
        ({"source": "simulator", "ingest_time": SEEN, "stored_at": SEEN}, True),
        ({"sources": {"simulator": 3}, "known_time": SEEN, "stored_at": SEEN}, True),
        ({"sources": {"reddit": 3}, "known_time": SEEN, "stored_at": SEEN}, False),
    ],
)
def test_what_is_played_has_its_own_clock(row: dict[str, Any], played: bool) -> None:
    """The simulator by its name, a recording by being stored long after it was seen; an outage of hours is live."""
    assert is_played(row) == played


def test_staleness_counts_a_buckets_own_length_besides() -> None:
    """60 s for quotes, 180 s and 1800 s after the next bucket could have ended."""
    assert (is_stale("quote", 60.0), is_stale("quote", 60.001)) == (False, True)
    assert (is_stale("sentiment", 480.0, 300), is_stale("sentiment", 481.0, 300)) == (False, True)
    assert (is_stale("correlation", 1860.0, 60), is_stale("correlation", 1861.0, 60)) == (False, True)


@pytest.mark.parametrize(
    ("text", "first"),
    [("TSLAA", "TSLA"), ("tesla", "TSLA"), ("BRKB", "BRK-B"), ("FB", "META"), ("meta", "META"), ("hathaway", "BRK-B")],
)
def test_the_nearest_symbol_is_what_was_meant(text: str, first: str) -> None:
    """A slip of the keyboard, a name, a part of a name, a symbol of former years."""
    assert nearest(text, TABLE)[0] == first


def test_nothing_near_is_nothing() -> None:
    """No guess is better than a wild one."""
    assert nearest("QQQQQQ", TABLE) == []


def test_search_ranks_symbols_before_names() -> None:
    """The exact symbol, then those that begin so, then names."""
    assert ranked("met", TABLE, 10) == ["META", "METX"]
    assert ranked("t", TABLE, 1) == ["TSM"]
    assert ranked("  ", TABLE, 10) == []


def test_a_hash_is_read_as_the_databases_row() -> None:
    """Texts stay texts, times become datetimes, what is absent is null."""
    texts = {
        "symbol": "TRUE",
        "source": "1",
        "event_time": "1647446400000000",
        "revision": "2",
        "price": "3.5",
        "flags": "[]",
    }

    row = row_of("quote", texts)

    assert (row["symbol"], row["source"], row["event_time"]) == ("TRUE", "1", SEEN)
    assert (row["revision"], row["price"], row["flags"], row["bid"]) == (2, 3.5, [], None)
    with pytest.raises(KeyError):
        row_of("quote", {"symbol": "TSLA"})


def test_messages_name_each_key_once() -> None:
    """Those of a replay too: the row under the key says whose it is. Nonsense on the channel names nothing."""
    quote = '{"table": "quote", "replay": "live", "symbols": ["A", "B"]}'
    replay = '{"table": "quote", "replay": "again", "symbols": ["C"]}'
    mood = '{"table": "sentiment", "replay": "live", "symbols": ["A"]}'
    bars = '{"table": "bar", "replay": "live", "symbols": ["A"]}'

    found = keys_of([quote, replay, "nonsense", "{}", "5", bars, quote, mood])

    assert found == ["quote:A", "quote:B", "quote:C", *(f"sentiment:A:{i}" for i in (60, 300, 3600, 86400))]


def test_schemas_and_versions_beyond_all_reason_are_errors_of_the_registry() -> None:
    """A version of thousands of digits is none, and a schema of brackets alone is not JSON."""
    for text in ("9" * 5000, "0" * 5000 + "1", "9" * 11):
        with pytest.raises(RegistryError) as refused:
            asyncio.run(version(f"{BARS}-value", text))
        assert refused.value.error_code == 42202
    with pytest.raises(RegistryError) as refused:
        asyncio.run(look_up(f"{BARS}-value", SchemaBody(schema="[" * 60_000)))
    assert refused.value.error_code == 42201
