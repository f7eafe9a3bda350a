"""Every route on a real PostgreSQL: what it answers when there is much, little, nothing and nonsense."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from api.app import create_app
from api.queries import INDICATORS
from infra.clock import to_rfc3339
from infra.endpoints import Endpoints
from infra.settings import Settings

from .serving import MINUTE, NOON, Rows, migrated, running

pytestmark = pytest.mark.services
MIDNIGHT = NOON - 12 * 60 * MINUTE  # of New York, at which 16 March 2022 begins
DAY = 24 * 60 * MINUTE
NO_REDIS = "redis://127.0.0.1:9/0"  # what other tests left there is no business of these


@pytest.fixture(scope="module")
def database(endpoints: Endpoints) -> Iterator[str]:
    """One database for all tests here: each finds it empty."""
    with migrated(endpoints.database) as url:
        yield url


class Wall:
    """The wall clock of the tests: years after the rows, and an hour later in each test, so that no cache lasts."""

    def __init__(self) -> None:
        self.time = NOON + 365 * DAY

    def __call__(self) -> int:
        return self.time


@pytest.fixture(scope="module")
def wall() -> Wall:
    """The clock that the application is given."""
    return Wall()


@pytest.fixture(scope="module")
def served(database: str, wall: Wall, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of the whole API over that database."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("data"))
    with running(create_app(settings, Endpoints("", database, NO_REDIS), now=wall)) as client:
        yield client


@pytest.fixture
def rows(database: str, wall: Wall) -> Iterator[Rows]:
    """The database, empty, to put rows in."""
    rows = Rows(database)
    rows.clear()
    wall.time += 60 * MINUTE
    yield rows
    rows.close()


@pytest.fixture
def client(served: httpx.Client, rows: Rows) -> httpx.Client:
    """A client of the whole API over an empty database."""
    return served


def get(client: httpx.Client, path: str, **params: Any) -> Any:
    """The JSON of a successful answer."""
    answer = client.get(f"/api/v1/{path}", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_quote_names_its_source_its_change_and_its_age(client: httpx.Client, rows: Rows) -> None:
    """The change is against the last daily close before the quote's day, the age against the played source's end."""
    rows.put("quote", symbol="TSLA", price=11.0, event_time=NOON)
    rows.put("quote", symbol="GME", price=1.0, event_time=NOON + MINUTE)
    rows.bar("TSLA", MIDNIGHT - DAY, 8.0, 86400)
    rows.bar("TSLA", MIDNIGHT, 9.0, 86400)
    rows.bar("TSLA", MIDNIGHT, 10.0, 86400, revision=1)
    rows.bar("TSLA", MIDNIGHT + DAY, 99.0, 86400)

    told = get(client, "stocks/tsla/quote")

    assert (told["symbol"], told["price"], told["source"]) == ("TSLA", 11.0, "simulator")
    assert told["event_time"] == "2022-03-16T16:00:00Z"
    assert told["change"] == pytest.approx(1.0)
    assert told["change_percent"] == pytest.approx(10.0)
    assert (told["age_seconds"], told["status"]) == (60.0, "live")


def test_a_played_quote_is_stale_after_a_minute_of_its_own_source(client: httpx.Client, rows: Rows) -> None:
    """A symbol that its source has left 61 seconds behind is stale; another source's clock says nothing."""
    rows.put("quote", symbol="TSLA", price=11.0, event_time=NOON)
    rows.put("quote", symbol="TWTR", price=38.0, event_time=NOON, source="yahoo")
    rows.put("quote", symbol="GME", price=1.0, event_time=NOON + 61_000_000)

    assert get(client, "stocks/TSLA/quote")["status"] == "stale"
    assert get(client, "stocks/TWTR/quote")["status"] == "live"


def test_a_live_quote_is_judged_by_the_wall_clock(client: httpx.Client, rows: Rows, wall: Wall) -> None:
    """A quote stored when it was seen ages by the wall clock, though nothing newer is stored."""
    rows.put("quote", symbol="TSLA", price=11.0, event_time=NOON, source="yahoo", stored_at=NOON + 1_000_000)

    told = get(client, "stocks/TSLA/quote")

    assert (told["status"], told["age_seconds"]) == ("stale", (wall() - NOON) / 1e6)


