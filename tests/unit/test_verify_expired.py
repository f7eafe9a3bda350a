"""Logs whose beginnings were removed: what cannot be judged is never called wrong; the rest is judged as ever."""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from moodtape.verify.account import Edge
from moodtape.verify.bars_again import BarsAgain
from moodtape.verify.buckets import Calendar
from moodtape.verify.correlations_again import CorrelationsAgain
from moodtape.verify.first_stages import PostRules, QuoteRules
from moodtape.verify.letters import NONE, SINK_GROUP, Tries
from moodtape.verify.matching import Matching
from moodtape.verify.moods_again import MoodsAgain
from moodtape.verify.reading import NEVER, Fact
from moodtape.verify.recount import Held, Recount
from moodtape.verify.rows import Comparison
from schemas.clocks import Clock
from schemas.codec import encode
from schemas.records import Bar, Quote, RawPost, RawQuote, ScoredPost
from schemas.topics import BARS, CORRELATIONS, MENTIONS, QUOTES, RAW_QUOTES, SENTIMENT
from tests.helpers.mood_histories import BEGIN
from tests.helpers.mood_histories import bar as a_bar
from tests.helpers.mood_histories import mood as a_mood
from tests.helpers.verified import INPUTS, PARTITIONS, PREFERENCE, ZONE, entries, lived, stages_of
from tests.helpers.world import World, run_plainly
from tests.unit.test_verify import MINUTE, QUOTE_LISTS, T0, TABLE, facts, first_stage, quote, raw

MANY = 400
FIVE = 5 * MINUTE


def recount(went: Sequence[Any], came: Sequence[Any], cut: int, cut_out: int, rules: Any = QuoteRules) -> Edge:
    """The edge between a raw topic and the first stage's after the first records of both were removed."""
    edge = Edge("raw")
    tries = Tries(RAW_QUOTES, 0, "moodtape.quotes", NONE, cut)
    count = Recount(edge, rules(), 0, len(went), tries, Held(not cut, not cut_out))
    count.take_raw(facts(went[cut:], cut))
    count.take_out(facts(came[cut_out:], cut_out))
    count.close()
    return edge


@given(QUOTE_LISTS, st.integers(0, 30), st.integers(0, 30))
@example([raw(0)] * 7 + [raw(0, symbol="META"), raw(0)], 8, 0)
def test_quotes_removed_from_either_log_raise_no_alarm(went: list[RawQuote], cut: int, cut_out: int) -> None:
    """However much of the beginnings was removed, what the first stage made of everything is never wrong."""
    edge = recount(went, first_stage(went), cut, cut_out)
    assert edge.ok, edge.problems


def test_what_was_removed_may_be_said_again_at_length() -> None:
    """The first of what is held may all be duplicates of what was removed; the outputs between are no forgeries."""
    went = [raw(n * MINUTE) for n in range(200)]
    again = [*went, *went[:100], raw(300 * MINUTE)]
    edge = recount(again, first_stage(again), 200, 0)
    assert edge.ok, edge.problems


def many() -> tuple[list[RawQuote], list[Quote]]:
    """Quotes that all come out."""
    went = [raw(n * MINUTE) for n in range(MANY)]
    return went, first_stage(went)


@pytest.mark.parametrize(("cut", "cut_out"), [(150, 0), (0, 150), (100, 150), (150, 100)])
def test_what_is_still_held_is_judged(cut: int, cut_out: int) -> None:
    """A quote lost, forged or altered after the beginnings that are held is named as ever."""
    went, came = many()
    assert recount(went, came, cut, cut_out).ok
    assert recount(went, came[:-2] + came[-1:], cut, cut_out).missing == 1
    assert recount(went, [*came, quote(raw(9_999 * MINUTE))], cut, cut_out).extra == 1
    altered = [*came[:-1], replace(came[-1], price=came[-1].price + 1)]
    assert recount(went, altered, cut, cut_out).altered == 1


def test_an_edit_of_a_removed_post_is_not_judged() -> None:
    """Whether a revision repeats a post whose raw record is gone is not known; its output may be there or not."""
    went = [RawPost(source="x", post_id=str(n), event_time=T0 + n, text="a") for n in range(MANY)]
    went.append(replace(went[0], revision=1))
    shared = [{name: getattr(post, name) for name in ("source", "post_id", "revision", "event_time")} for post in went]
    came = [ScoredPost(**fields) for fields in shared]
    for out in (came, came[:-1]):
        edge = recount(went, out, 1, 0, PostRules)
        assert edge.ok, edge.problems
        assert edge.unjudged == 1


def test_records_whose_letters_may_be_gone_are_not_missed() -> None:
    """A record that cannot be decoded, or has no output or row, may have had a letter that was removed since."""
    for since, trouble in ((5, False), (4, True), (0, True), (NEVER, False)):
        tries = Tries(RAW_QUOTES, 0, "moodtape.quotes", NONE, 0, since)
        edge = Edge("raw")
        count = Recount(edge, QuoteRules(), 0, 2, tries)
        count.take_raw([Fact(0, None, b"k", b"?", [], 4), facts([raw(0)], 1)[0]._replace(append_ms=4)])
        count.close()
        assert (edge.missing, edge.unjudged) == ((2, 0) if trouble else (0, 2))
        table = Edge("table")
        gone = facts([quote(raw(0))])[0]._replace(append_ms=4)
        Comparison(table, TABLE).walk(0, [gone], [], Tries(QUOTES, 0, SINK_GROUP, NONE, 0, since))
        assert (table.missing, table.unjudged) == ((1, 0) if trouble else (0, 1))


