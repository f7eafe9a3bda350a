"""Names of a replay, and what of the flow becomes its facts."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from infra.clock import MICROS, to_datetime
from infra.errors import UserError
from infra.grid import DAY
from infra.instruments import InstrumentTable, shipped_table
from infra.replays import Archive, Plan, check_id
from infra.settings import Settings
from infra.topics import desired_topics
from moodtape.replay.compare import tables_of
from moodtape.replay.loading import copies_of
from moodtape.replay.reasons import Builds
from moodtape.replay.work import replay_children
from schemas.clocks import Clock
from schemas.codec import codec_for, encode
from schemas.records import RawPost, RawQuote
from schemas.replays import Replay, replayed, warm_up_of
from schemas.topics import (
    BARS,
    CORRELATIONS,
    MENTIONS,
    POSTS,
    QUOTES,
    RAW_POSTS,
    RAW_QUOTES,
    RAW_TOPICS,
    SENTIMENT,
    post_key,
)
from streams import topology
from streams.engine.core import Output
from streams.engine.ends import Ends
from streams.stage import Stage
from tests.helpers.world import PARTITIONS, World, run_plainly

SECOND = 1_000_000
MINUTE = 60 * SECOND
START = 1_700_000_040 * SECOND
SYMBOLS = ("AAPL", "TSLA", "GME")


@pytest.fixture(scope="module")
def instruments() -> InstrumentTable:
    """The shipped table."""
    return shipped_table()


def test_topics_and_dead_letters_have_the_replays_name_before_their_ending() -> None:
    """``<topic>.<ID>``, and its dead letters are ``<topic>.<ID>.dlq``; the live flow keeps its names."""
    assert replayed(BARS, "v2") == "bars.v1.v2"
    assert replayed("bars.v1.dlq", "v2") == "bars.v1.v2.dlq"
    assert replayed(BARS, "live") == BARS


@pytest.mark.parametrize("name", ["live", "dlq", "state", "", "V2", "a_b", "a.b", "ä", "x" * 33, "v2\n"])
def test_what_cannot_name_a_replay(name: str) -> None:
    """Names that would collide with the flow's own topics, or be no part of a topic's name, are refused."""
    with pytest.raises(UserError, match="no name for a replay"):
        check_id(name)


def test_groups_states_and_sources_of_a_replay_are_its_own(instruments: InstrumentTable) -> None:
    """Only the live topic whose end is fixed is read itself."""
    ends = {(RAW_QUOTES, 0): 7}
    stage = replace(
        topology.quotes(Settings(), instruments), replay=Replay(id="v2", start=0, end=1, symbols=(), ends=ends)
    )
    assert (stage.group, stage.state) == ("moodtape.quotes.v2", "quotes.state.v1.v2")
    assert stage.sources == {RAW_QUOTES: RAW_QUOTES}
    assert stage.topic(QUOTES) == "quotes.v1.v2"
    bars = replace(topology.bars(Settings()), replay=stage.replay)
    assert bars.sources == {"quotes.v1.v2": QUOTES}


def test_a_log_ends_where_the_replay_says() -> None:
    """Offsets behind the fixed end count as the end; other logs do not end."""
    ends = Ends({(RAW_QUOTES, 0): 7})
    assert [ends.cap((RAW_QUOTES, 0), at) for at in (6, 7, 9)] == [6, 7, 7]
    assert ends.cap((RAW_QUOTES, 1), 9) == 9


def raw_world() -> World:
    """An hour of prices and posts of three symbols, with clocks."""
    world = World()
    for number in range(360):
        time = START + number * 10 * SECOND
        symbol = SYMBOLS[number % 3]
        quote = RawQuote(source="yahoo", symbol=symbol, event_time=time, ingest_time=time, price=100.0 + number % 11)
        put(world, RAW_QUOTES, symbol, encode(quote))
        post = RawPost(source="x", post_id=str(number), event_time=time, ingest_time=time, text=f"${symbol} up")
        put(world, RAW_POSTS, post_key(post), encode(post))
        if number % 20 == 19:
            tell(world, time)
    return world


def put(world: World, topic: str, key: str, value: bytes) -> None:
    """A fact, to the partition of its key."""
    world.produce(Output(topic, None, key.encode(), value, []))


def tell(world: World, time: int) -> None:
    """A clock to every partition of both raw topics."""
    for topic in (RAW_QUOTES, RAW_POSTS):
        for partition in range(PARTITIONS):
            world.append(topic, partition, None, None, Clock(kind="time", origin="x/0", time=time).headers())


def run(instruments: InstrumentTable, replay: Replay | None) -> World:
    """Quotes, bars and posts over the hour, live or in a replay."""
    settings = Settings()
    stages: list[Stage] = [
        topology.quotes(settings, instruments),
        topology.bars(settings),
        replace(topology.posts(settings, instruments, ask=_nobody), ask=None),
    ]
    world = raw_world()
    run_plainly(world, [topology.replaying(stage, replay) for stage in stages] if replay else stages)
    return world


async def _nobody(texts: object) -> dict[str, Any]:
    return {}


def facts(world: World, topic: str, wanted: Callable[[Any], bool] = lambda _: True) -> list[bytes]:
    """Values of the wanted facts of a topic, partition after partition."""
    codec = codec_for(topic)
    return [
        value for log in world.facts(topic) for _, value in log if value is not None and wanted(codec.decode(value))
    ]


def test_a_replays_facts_are_the_live_ones_of_its_time(instruments: InstrumentTable) -> None:
    """Byte for byte, in the same order, though it folds from the beginning: indicators know what came before."""
    span = (START + 20 * MINUTE, START + 40 * MINUTE)
    live = run(instruments, None)
    again = run(instruments, Replay(id="v2", start=span[0], end=span[1]))
    for topic in (QUOTES, BARS, POSTS, MENTIONS):
        inside = facts(live, topic, lambda record: span[0] <= record.event_time < span[1])
        assert facts(again, topic) == inside
        assert 0 < len(inside) < len(facts(live, topic))


def test_what_lies_outside_travels_as_warm_up_where_a_later_stage_folds(instruments: InstrumentTable) -> None:
    """Its bytes are in a header and its value is null; posts.v1, which nothing folds, has none of it."""
    again = run(instruments, Replay(id="v2", start=START + 20 * MINUTE, end=START + 40 * MINUTE))
    live = run(instruments, None)

    def carried(topic: str) -> list[bytes]:
        logs = again.everything(topic)
        return [found for log in logs for *_, headers in log if (found := warm_up_of(headers)) is not None]  # type: ignore[arg-type]

    assert sorted(carried(QUOTES) + facts(again, QUOTES)) == sorted(facts(live, QUOTES))
    assert carried(POSTS) == []


def folded(instruments: InstrumentTable, replay: Replay | None) -> World:
    """Moods and correlations over the bars and mentions of the live flow, live or in a replay of those alone."""
    live = run(instruments, None)
    world = World(clock_ms=live.clock_ms)
    for topic in (BARS, MENTIONS):
        for partition in range(PARTITIONS):
            world.logs[topic, partition] = live.logs[topic, partition]
    stages = [topology.moods(Settings()), topology.correlations(Settings())]
    run_plainly(world, [topology.replaying(stage, replay) for stage in stages] if replay else stages)
    return world


def test_what_is_folded_again_of_stored_mentions_is_the_live_one_of_its_time(instruments: InstrumentTable) -> None:
    """Bars and mentions are enough for moods and correlations, byte for byte, with no raw fact and no score."""
    plan = Plan(id="v2", start=START + 20 * MINUTE, end=START + 40 * MINUTE, ends={(MENTIONS, 0): 1, (BARS, 0): 1})
    live, again = folded(instruments, None), folded(instruments, plan.replay())
    for topic in (SENTIMENT, CORRELATIONS):
        inside = facts(live, topic, lambda record: plan.start <= record.event_time < plan.end)
        assert facts(again, topic) == inside
        assert 0 < len(inside) < len(facts(live, topic))


def test_a_replay_of_mentions_is_told_by_what_it_reads() -> None:
    """It runs the last two stages over the live topics themselves, scores nothing, and has two tables of its own."""
    mentions = Plan(id="v2", start=0, end=1, ends={(MENTIONS, 0): 1, (BARS, 0): 1})
    raw = Plan(id="v2", start=0, end=1, ends={(RAW_POSTS, 0): 1, (RAW_QUOTES, 0): 1})
    assert (mentions.reaggregated, raw.reaggregated) == (True, False)
    names = [child.name for child in replay_children(Settings(), mentions, 1)]
    assert names == ["stream-moods-1", "stream-correlations-1", "sink-timescale"]
    assert len(replay_children(Settings(), raw, 2)) == 12
    assert len(replay_children(Settings(scorer_processes=3), raw, 2)) == 14
    assert [table.name for table in tables_of(mentions)] == ["sentiment", "correlation"]
    assert len(tables_of(raw)) == 6
    moods = topology.replaying(topology.moods(Settings()), mentions.replay())
    correlations = topology.replaying(topology.correlations(Settings()), mentions.replay())
    assert (moods.sources, moods.topic(SENTIMENT)) == ({MENTIONS: MENTIONS}, "sentiment.v1.v2")
    assert correlations.sources == {BARS: BARS, "sentiment.v1.v2": SENTIMENT}


def test_a_replay_of_archives_reads_copies_of_both_raw_topics(instruments: InstrumentTable) -> None:
    """They keep their records' own times and are kept themselves until somebody deletes them."""
    plan = Plan(id="v2", start=0, end=1, ends={(RAW_POSTS, 0): 1, (RAW_QUOTES, 0): 1}, archives=(Archive("a", "0"),))
    stage = topology.replaying(topology.quotes(Settings(), instruments), plan.replay())
    assert stage.sources == {"raw.quotes.v1.v2": RAW_QUOTES}
    desired = {topic.name: topic for topic in desired_topics(Settings(), "v2", RAW_TOPICS)}
    for name in copies_of("v2"):
        assert desired[name].partitions == 12
        assert desired[name].config["message.timestamp.type"] == "CreateTime"
        assert desired[name].config["retention.ms"] == "-1"
    assert not set(copies_of("v2")) & {topic.name for topic in desired_topics(Settings(), "v2")}


