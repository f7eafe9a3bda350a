"""The sink of Redis against real servers: whatever the order, the newest of each symbol is held."""

import json
from dataclasses import replace

import pytest
import redis

from infra.offsets import committed_offsets, log_ends
from schemas.codec import codec_for
from schemas.records import Correlation, Sentiment
from schemas.topics import QUOTES, SENTIMENT, partition_of
from sinks.latest import CHANNEL, EXPIRE_SECONDS, GROUP, TOPICS, run_latest
from sinks.timescale import run_timescale
from tests.helpers.keys import check_keys
from tests.helpers.sinking import MINUTE, START, Writer, await_true, quote, running, stored_to_end
from tests.helpers.wires import wire_before

pytestmark = pytest.mark.services


@pytest.fixture
def held(cache):
    """A client of the empty server."""
    with redis.Redis.from_url(cache, decode_responses=True) as client:
        yield client


def drained(bootstrap: str) -> bool:
    """Whether the group stands at the end of every log it reads."""
    committed = committed_offsets(bootstrap, GROUP, TOPICS)
    return all(committed.get(part) == end for part, end in log_ends(bootstrap, TOPICS).items())


def test_the_newest_wins_out_of_order(topics, endpoints, held, settings):
    """Of quotes, moods and correlations the greatest (event_time, revision) is held, whatever came last.

    A field that is null in the newest is absent, and every key expires after 7 days.
    """
    mood = Sentiment(symbol="TSLA", interval=300, start=START, event_time=START + 5 * MINUTE, sources={"x": 1})
    pair = Correlation(symbol="TSLA", interval=300, window=60, event_time=START, pair="MOOD_RETURN", method="PEARSON")
    writer = Writer(topics)
    with running(run_latest, settings, endpoints):
        writer.facts([quote(minute=2, bid=1.0), quote(minute=3, price=3.0), quote(minute=1), quote("GME", 1)])
        writer.facts([replace(mood, revision=1, mentions=7), replace(pair, r=0.5, r_by_lag=(None, 0.5))])
        await_true(lambda: drained(topics), "the first facts are written")
        writer.facts([quote(minute=2, price=9.0), mood, replace(pair, event_time=START - 1, r=0.1)])
        writer.facts([replace(pair, window=390, n=4), quote("GME", 1, revision=1, price=4.0)])
        writer.clocks(QUOTES)
        with writer.transaction():
            writer.put(QUOTES, partition_of("TSLA"), b"TSLA", b"no record")
        await_true(lambda: drained(topics), "the rest is written")
    assert set(held.keys()) == {"quote:TSLA", "quote:GME", "sentiment:TSLA:300", "correlation:TSLA:300"}
    tesla = held.hgetall("quote:TSLA")
    assert (tesla["price"], tesla["event_time"], "bid" in tesla) == ("3.0", str(START + 3 * MINUTE), False)
    assert held.hget("quote:GME", "price") == "4.0"
    assert held.hgetall("sentiment:TSLA:300")["mentions"] == "7"
    assert json.loads(held.hget("sentiment:TSLA:300", "sources")) == {"x": 1}
    assert set(held.hgetall("correlation:TSLA:300")) == {"MOOD_RETURN:PEARSON:60", "MOOD_RETURN:PEARSON:390"}
    best = json.loads(held.hget("correlation:TSLA:300", "MOOD_RETURN:PEARSON:60"))
    assert (best["r"], best["r_by_lag"], best["event_time"]) == (0.5, [None, 0.5], START)
    assert EXPIRE_SECONDS - 600 < held.ttl("correlation:TSLA:300") <= EXPIRE_SECONDS
    assert EXPIRE_SECONDS - 600 < held.ttl("quote:TSLA") <= EXPIRE_SECONDS


def test_readers_are_told_what_changed(topics, endpoints, held, settings):
    """Every chunk is announced once for each table, with its symbols and greatest event time, after it is written."""
    with held.pubsub() as channel:
        channel.subscribe(CHANNEL)
        assert channel.get_message(timeout=5)["type"] == "subscribe"
        with running(run_latest, settings, endpoints):
            Writer(topics).facts([quote("TSLA", 2), quote("TSLA", 1)])
            await_true(lambda: drained(topics), "the facts are written")
        said = json.loads(channel.get_message(timeout=5)["data"])
    assert said == {"table": "quote", "replay": "live", "symbols": ["TSLA"], "max_event_time": START + 2 * MINUTE}


def test_a_server_that_goes_away_is_waited_for(topics, endpoints, held, settings, cache):
    """Facts that come while Redis is away are written when it is back."""
    writer = Writer(topics)
    with wire_before(cache) as (wires, url), running(run_latest, settings, replace(endpoints, redis=url)):
        writer.facts([quote("TSLA", 1)])
        await_true(lambda: held.exists("quote:TSLA"), "the first fact is written")
        with wires.rule("server", "cut"):
            writer.facts([quote("TSLA", 2), quote("GME", 2)])
            with writer.transaction():
                old = Sentiment(symbol="TSLA", interval=60, start=START, event_time=START + MINUTE)
                writer.put(SENTIMENT, partition_of("TSLA"), b"TSLA", codec_for(SENTIMENT).encode(old))
        await_true(lambda: drained(topics), "the rest is written")
    assert held.hget("quote:TSLA", "event_time") == str(START + 2 * MINUTE)
    assert held.exists("quote:GME", "sentiment:TSLA:60") == 2


def test_an_emptied_server_is_filled_again(topics, endpoints, database, held, settings):
    """Emptied under a running sink, it soon holds all it held: from the database, and from the log what that lacks."""
    at, writer = replace(endpoints, database=database), Writer(topics)
    mood = Sentiment(symbol="TSLA", interval=300, start=START, event_time=START + 5 * MINUTE, sources={"x": 1})
    pair = Correlation(symbol="TSLA", interval=300, window=60, event_time=START, pair="MOOD_RETURN", method="PEARSON")
    writer.facts([quote("TSLA", 2, bid=1.0), quote("TSLA", 1), quote("GME", 1), mood, pair])
    with running(run_timescale, settings, at):
        await_true(lambda: stored_to_end(topics, database), "the database has these")
    with running(run_latest, settings, at):
        writer.facts([quote("GME", 3), quote("AAPL", 3)])
        await_true(lambda: drained(topics), "the server has all")
        before = {key: held.hgetall(key) for key in held.scan_iter("*:*")}
        held.flushall()
        await_true(lambda: {key: held.hgetall(key) for key in held.scan_iter("*:*")} == before, "it has all again")
    assert before.keys() == {"quote:TSLA", "quote:GME", "quote:AAPL", "sentiment:TSLA:300", "correlation:TSLA:300"}


def test_the_keys_of_the_unit_tests_are_as_the_servers(held):
    """What the tests' keys in memory are held to, the real server does."""
    check_keys(held)


def test_without_the_database_an_emptied_server_takes_what_comes(topics, endpoints, held, settings):
    """New facts are written while nobody can fill it."""
    writer, nobody = Writer(topics), "postgresql://nobody@127.0.0.1:1/none"
    with running(run_latest, settings, replace(endpoints, database=nobody)):
        writer.facts([quote("TSLA", 1)])
        await_true(lambda: held.exists("quote:TSLA"), "the first fact is written")
        held.flushall()
        writer.facts([quote("GME", 2)])
        await_true(lambda: held.exists("quote:GME"), "the next fact is written")
