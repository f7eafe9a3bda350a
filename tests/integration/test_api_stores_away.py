"""The API while its stores go and come: the database behind a proxy, Redis full, empty and away."""

import json
import time
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import httpx
import pytest
import redis

from api.app import create_app
from infra.clock import now_micros
from infra.endpoints import Endpoints
from infra.settings import Settings
from schemas.records import Quote, Sentiment
from schemas.topics import QUOTES, SENTIMENT
from sinks.latest import entry_of
from tests.helpers.wires import wire_before

from .serving import MINUTE, NOON, Rows, running

pytestmark = pytest.mark.services
NOWHERE = "redis://127.0.0.1:9/0"


def until(holds: Callable[[], bool]) -> None:
    """Ask again until it holds, at most 20 seconds."""
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def rows(database: str) -> Iterator[Rows]:
    """The database of the test, to put rows in."""
    rows = Rows(database)
    yield rows
    rows.close()


def test_the_api_outlives_its_database(database: str, settings: Settings, rows: Rows) -> None:
    """Away it answers 503 problems and is not ready but alive; back again it answers as before, by itself."""
    rows.put("quote", symbol="TSLA", price=11.0, event_time=NOON)

    with (
        wire_before(database) as (wires, url),
        running(create_app(settings, Endpoints("", url, NOWHERE))) as client,
    ):

        def quote() -> httpx.Response:
            return client.get("/api/v1/stocks/TSLA/quote")

        assert (quote().status_code, client.get("/readyz").status_code) == (200, 200)
        with wires.rule("server", "cut"):
            away = quote()
            unready = client.get("/readyz")
            alive = client.get("/livez")
        until(lambda: client.get("/readyz").status_code == 200)
        back = quote()

    assert (away.status_code, away.json()["type"]) == (503, "urn:moodtape:problem:store-unavailable")
    assert away.headers["retry-after"] == "2"
    assert (unready.status_code, unready.json()["status"], alive.status_code) == (503, "fail", 200)
    assert back.json()["price"] == 11.0


def test_the_api_starts_before_its_database(settings: Settings) -> None:
    """It listens, lives, and says that it is not ready."""
    with running(create_app(settings, Endpoints("", "postgresql://x:y@127.0.0.1:9/z", NOWHERE))) as client:
        assert client.get("/livez").status_code == 200
        assert client.get("/readyz").status_code == 503
        assert client.get("/api/v1/stocks/TSLA/quote").status_code == 503


def test_a_database_without_our_tables_says_how_to_mend_it(endpoints: Endpoints, settings: Settings) -> None:
    """503 with the command to run."""
    empty = urlsplit(endpoints.database)._replace(path="/postgres").geturl()
    with running(create_app(settings, Endpoints("", empty, NOWHERE))) as client:
        answer = client.get("/api/v1/stocks/TSLA/quote")

    assert (answer.status_code, "moodtape migrate" in answer.json()["detail"]) == (503, True)


def test_redis_makes_answers_newer_and_its_absence_no_error(
    database: str, cache: str, settings: Settings, rows: Rows
) -> None:
    """What the channel announces is told at once; what the database has newer is told from there; empty is fine."""
    now = now_micros()
    rows.put("quote", symbol="TSLA", source="yahoo", price=1.0, event_time=now - 10 * MINUTE, stored_at=now)
    with redis.Redis.from_url(cache, decode_responses=True) as store:
        before = Quote(source="yahoo", symbol="TSLA", event_time=now - MINUTE // 2, ingest_time=now, price=2.0)
        write(store, QUOTES, before)
        with running(create_app(settings, Endpoints("", database, cache))) as client:

            def quote() -> tuple[float, str]:
                told = client.get("/api/v1/stocks/TSLA/quote").json()
                return told["price"], told["status"]

            until(lambda: client.get("/readyz").json()["redis"] == "connected")
            assert quote() == (2.0, "live")
            write(store, QUOTES, Quote(source="yahoo", symbol="TSLA", event_time=now, ingest_time=now, price=3.0))
            until(lambda: quote() == (3.0, "live"))
            mood = Sentiment(symbol="TSLA", interval=300, start=now - 5 * MINUTE, event_time=now, known_time=now)
            write(store, SENTIMENT, mood)
            until(lambda: client.get("/api/v1/sentiment/TSLA/current").json()["status"] == "partial")
            store.publish("updates", "nonsense")
            store.publish("updates", '{"table": "quote", "replay": "live", "symbols": ["BAD"]}')
            store.set("quote:BAD", "a text where a hash should be")
            rows.put("quote", symbol="TSLA", source="yahoo", price=4.0, event_time=now + 1, stored_at=now)
            assert quote() == (4.0, "live")

    with running(create_app(settings, Endpoints("", database, NOWHERE))) as client:
        told = client.get("/api/v1/stocks/TSLA/quote").json()
        assert client.get("/readyz").json()["redis"] == "away"
    assert (told["price"], told["status"]) == (4.0, "live")


def write(store: "redis.Redis", topic: str, record: Quote | Sentiment) -> None:
    """What the sink would write and announce."""
    entry = entry_of(topic, record)
    store.delete(entry.key)
    store.hset(entry.key, items=list(entry.values))
    store.publish("updates", json.dumps({"table": entry.table, "replay": "live", "symbols": [entry.symbol]}))
