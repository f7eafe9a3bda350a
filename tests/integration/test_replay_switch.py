"""Readers see one version of the facts or the other, and never fail, while somebody switches back and forth."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import httpx
import psycopg
import pytest
import redis

from api.app import create_app
from infra.clock import now_micros
from infra.endpoints import Endpoints
from infra.errors import UserError
from infra.replays import Plan, complete_plan, store_plan
from infra.settings import Settings
from moodtape.replay.drop import drop_replay
from moodtape.replay.switch import served, switch, switching
from schemas.records import Quote
from schemas.topics import QUOTES
from sinks.latest import LatestStore, entry_of, run_latest
from tests.helpers.sinking import running as sinking
from tests.helpers.waiting import wait_for

from .serving import MINUTE, NOON, Rows, migrated, running

pytestmark = [pytest.mark.services, pytest.mark.timeout(240)]
MIDNIGHT = NOON - 12 * 60 * MINUTE
VERSIONS = {"live": 100.0, "again": 500.0}
SWITCHES = 30


@pytest.fixture
def endpoints_of_two(endpoints: Endpoints, topics: str, cache: str) -> Iterator[Endpoints]:
    """A database with the live facts and those of a complete replay ``again``, other in every number."""
    with migrated(endpoints.database) as url:
        plan = Plan(id="again", start=0, end=NOON * 2)
        store_plan(url, plan)
        complete_plan(url, plan.id)
        store_plan(url, Plan(id="begun", start=0, end=1))
        rows = Rows(url)
        for version, base in VERSIONS.items():
            put(rows, version, base)
        rows.close()
        yield Endpoints(topics, url, cache)


def put(rows: Rows, replay: str, base: float) -> None:
    """A price, the close of the day before, moods and correlations, each with its version's number in it."""
    rows.put("quote", symbol="TSLA", event_time=NOON, price=base + 10, replay=replay)
    rows.bar("TSLA", MIDNIGHT, base, interval=86400, replay=replay)
    for number in range(3):
        rows.bar("TSLA", NOON - number * MINUTE, base + number, replay=replay)
    rows.mood("TSLA", NOON, base / 1000, replay=replay)
    rows.put("correlation", symbol="TSLA", event_time=NOON, r=base / 1000, replay=replay)


def quote(answer: Any) -> set[str]:
    """Versions behind a quote: of its price, and of the day's close under it."""
    return {version_of(answer["price"] - 10), version_of(answer["price"] - answer["change"])}


def history(answer: Any) -> set[str]:
    """Versions behind the bars."""
    assert len(answer["items"]) == 3
    return {version_of(answer["items"][-1]["close"]), version_of(answer["items"][0]["close"] - 2)}


def mood(answer: Any) -> set[str]:
    """Version behind a mood."""
    return {version_of(answer["score"] * 1000)}


def overview(answer: Any) -> set[str]:
    """Versions behind the overview, which is made by many statements."""
    (item,) = answer["items"]
    found = quote(item["quote"]) | mood(item["sentiment"])
    return found | {version_of(item["correlation"]["r"] * 1000)}


def version_of(base: float) -> str:
    """The version that a number is of."""
    return next(name for name, value in VERSIONS.items() if abs(value - base) < 1e-6)


PATHS: dict[str, Callable[[Any], set[str]]] = {
    "/api/v1/stocks/TSLA/quote": quote,
    "/api/v1/stocks/TSLA/history?interval=60": history,
    "/api/v1/sentiment/TSLA/current?interval=300": mood,
    "/api/v1/overview?symbols=TSLA": overview,
}


@dataclass
class Readers:
    """Threads that read one path each, as fast as they can, and note what they saw."""

    url: str
    stop: threading.Event = field(default_factory=threading.Event)
    seen: Counter[tuple[str, ...]] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)

    def read(self, path: str) -> None:
        """One reader."""
        with httpx.Client(base_url=self.url, timeout=20) as client:
            while not self.stop.is_set():
                answer = client.get(path)
                if answer.status_code != 200:
                    self.failed.append(f"{path}: {answer.status_code} {answer.text}")
                else:
                    self.seen[tuple(sorted(PATHS[path](answer.json())))] += 1


