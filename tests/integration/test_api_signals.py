"""Patterns and predictions on a real PostgreSQL: what is told of rows, of few rows, of none, and as of a time."""

from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import psycopg
import pytest

from api.app import create_app
from infra.clock import to_datetime, to_rfc3339
from infra.endpoints import Endpoints
from infra.settings import Settings

from .serving import MINUTE, NOON, Rows, migrated, running

pytestmark = pytest.mark.services
FIVE = 5 * MINUTE
LAST = NOON + 400 * FIVE


@pytest.fixture(scope="module")
def database(endpoints: Endpoints) -> Iterator[str]:
    """A database in which the mood of TSLA leads its price by a bar for 1,100 bars, and GME has three bars."""
    with migrated(endpoints.database) as url:
        fill(url)
        yield url


@pytest.fixture(scope="module")
def client(database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of the correlation service over that database."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("data"))
    app = create_app(settings, Endpoints("", database, "redis://127.0.0.1:9/0"), "correlation")
    with running(app) as client:
        yield client


def fill(url: str) -> None:
    """Put the rows in; those of TSLA all at once."""
    rows = Rows(url)
    for n in range(3):
        rows.bar("GME", NOON + n * FIVE, 10.0, 300, return_log=0.01)
    rows.mood("TSLA", LAST, 0.1, interval=3600, mentions=50)
    rows.mood("GME", LAST, 0.1, interval=3600, mentions=20)
    rows.mood("AAPL", LAST, 0.1, interval=3600, mentions=10)
    rows.put("correlation", symbol="TSLA", event_time=LAST, best_lag=1, p_best=0.001, r_by_lag=[0.1, 0.2, 0.4])
    random = np.random.default_rng(1)
    moods, noise = random.uniform(-1, 1, 1101), random.standard_normal(1101)
    bars, stored = [], []
    for n in range(1101):
        end, start = to_datetime(LAST - (1100 - n) * FIVE), to_datetime(LAST - (1101 - n) * FIVE)
        change = 0.001 * (2.0 * moods[n - 1] + noise[n])
        loud = 3.0 if n % 10 == 0 else 0.0
        bars.append(("TSLA", 300, start, end, end, 0, 1, 1, 1, 1, 1, 1, "simulator", [], change, 0, n))
        counts = (12, 0, 0) if moods[n] > 0.9 else (2, 1, 0)
        stored.append(("TSLA", 300, start, end, end, 0, 12, 0, 3, moods[n], *counts, loud, "{}", [], 1.0, 0, n))
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        cursor.executemany(
            'insert into bar (symbol, "interval", start, event_time, known_time, revision, open, high, low, close, '
            "volume, trades, source, flags, return_log, topic_partition, topic_offset) "
            "values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            bars,
        )
        cursor.executemany(
            'insert into sentiment (symbol, "interval", start, event_time, known_time, revision, mentions, duplicates, '
            "authors, score, positive, negative, neutral, buzz_z, sources, keywords, coverage, topic_partition, "
            "topic_offset) values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            stored,
        )
    rows.close()


def get(client: httpx.Client, path: str, **params: Any) -> Any:
    """The JSON of a successful answer."""
    answer = client.get(f"/api/v1/correlation/{path}", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_patterns_of_an_instrument_come_with_their_record(client: httpx.Client) -> None:
    """Each has its definition, support, and the next bars' ways beside the base rate; the newest bar is not counted."""
    told = get(client, "patterns", symbol="tsla", interval=300)
    items = {(item["pattern"], item["side"]): item for item in told["items"]}

    assert (told["status"], told["symbols_looked_at"], len(items)) == ("ok", 1, 9)
    assert told["tests"] == sum(item["p_value"] is not None for item in told["items"])
    burst, agreed = items["BUZZ_BURST", None], items["CONSENSUS", "up"]
    assert (burst["active"], burst["support"], burst["event_time"]) == (True, 99, to_rfc3339(LAST))
    assert "above 2" in burst["definition"]
    assert burst["p_value"] > 0.05
    assert (agreed["status"], agreed["up_low"] > agreed["base_rate"], agreed["q_value"] < 0.001) == ("OK", True, True)
    leads = items["MOOD_LEADS", "up"]
    assert (leads["status"], leads["support"], leads["up_share"]) == ("INSUFFICIENT", 0, None)
    assert (leads["lead"]["best_lag"], leads["lead"]["r"], leads["lead"]["q_best"]) == (1, 0.4, 0.001)
    assert "description of the past" in told["caution"]


def test_patterns_are_ranked_over_the_most_talked_about(client: httpx.Client) -> None:
    """Without a symbol, those with posts and bars are looked at, counted, and the strongest come first."""
    told = get(client, "patterns", limit=2)

    assert (told["symbols_looked_at"], len(told["items"])) == (2, 2)
    assert told["items"][0]["symbol"] == "TSLA"
    assert told["tests"] >= 3


def test_a_prediction_never_comes_without_its_record(client: httpx.Client) -> None:
    """A chance with hits and Brier scores of the model, the base rate and the mood-free model on the same bars."""
    told = get(client, "predictions", symbol="TSLA")

    assert (told["status"], told["verdict"], told["event_time"]) == ("ok", "better", to_rfc3339(LAST))
    assert 0 < told["probability_up"] < 1
    assert told["record"]["n"] == 500
    assert told["record"]["model"]["brier_high"] < told["record"]["base_rate"]["brier_low"]
    assert told["record"]["p_mood_free"] < 0.01
    assert (told["price_source"], told["refitted_at"] <= told["event_time"]) == ("simulator", True)
    assert "better than the base rate" in told["sentence"]


def test_what_was_known_then_does_not_depend_on_what_came_after(client: httpx.Client, database: str) -> None:
    """As of an hour before, the answer is the same before and after a bar of that time is revised."""
    then = to_rfc3339(LAST - 12 * FIVE)
    before = [get(client, path, symbol="TSLA", as_of=then) for path in ("patterns", "predictions")]
    rows = Rows(database)
    at = LAST - 13 * FIVE
    rows.bar("TSLA", at, 1.0, 300, revision=1, return_log=-0.5, known_time=LAST)
    after = [get(client, path, symbol="TSLA", as_of=then) for path in ("patterns", "predictions")]
    now = get(client, "predictions", symbol="TSLA")
    rows.close()

    assert before == after
    assert before[1]["event_time"] == then
    assert now["event_time"] == to_rfc3339(LAST)


def test_little_is_insufficient_and_nothing_is_no_data(client: httpx.Client) -> None:
    """Three bars give no chance, known instruments without bars nothing, both with nulls and a sentence."""
    little, nothing = get(client, "predictions", symbol="GME"), get(client, "predictions", symbol="AAPL")

    assert (little["status"], little["probability_up"], little["record"]) == ("INSUFFICIENT", None, None)
    assert little["sentence"].startswith("No forecast")
    assert (nothing["status"], nothing["event_time"], nothing["verdict"]) == ("no_data", None, "unknown")
    assert {item["status"] for item in get(client, "patterns", symbol="GME")["items"]} == {"INSUFFICIENT"}
    empty = get(client, "patterns", symbol="AAPL")
    assert (empty["status"], empty["items"], empty["symbols_looked_at"]) == ("no_data", [], 0)


def test_what_cannot_be_meant_is_said(client: httpx.Client) -> None:
    """An unknown symbol is 404 with the nearest; a missing symbol, another interval or too many items are 422."""
    for path in ("patterns", "predictions"):
        answer = client.get(f"/api/v1/correlation/{path}", params={"symbol": "TSLAA"})
        assert (answer.status_code, "TSLA" in answer.json()["nearest"]) == (404, True)
    for path, query in (
        ("predictions", {}),
        ("predictions", {"symbol": "TSLA", "interval": "7"}),
        ("patterns", {"limit": "101"}),
        ("patterns", {"symbol": "<b>"}),
        ("patterns", {"window": "60"}),
    ):
        assert client.get(f"/api/v1/correlation/{path}", params=query).status_code == 422, (path, query)