def test_a_quote_as_of_a_time_is_the_revision_known_then(client: httpx.Client, rows: Rows) -> None:
    """A correction that came later does not change what was known before."""
    rows.put("quote", symbol="TSLA", price=11.0, event_time=NOON)
    rows.put("quote", symbol="TSLA", price=12.0, event_time=NOON, revision=1, ingest_time=NOON + 5 * MINUTE)

    before = get(client, "stocks/TSLA/quote", as_of=to_rfc3339(NOON + 4 * MINUTE))
    assert (before["price"], before["age_seconds"]) == (11.0, 240.0)
    assert get(client, "stocks/TSLA/quote", as_of=to_rfc3339(NOON + 5 * MINUTE))["price"] == 12.0
    assert get(client, "stocks/TSLA/quote", as_of=to_rfc3339(NOON - 1))["status"] == "no_data"


def test_no_change_is_told_without_a_close_of_a_day_before(client: httpx.Client, rows: Rows) -> None:
    """The day's own bar, or none at all, gives a null, never 0."""
    rows.put("quote", symbol="TSLA", price=11.0, event_time=NOON)
    rows.bar("TSLA", MIDNIGHT + DAY, 10.0, 86400)

    told = get(client, "stocks/TSLA/quote")

    assert (told["change"], told["change_percent"]) == (None, None)


def test_history_is_ascending_with_from_inclusive_and_to_exclusive(client: httpx.Client, rows: Rows) -> None:
    """Bars of another interval, symbol or replay are not in it."""
    for n in (2, 0, 1, 3):
        rows.bar("TSLA", NOON + n * MINUTE, 10.0 + n)
    rows.bar("TSLA", NOON, 77.0, 300)
    rows.bar("GME", NOON, 88.0)
    rows.bar("TSLA", NOON, 99.0, revision=7, replay="another")

    told = get(client, "stocks/TSLA/history", **{"from": to_rfc3339(NOON), "to": to_rfc3339(NOON + 2 * MINUTE)})

    assert [item["close"] for item in told["items"]] == [10.0, 11.0]
    assert (told["interval"], told["next"], told["status"]) == (60, None, "ok")
    assert told["items"][0]["start"] == "2022-03-16T15:59:00Z"
    assert told["items"][0]["source"] == "simulator"
    assert len(get(client, "stocks/TSLA/history")["items"]) == 4


def test_history_as_of_a_time_shows_the_revisions_known_then(client: httpx.Client, rows: Rows) -> None:
    """One row for each bar, the greatest revision with known_time up to as_of; now the greatest of all."""
    rows.bar("TSLA", NOON, 10.0)
    rows.bar("TSLA", NOON, 10.5, revision=1, known_time=NOON + 3 * MINUTE)
    rows.bar("TSLA", NOON + MINUTE, 11.0)

    then = get(client, "stocks/TSLA/history", as_of=to_rfc3339(NOON + 2 * MINUTE))["items"]
    now = get(client, "stocks/TSLA/history")["items"]

    assert [(item["close"], item["revision"]) for item in then] == [(10.0, 0), (11.0, 0)]
    assert [(item["close"], item["revision"]) for item in now] == [(10.5, 1), (11.0, 0)]


def test_pages_together_are_the_whole(client: httpx.Client, rows: Rows) -> None:
    """Following next gives every bar once, in order, whatever the limit of each page."""
    for n in range(7):
        rows.bar("TSLA", NOON + n * MINUTE, 10.0 + n)
        rows.bar("TSLA", NOON + n * MINUTE, 20.0 + n, revision=1)

    closes, cursor, limits = [], None, iter((3, 2, 1, 1, 5))
    while cursor or not closes:
        page = {"limit": next(limits), **({"next": cursor} if cursor else {})}
        told = get(client, "stocks/TSLA/history", **page)
        closes += [item["close"] for item in told["items"]]
        cursor = told["next"]

    assert closes == [20.0 + n for n in range(7)]