def test_no_read_fails_and_none_mixes_versions_while_switching(endpoints_of_two: Endpoints, settings: Settings) -> None:
    """Thirty switches under four readers: every answer is 200 and of one version; after a switch the next is new."""
    app = create_app(settings, endpoints_of_two)
    with running(app) as client:
        readers = Readers(str(client.base_url))
        threads = [threading.Thread(target=readers.read, args=(path,)) for path in PATHS]
        for thread in threads:
            thread.start()
        try:
            for number in range(SWITCHES):
                wanted = ("again", "live")[number % 2]
                assert switch(endpoints_of_two, wanted).now == wanted
                for path, versions in PATHS.items():
                    assert versions(client.get(path).json()) == {wanted}
        finally:
            readers.stop.set()
            for thread in threads:
                thread.join()
    assert readers.failed == []
    assert set(readers.seen) == {("again",), ("live",)}


def test_the_views_for_people_follow(endpoints_of_two: Endpoints) -> None:
    """Each view shows the version that is served, in one statement."""
    query = """
        SELECT (SELECT close FROM stock_data WHERE interval = 86400), (SELECT price - 10 FROM latest_quote),
            (SELECT score * 1000 FROM sentiment_data), (SELECT score * 1000 FROM latest_sentiment),
            (SELECT r * 1000 FROM correlation_analysis)
    """
    with psycopg.connect(endpoints_of_two.database, autocommit=True) as connection:
        for version in ("again", "live"):
            switch(endpoints_of_two, version)
            (row,) = connection.execute(query).fetchall()
            assert {version_of(value) for value in row} == {version}


def test_redis_holds_one_version_and_live_facts_pass_by_meanwhile(endpoints_of_two: Endpoints) -> None:
    """A replay's hashes name it. What the live sink would have written is there again after the switch back."""
    switch(endpoints_of_two, "live")
    with redis.Redis.from_url(endpoints_of_two.redis, decode_responses=True) as client:
        client.hset("quote:GONE", mapping={"event_time": 1, "revision": 0})
        assert client.hgetall("quote:TSLA")["price"] == "110.0"
        assert switch(endpoints_of_two, "again").cached == 3
        assert (client.get("serving"), client.exists("quote:GONE")) == ("again", 0)
        found = client.hgetall("quote:TSLA")
        assert (found["price"], found["replay"]) == ("510.0", "again")
        live_quote(endpoints_of_two, NOON + MINUTE)
        assert client.hgetall("quote:TSLA") == found
        switch(endpoints_of_two, "live")
        back = client.hgetall("quote:TSLA")
        assert (client.exists("serving"), back["price"], back.get("replay")) == (0, "110.0", None)
        live_quote(endpoints_of_two, NOON + MINUTE)
        assert client.hgetall("quote:TSLA")["price"] == "111.0"


def live_quote(endpoints: Endpoints, time: int) -> None:
    """What the live sink does with a quote."""
    record = Quote(source="simulator", symbol="TSLA", event_time=time, ingest_time=time, price=111.0)
    with closing(LatestStore(endpoints.redis)) as store:
        store.put([entry_of(QUOTES, record)])


def test_the_apis_snapshot_is_of_the_served_version(endpoints_of_two: Endpoints, settings: Settings) -> None:
    """A newer live price that only Redis has is told while the live flow is served, and not while a replay is."""
    with running(create_app(settings, endpoints_of_two)) as client:
        switch(endpoints_of_two, "live")
        wait_for(lambda: client.get("/readyz").json()["redis"] == "connected", "the snapshot listens")
        live_quote(endpoints_of_two, NOON + MINUTE)
        path = "/api/v1/stocks/TSLA/quote"
        wait_for(lambda: client.get(path).json()["price"] == 111.0, "the newer price is told")
        switch(endpoints_of_two, "again")
        assert client.get(path).json()["price"] == 510.0
        live_quote(endpoints_of_two, NOON + 2 * MINUTE)
        assert client.get(path).json()["price"] == 510.0