@pytest.fixture(scope="module")
def worlds() -> list[World]:
    """What the stages make of some random logs."""
    return [lived(seed, returns=False) for seed in (40, 41)]


def judge_of(output: str, edge: Edge, partition: int, lows: dict[str, int]) -> Any:
    """The judge of logs of which the first records were removed."""

    def matching(*args: Any, **more: Any) -> Matching[Any]:
        return Matching(*args, **more, headless=lows[output] > 0)

    if output == BARS:
        return BarsAgain(edge, partition, Calendar(ZONE), PREFERENCE, lows, matching)
    if output == SENTIMENT:
        whole = not lows[MENTIONS]
        return MoodsAgain(edge, Calendar(ZONE), (), whole, partitions=PARTITIONS, matching=matching)
    return CorrelationsAgain(edge, partition, not (lows[BARS] or lows[SENTIMENT]), matching)


def judged(
    world: World, output: str, share: float, share_out: float, tamper: Callable[[list[Fact]], list[Fact]] = list
) -> Edge:
    """What is said of an output after a share of each log was removed."""
    edge = Edge(output)
    for partition in range(PARTITIONS):
        went = {topic: entries(world.logs[topic, partition], topic) for topic in INPUTS[output]}
        came = [fact for fact in entries(world.logs[output, partition], output) if isinstance(fact, Fact)]
        cuts = {topic: int(len(log) * share) for topic, log in went.items()}
        cut_out = int(len(came) * share_out)
        judge = judge_of(output, edge, partition, {**cuts, output: cut_out})
        for topic, log in went.items():
            for entry in log[cuts[topic] :]:
                judge.take(topic, entry, True)
        for fact in tamper(came[cut_out:]):
            judge.find(fact, 1)
        judge.proceed()
        judge.settle(1, True)
    return edge


@pytest.mark.parametrize(("share", "share_out"), [(0.0, 0.3), (0.3, 0.0), (0.3, 0.6), (0.6, 0.3), (0.0, 1.0)])
@pytest.mark.parametrize("output", [BARS, SENTIMENT, CORRELATIONS])
def test_figures_of_removed_facts_raise_no_alarm(
    worlds: Sequence[World], output: str, share: float, share_out: float
) -> None:
    """Whatever share of what went in and of what came out was removed, nothing is called wrong."""
    for world in worlds:
        edge = judged(world, output, share, share_out)
        assert edge.ok, edge.problems


@pytest.mark.parametrize("output", [BARS, SENTIMENT, CORRELATIONS])
def test_a_forged_figure_is_found_beside_removed_ones(worlds: Sequence[World], output: str) -> None:
    """Where only the first figures were removed, one that nothing gives is named."""

    def forge(log: list[Fact]) -> list[Fact]:
        return [*log, log[-1]._replace(record=replace(log[-1].record, revision=99))]

    assert judged(worlds[0], output, 0.0, 0.3, forge).extra == PARTITIONS


def test_a_figure_lost_behind_the_removed_ones_is_missed() -> None:
    """Of buckets that end after those of the first thousand figures that are held, each is missed."""
    edge = Edge("bars")
    matching: Matching[Any] = Matching(edge, lambda *_: [], str, headless=True)
    for end in range(2000):
        matching.expect(("A", 60, end - 1, end, 0), {"known_time": end}, True)
        if end not in (100, 1900) and end >= 200:
            figure = Bar(symbol="A", interval=60, start=end - 1, event_time=end, known_time=end)
            matching.find(("A", 60, end - 1, end, 0), figure, 1)
    matching.settle(1)
    assert (edge.missing, edge.unjudged) == (1, 200)


def correlated() -> World:
    """A hundred bars of one instrument with moods, and the correlations of them, in partition 0 of one."""
    world, rng = World(), random.Random(42)
    for number in range(1, 101):
        end = BEGIN + number * FIVE
        for topic, record in (
            (BARS, a_bar(end, change=rng.gauss(0, 0.01))),
            (SENTIMENT, a_mood(end - 120_000_000, mentions=rng.randint(0, 3), score=rng.uniform(-1, 1))),
        ):
            world.append(topic, 0, b"GME", encode(record), [])
            for partition in range(PARTITIONS):
                origin = f"{QUOTES if topic == BARS else MENTIONS}/{partition}"
                world.append(topic, partition, None, None, Clock(kind="time", origin=origin, time=end).headers())
    run_plainly(world, stages_of()[2:])
    return world


@pytest.mark.parametrize(("width", "found"), [(60, 1), (390, 0)])
def test_windows_that_reach_behind_the_logs_are_not_judged(width: int, found: int) -> None:
    """Of logs that once began earlier, a window is judged when a full one is held; a longer one may have held more."""
    world, edge = correlated(), Edge("correlations")
    judge = CorrelationsAgain(edge, 0, False)
    for topic in (BARS, SENTIMENT):
        for entry in entries(world.logs[topic, 0], topic):
            judge.take(topic, entry, True)
    log = [fact for fact in entries(world.logs[CORRELATIONS, 0], CORRELATIONS) if isinstance(fact, Fact)]
    last = next(fact for fact in reversed(log) if fact.record.window == width and fact.record.r is not None)
    for fact in log:
        forged = replace(fact.record, r=fact.record.r + 1e-3) if fact is last else fact.record
        judge.find(fact._replace(record=forged), 1)
    judge.proceed()
    judge.settle(1, True)
    assert (edge.altered, edge.missing, edge.extra) == (found, 0, 0), edge.problems