def test_a_cursor_of_another_query_or_an_altered_one_is_refused(client: httpx.Client, rows: Rows) -> None:
    """400, and a problem that says how to go on."""
    for n in range(3):
        rows.bar("TSLA", NOON + n * MINUTE, 10.0)
        rows.bar("GME", NOON + n * MINUTE, 10.0)
    cursor = get(client, "stocks/TSLA/history", limit=1)["next"]
    altered = ("A" if cursor[30] != "A" else "B").join((cursor[:30], cursor[31:]))

    for path, query in (
        ("stocks/TSLA/history", {"next": altered}),
        ("stocks/GME/history", {"next": cursor}),
        ("stocks/TSLA/indicators", {"next": cursor}),
        ("stocks/TSLA/history", {"next": cursor, "as_of": to_rfc3339(NOON)}),
        ("stocks/TSLA/history", {"next": "nonsense!"}),
        ("stocks/TSLA/history", {"next": cursor * 50}),
    ):
        answer = client.get(f"/api/v1/{path}", params=query)
        assert (answer.status_code, answer.json()["type"]) == (400, "urn:moodtape:problem:bad-cursor")


def test_indicators_are_those_asked_for_and_null_where_unknown(client: httpx.Client, rows: Rows) -> None:
    """A value that the bar does not have is null; without names all are told."""
    rows.bar("TSLA", NOON, 10.0, rsi14=55.5)

    told = get(client, "stocks/TSLA/indicators", names="rsi14,macd")["items"]
    everything = get(client, "stocks/TSLA/indicators")["items"][0]["values"]

    assert told[0]["values"] == {"rsi14": 55.5, "macd": None}
    assert tuple(everything) == INDICATORS


def test_a_number_that_is_none_is_told_as_null(client: httpx.Client, rows: Rows) -> None:
    """JSON has no NaN and no infinity."""
    rows.bar("TSLA", NOON, 10.0, rsi14=float("nan"), obv=float("inf"))

    values = get(client, "stocks/TSLA/indicators", names="rsi14,obv")["items"][0]["values"]

    assert values == {"rsi14": None, "obv": None}


@pytest.mark.parametrize("path", ["quote", "history", "indicators"])
def test_an_instrument_without_rows_has_no_data_rather_than_zeros(client: httpx.Client, path: str) -> None:
    """200 with status no_data and nulls or an empty list."""
    told = get(client, f"stocks/AAPL/{path}")

    assert told["status"] == "no_data"
    assert told["items"] == [] if "items" in told else told["price"] is None


@pytest.mark.parametrize(
    "path",
    [
        "stocks/{}/quote",
        "stocks/{}/history",
        "stocks/{}/indicators",
        "sentiment/{}/current",
        "sentiment/{}/history",
        "sentiment/{}/posts",
        "correlation/{}/sentiment",
    ],
)
def test_an_unknown_symbol_is_404_with_the_nearest(client: httpx.Client, path: str) -> None:
    """TSLAA and the name Tesla both lead to TSLA."""
    for text in ("TSLAA", "tesla"):
        answer = client.get("/api/v1/" + path.format(text))
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"
        assert "TSLA" in answer.json()["nearest"]


def test_a_symbol_with_rows_is_known_though_no_table_names_it(client: httpx.Client, rows: Rows) -> None:
    """The simulator's own symbols are served."""
    rows.put("quote", symbol="ZZSIM", price=11.0, event_time=NOON)

    assert get(client, "stocks/ZZSIM/quote")["price"] == 11.0
    assert get(client, "sentiment/ZZSIM/current")["status"] == "no_data"


def test_a_bad_query_lists_every_field(client: httpx.Client) -> None:
    """422 with the place and a sentence for each, unknown parameters included; the input is not repeated."""
    query = {"interval": "7", "from": "yesterday", "limit": "5001", "frm": "<b>", "names": "rsi14"}

    answer = client.get("/api/v1/stocks/TSLA/history", params=query)

    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    fields = {error["field"] for error in answer.json()["errors"]}
    assert fields == {"query.interval", "query.from", "query.limit", "query.frm", "query.names"}
    assert "<b>" not in answer.text