def test_symbols_choose_prices_mentions_and_whole_posts(instruments: InstrumentTable) -> None:
    """A replay of one symbol has the live facts about it, with nothing changed in them."""
    live = run(instruments, None)
    again = run(instruments, Replay(id="v2", start=0, end=2 * START, symbols=("TSLA",)))
    for topic in (QUOTES, BARS, MENTIONS):
        wanted = facts(live, topic, lambda record: record.symbol == "TSLA")
        # How the partitions of the posts meet in mentions.v1 is in no log.
        assert sorted(facts(again, topic)) == sorted(wanted)
    assert facts(again, POSTS) == facts(
        live, POSTS, lambda post: "TSLA" in [mention.symbol for mention in post.mentions]
    )


def test_a_broken_record_is_a_dead_letter_of_the_replay_where_it_may_be_of_its_time(
    instruments: InstrumentTable,
) -> None:
    """An undecodable one always; one with a time only inside of it."""
    world = World()
    for time in (START, START + MINUTE):
        put(world, RAW_QUOTES, "AAPL", encode(RawQuote(source="x", symbol="AAPL", event_time=time, ingest_time=0)))
    put(world, RAW_QUOTES, "AAPL", b"\0\0\0\0\1broken")
    replay = Replay(id="v2", start=START + SECOND, end=START + 2 * MINUTE)
    run_plainly(world, [topology.replaying(topology.quotes(Settings(), instruments), replay)])
    assert [len(log) for log in world.facts(f"{RAW_QUOTES}.dlq")].count(2) == 1


def test_which_code_made_live_facts_in_a_span() -> None:
    """The one in force at its beginning and those that came inside it; none that was noted before or after."""
    days = [to_datetime(day * DAY * MICROS) for day in range(10)]
    builds = Builds(since=[days[1], days[3], days[5]], code=["a", "b", "c"])
    assert builds.between(days[2], days[4]) == {"a", "b"}
    assert builds.between(days[3], days[3]) == {"b"}
    assert builds.between(days[6], days[9]) == {"c"}
    assert builds.between(days[0], days[0]) == set()