def test_without_redis_the_database_decides_alone(endpoints_of_two: Endpoints, settings: Settings) -> None:
    """A switch while Redis is away says so and is one; nothing is read from an old Redis."""
    away = Endpoints(endpoints_of_two.kafka, endpoints_of_two.database, "redis://127.0.0.1:9/0")
    switch(endpoints_of_two, "live")
    assert switch(away, "again").cached is None
    assert served(endpoints_of_two.database) == "again"
    with running(create_app(settings, endpoints_of_two)) as client:
        assert client.get("/api/v1/stocks/TSLA/quote").json()["price"] == 510.0


@pytest.mark.parametrize(("held", "wanted"), [("live", "again"), ("again", "live")])
def test_a_switch_without_redis_is_made_good(
    endpoints_of_two: Endpoints, settings: Settings, held: str, wanted: str
) -> None:
    """When Redis is back it holds another version than readers see: soon it is that one, written on or let pass by."""
    switch(endpoints_of_two, held)
    away = Endpoints(endpoints_of_two.kafka, endpoints_of_two.database, "redis://127.0.0.1:9/0")
    with redis.Redis.from_url(endpoints_of_two.redis, decode_responses=True) as client:
        client.set("filled", now_micros())
        with sinking(run_latest, settings, endpoints_of_two):
            switch(away, wanted)
            price = f"{VERSIONS[wanted] + 10}"
            wait_for(lambda: client.hget("quote:TSLA", "price") == price, "Redis follows")
        live_quote(endpoints_of_two, NOON + MINUTE)
        assert client.hget("quote:TSLA", "price") == ("111.0" if wanted == "live" else price)


def test_what_cannot_be_switched_to_or_dropped(endpoints_of_two: Endpoints, settings: Settings) -> None:
    """An unknown replay, one that is not complete, and dropping what readers see: refused, and what to do is said."""
    with pytest.raises(UserError, match="there is no replay nobody; there are again, begun"):
        switch(endpoints_of_two, "nobody")
    with pytest.raises(UserError, match="replay begun is not complete"):
        switch(endpoints_of_two, "begun")
    switch(endpoints_of_two, "again")
    with pytest.raises(UserError, match="switch live"):
        drop_replay(settings, endpoints_of_two, Plan(id="again", start=0, end=1))
    switch(endpoints_of_two, "live")
    assert drop_replay(settings, endpoints_of_two, Plan(id="again", start=0, end=1)) == 7
    with pytest.raises(UserError, match="there is no replay again; there are begun"):
        switch(endpoints_of_two, "again")
    with psycopg.connect(endpoints_of_two.database) as connection:
        rows = connection.execute("SELECT replay, count(*) FROM bar GROUP BY replay").fetchall()
    assert rows == [("live", 4)]


def test_a_drop_and_a_switch_wait_for_one_another(endpoints_of_two: Endpoints, settings: Settings) -> None:
    """Of a switch and a drop at once the first is done and the second refused: readers never see what is gone."""
    plan = Plan(id="again", start=0, end=1)
    with ThreadPoolExecutor(2) as pool:
        with switching(endpoints_of_two.database) as connection:
            first: Future[Any] = pool.submit(switch, endpoints_of_two, "again")
            wait_for(lambda: waiting(connection) == 1, "the switch waits")
            second: Future[Any] = pool.submit(drop_replay, settings, endpoints_of_two, plan)
            wait_for(lambda: waiting(connection) == 2, "the drop waits")
        assert first.result(30).now == "again"
        with pytest.raises(UserError, match="switch live"):
            second.result(30)
        switch(endpoints_of_two, "live")
        with switching(endpoints_of_two.database) as connection:
            first = pool.submit(drop_replay, settings, endpoints_of_two, plan)
            wait_for(lambda: waiting(connection) == 1, "the drop waits")
            second = pool.submit(switch, endpoints_of_two, "again")
            wait_for(lambda: waiting(connection) == 2, "the switch waits")
        assert first.result(60) == 7
        with pytest.raises(UserError, match="there is no replay again"):
            second.result(60)
    assert served(endpoints_of_two.database) == "live"


def waiting(connection: psycopg.Connection) -> int:
    """How many sessions wait for an advisory lock."""
    row = connection.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted").fetchone()
    return int(row[0]) if row else 0