@pytest.mark.parametrize(
    "query",
    [
        {"from": "2022-03-16T16:00:00Z", "to": "2022-03-16T15:00:00Z"},
        {"as_of": "2022-03-16T16:00:00"},
        {"as_of": "9999-12-31T23:59:59Z"},
        {"limit": "0"},
    ],
)
def test_what_cannot_be_meant_is_422(client: httpx.Client, query: dict[str, str]) -> None:
    """A span backwards, a time without offset, far-off times and sizes out of bounds."""
    assert client.get("/api/v1/stocks/TSLA/history", params=query).status_code == 422


def test_search_finds_by_symbol_and_by_name(client: httpx.Client, rows: Rows) -> None:
    """The exact symbol first, then names and aliases; loaded instruments and symbols of former years too."""
    named = {"name": "Zebra Quartz Works", "exchange": "XTEST", "currency": "EUR"}
    rows.put("instrument", symbol="ZZQ", aliases=["stripes"], former_symbols=["ZZOLD"], **named)

    def found(query: str) -> list[str]:
        answer = client.post("/api/v1/stocks/search", json={"query": query})
        return [item["symbol"] for item in answer.json()["items"]]

    assert found("zebra quartz") == found("stripes") == ["ZZQ", "ZZOLD"]
    assert found("zzold") == ["ZZOLD", "ZZQ"]
    assert found("facebook")[:2] == ["META", "FB"]
    assert found("TSLA")[0] == "TSLA"
    assert "TSLA" in found("tesla")
    assert client.post("/api/v1/stocks/search", json={"query": "", "limit": 99}).status_code == 422


def test_the_same_answer_is_not_sent_twice(client: httpx.Client, rows: Rows) -> None:
    """304 without a body while nothing changed, 200 with another ETag afterwards."""
    rows.bar("TSLA", NOON, 10.0)
    first = client.get("/api/v1/stocks/TSLA/history")
    again = client.get("/api/v1/stocks/TSLA/history", headers={"If-None-Match": f'W/"x", {first.headers["etag"]}'})
    rows.bar("TSLA", NOON + MINUTE, 11.0)
    changed = client.get("/api/v1/stocks/TSLA/history", headers={"If-None-Match": first.headers["etag"]})

    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    assert again.headers["cache-control"] == "private, no-cache"
    assert (changed.status_code, changed.headers["etag"] != first.headers["etag"]) == (200, True)


def test_a_mood_names_its_model_and_its_label(client: httpx.Client, rows: Rows) -> None:
    """The newest bucket's greatest revision, labelled by its score, with its age on its own clock."""
    rows.mood("TSLA", NOON, -0.5)
    rows.mood("TSLA", NOON, 0.3, revision=1, known_time=NOON + MINUTE)
    rows.mood("GME", NOON + 5 * MINUTE, 0.0)

    told = get(client, "sentiment/TSLA/current", interval=300)

    assert (told["score"], told["label"], told["revision"]) == (0.3, "positive", 1)
    assert (told["model"], told["model_version"], told["sources"]) == ("lexicon", "1", {"simulator": 3})
    assert (told["age_seconds"], told["stale"], told["status"]) == (300.0, False, "ok")
    assert get(client, "sentiment/TSLA/current", as_of=to_rfc3339(NOON))["label"] == "negative"
    assert get(client, "sentiment/GME/current")["label"] == "neutral"


def test_a_played_mood_grows_old_while_prices_go_on(client: httpx.Client, rows: Rows) -> None:
    """A recording carries both, so its prices tell how far it has come."""
    rows.mood("TSLA", NOON, 0.1)
    rows.put("quote", symbol="TSLA", price=1.0, event_time=NOON + 60 * MINUTE)

    told = get(client, "sentiment/TSLA/current")

    assert (told["age_seconds"], told["stale"]) == (3600.0, True)


def test_a_mood_that_nobody_scored_is_not_neutral(client: httpx.Client, rows: Rows) -> None:
    """Posts were counted, the score and its label are null, the status says partial; so does a blind source."""
    rows.mood("TSLA", NOON, None, positive=0, negative=0, neutral=0, model=None, model_version=None)
    rows.mood("GME", NOON, 0.5, coverage=0.5)

    told = get(client, "sentiment/TSLA/current")

    assert (told["score"], told["label"], told["mentions"], told["status"]) == (None, None, 3, "partial")
    assert get(client, "sentiment/GME/current")["status"] == "partial"


def test_a_mood_without_posts_has_no_data(client: httpx.Client) -> None:
    """Every number is null, not 0."""
    told = get(client, "sentiment/AAPL/current")

    assert told["status"] == "no_data"
    assert {told[name] for name in ("score", "label", "mentions", "positive", "coverage", "model")} == {None}


def test_moods_of_a_span_come_in_pages(client: httpx.Client, rows: Rows) -> None:
    """Ascending, the greatest revision of each bucket, next until the end."""
    for n in range(3):
        rows.mood("TSLA", NOON + 5 * n * MINUTE, 0.1 * n)
    rows.mood("TSLA", NOON, 0.9, revision=1)

    first = get(client, "sentiment/TSLA/history", limit=2)
    second = get(client, "sentiment/TSLA/history", limit=2, next=first["next"])

    assert [item["score"] for item in first["items"] + second["items"]] == [0.9, 0.1, 0.2]
    assert (second["next"], get(client, "sentiment/TSLA/history", interval=60)["status"]) == (None, "no_data")


def test_posts_show_what_made_a_mood(client: httpx.Client, rows: Rows) -> None:
    """Links, scores and rules of the highest revision of each; deleted posts and authors are not told."""
    for n, name in enumerate(("a", "b", "c")):
        rows.put("mention", symbol="TSLA", post_id=name, event_time=NOON, url=f"https://x/{n}", score=0.1, author="h")
    rows.put(
        "mention", symbol="TSLA", post_id="b", event_time=NOON, revision=1, ingest_time=NOON + MINUTE, deleted=True
    )
    rows.put("mention", symbol="TSLA", post_id="c", event_time=NOON, revision=1, ingest_time=NOON + MINUTE, score=0.9)

    first = get(client, "sentiment/TSLA/posts", limit=1)
    second = get(client, "sentiment/TSLA/posts", limit=1, next=first["next"])
    then = get(client, "sentiment/TSLA/posts", as_of=to_rfc3339(NOON))

    items = first["items"] + second["items"]
    assert [(item["post_id"], item["score"], item["rule"]) for item in items] == [
        ("a", 0.1, "cashtag"),
        ("c", 0.9, "cashtag"),
    ]
    assert (items[0]["url"], "author" in items[0], second["next"]) == ("https://x/0", False, None)
    assert [item["post_id"] for item in then["items"]] == ["a", "b", "c"]


def test_a_post_whose_time_moved_is_told_once(client: httpx.Client, rows: Rows) -> None:
    """Of each post the greatest revision known by then is told, where that lies: not the one before at its own time."""
    rows.put("mention", symbol="TSLA", post_id="moved", event_time=NOON)
    rows.put("mention", symbol="TSLA", post_id="moved", event_time=NOON + MINUTE, revision=1)
    rows.put("mention", symbol="TSLA", post_id="back", event_time=NOON, ingest_time=NOON + MINUTE)
    rows.put("mention", symbol="TSLA", post_id="back", event_time=NOON - 9 * MINUTE, revision=1, deleted=True)
    rows.put("mention", symbol="GME", post_id="moved", event_time=NOON + 2 * MINUTE, revision=2)

    def told(**asked: str) -> list[tuple[str, int, str]]:
        items = get(client, "sentiment/TSLA/posts", **asked)["items"]
        return [(item["post_id"], item["revision"], item["event_time"]) for item in items]

    before, after = ("moved", 0, to_rfc3339(NOON)), ("moved", 1, to_rfc3339(NOON + MINUTE))
    assert told() == [after]
    assert told(bucket=to_rfc3339(NOON), interval="300") == []
    assert told(as_of=to_rfc3339(NOON)) == [before]


def test_posts_of_a_mood_are_those_of_its_bucket(client: httpx.Client, rows: Rows) -> None:
    """A fact at the very start belongs to the bucket before, one at the very end to this one."""
    for name, offset in (("before", -5), ("first", -4), ("end", 0), ("after", 1)):
        rows.put("mention", symbol="TSLA", post_id=name, event_time=NOON + offset * MINUTE)

    told = get(client, "sentiment/TSLA/posts", bucket=to_rfc3339(NOON), interval=300)
    both = {"bucket": to_rfc3339(NOON), "from": to_rfc3339(NOON)}

    assert [item["post_id"] for item in told["items"]] == ["first", "end"]
    assert client.get("/api/v1/sentiment/TSLA/posts", params=both).status_code == 422


def test_sources_tell_who_is_silent(database: str, settings: Settings, rows: Rows, wall: Wall) -> None:
    """Live by the source's own clock, stale by the wall clock, blind after a gap, off when never heard of."""
    enabled = settings.model_copy(update={"post_sources": ("bluesky",)})
    for n in range(3):
        rows.put("post", post_id=str(n), event_time=NOON - n * MINUTE)
    rows.put("post", post_id="0", revision=1, event_time=NOON)
    rows.put("post", post_id="x", event_time=NOON - DAY)
    rows.put("post", source="reddit", post_id="1", event_time=NOON, stored_at=NOON)
    rows.put("post", source="x", post_id="1", event_time=wall() - 1, stored_at=wall())
    rows.put("gap", source="x", event_time=wall())

    with running(create_app(enabled, Endpoints("", database, NO_REDIS), now=wall)) as client:
        told = {item["source"]: item for item in get(client, "sentiment/sources")["items"]}

    states = {name: (item["status"], item["posts_24h"], item["gaps_24h"]) for name, item in told.items()}
    assert states == {
        "bluesky": ("off", 0, 0),
        "reddit": ("stale", 0, 0),
        "simulator": ("live", 3, 0),
        "x": ("blind", 1, 1),
    }
    assert told["simulator"]["last_event_time"] == "2022-03-16T16:00:00Z"


def test_a_correlation_comes_with_all_pairs_its_origins_and_a_caution(client: httpx.Client, rows: Rows) -> None:
    """The newest event_time of the window asked for, each pair and method once, its greatest revision."""
    end = NOON + 5 * MINUTE
    rows.put("correlation", symbol="TSLA", event_time=NOON, r=0.9)
    rows.put("correlation", symbol="TSLA", event_time=end, r=0.1)
    rows.put("correlation", symbol="TSLA", event_time=end, r=0.2, revision=1, known_time=end + MINUTE)
    rows.put("correlation", symbol="TSLA", event_time=end, r=0.3, method="SPEARMAN", best_lag=1, p_best=0.01)
    rows.put("correlation", symbol="TSLA", event_time=end + MINUTE, r=0.5, window=390)
    rows.bar("TSLA", end, 10.0, 300, source="yahoo")
    rows.bar("TSLA", end, 10.0, 300, source="finnhub", revision=1, known_time=end + MINUTE)
    rows.mood("TSLA", NOON, 0.1, interval=60)
    rows.mood("TSLA", NOON, 0.1, interval=60, model="light", revision=1, known_time=end + MINUTE)

    told = get(client, "correlation/TSLA/sentiment")
    before = get(client, "correlation/TSLA/sentiment", as_of=to_rfc3339(end))

    assert [(p["method"], p["r"], p["r_by_lag"]) for p in told["pairs"]] == [
        ("PEARSON", 0.2, [0.1, 0.2, None]),
        ("SPEARMAN", 0.3, [0.1, 0.2, None]),
    ]
    assert (told["event_time"], told["window"], told["status"]) == (to_rfc3339(end), 60, "ok")
    assert (told["price_source"], told["model"], told["model_version"]) == ("finnhub", "light", "1")
    assert (before["price_source"], before["model"], before["model_version"]) == ("yahoo", "lexicon", "1")
    assert "neither a cause" in told["caution"]
    assert before["pairs"][0]["r"] == 0.1
    assert get(client, "correlation/TSLA/sentiment", as_of=to_rfc3339(NOON))["pairs"][0]["r"] == 0.9
    assert get(client, "correlation/TSLA/sentiment", window=390)["pairs"][0]["r"] == 0.5
    assert get(client, "correlation/TSLA/sentiment", interval=3600)["status"] == "no_data"


def test_the_overview_is_one_row_for_each_instrument(client: httpx.Client, rows: Rows) -> None:
    """The most talked-about first, then others with prices; the OK correlation of least p_best, or null."""
    rows.put("quote", symbol="GME", price=1.0, event_time=NOON)
    rows.put("quote", symbol="AAA", price=2.0, event_time=NOON)
    rows.mood("GME", NOON, 0.1)
    rows.mood("GME", NOON, 0.1, interval=3600)
    rows.put("correlation", symbol="GME", event_time=NOON, r=0.9, p_best=0.001, status="INSUFFICIENT", best_lag=1)
    rows.put("correlation", symbol="GME", event_time=NOON, r=0.2, p_best=0.2, interval=60, best_lag=3)
    rows.put("correlation", symbol="GME", event_time=NOON, r=0.3, p_best=0.1, interval=3600, best_lag=2)

    told = get(client, "overview")
    chosen = get(client, "overview", symbols="aaa,AAA")

    assert [item["symbol"] for item in told["items"]] == ["GME", "AAA"]
    gme = told["items"][0]
    assert (gme["quote"]["price"], gme["sentiment"]["label"]) == (1.0, "positive")
    assert (gme["correlation"]["r"], gme["correlation"]["interval"], gme["correlation"]["status"]) == (0.3, 3600, "OK")
    assert [(i["symbol"], i["correlation"], i["sentiment"]["status"]) for i in chosen["items"]] == [
        ("AAA", None, "no_data")
    ]
    assert client.get("/api/v1/overview", params={"symbols": "AAA,TSLAA"}).status_code == 404


def test_a_symbol_of_former_years_has_its_companys_name(client: httpx.Client) -> None:
    """FB is known, and is Meta's."""
    told = get(client, "overview", symbols="FB,META")["items"]

    assert [item["symbol"] for item in told] == ["FB", "META"]
    assert told[0]["name"] == told[1]["name"] is not None


def test_an_empty_store_is_an_empty_overview(client: httpx.Client) -> None:
    """Nothing stored is no error."""
    assert get(client, "overview")["items"] == []
    assert get(client, "sentiment/sources")["items"] == []


def test_what_no_route_answers_is_a_problem_too(client: httpx.Client) -> None:
    """Unknown paths, wrong methods, long addresses and large bodies."""
    answers = (
        client.get("/api/v1/nothing"),
        client.put("/api/v1/overview"),
        client.get("/api/v1/overview", params={"symbols": "A" * 9000}),
        client.post("/api/v1/stocks/search", content=b" " * 70_000),
        client.post("/api/v1/stocks/search", content=(b" " * 7000 for _ in range(10))),
        client.get("/api/v1/stocks/TS%00LA/quote"),
    )

    assert [answer.status_code for answer in answers] == [404, 405, 414, 413, 413, 422]
    assert {answer.headers["content-type"] for answer in answers} == {"application/problem+json"}


def test_requests_are_counted_by_template_not_by_symbol(client: httpx.Client) -> None:
    """The histogram's labels stay few whatever is asked for."""
    client.get("/api/v1/stocks/AAPL/quote")
    client.get("/anything/else")

    text = client.get("/metrics").text

    assert 'route="/api/v1/stocks/{symbol}/quote",status="200"' in text
    assert 'route="unmatched",status="404"' in text
    assert "AAPL" not in text


def test_with_a_key_only_those_who_send_it_come_in(database: str, settings: Settings) -> None:
    """Routes under /api answer 401 without it; health and schemas stay open."""
    keyed = Settings(data_dir=settings.data_dir, api_key="sesame")  # type: ignore[arg-type]
    with running(create_app(keyed, Endpoints("", database, NO_REDIS))) as client:
        without = client.get("/api/v1/overview")
        wrong = client.get("/api/v1/overview", headers={"X-API-Key": "sésame".encode()})
        right = client.get("/api/v1/overview", headers={"X-API-Key": "sesame"})
        open_ones = [client.get(path).status_code for path in ("/livez", "/readyz", "/metrics", "/subjects")]

    assert [without.status_code, wrong.status_code, right.status_code] == [401, 401, 200]
    assert without.json()["type"] == "urn:moodtape:problem:unauthorized"
    assert open_ones == [200] * 4
