"""The fold of moods against a plain recomputation from all mentions."""

from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import example, given, settings

from infra.grid import Grid
from schemas.clocks import Blind, Clock
from schemas.records import Mention, Sentiment
from streams.moods import MoodsFold
from tests.helpers.mood_histories import (
    BEGIN,
    HOUR,
    MIDNIGHT,
    MINUTE,
    SECOND,
    Arrival,
    Run,
    arrivals,
    mention,
    mentions_of,
    shuffled_by,
    worlds,
)
from tests.helpers.mood_oracle import differences, moods

ZONE = "America/New_York"
CLOCK: Arrival = ("clock", Clock(kind="time", origin="raw.posts.v1/0", time=1, sources=("reddit", "x")))
SOURCES = ("reddit", "x")


def fold(*sources: str) -> MoodsFold:
    """An empty fold."""
    return MoodsFold(Grid(ZONE), sources)


def post(post_id: str, at: int, **fields: Any) -> Mention:
    """An unscored mention of GME."""
    given_ = {"symbol": "GME", "source": "x", "ingest_time": at, "confidence": 1.0} | fields
    return Mention(post_id=post_id, event_time=at, **given_)


def scored(post_id: str, at: int, positive: float, negative: float, neutral: float, **fields: Any) -> Mention:
    """A mention with a score."""
    chances = {"positive": positive, "negative": negative, "neutral": neutral, "score": positive - negative}
    return post(post_id, at, **({"model": "m", "model_version": "1"} | chances | fields))


def of(records: list[Any], interval: int) -> list[Sentiment]:
    """Those of one interval."""
    return [r for r in records if r.interval == interval]


def by_post(fact: Mention) -> object:
    """What keeps its order."""
    return fact.source, fact.post_id


def place(record: Sentiment) -> tuple[int, int, str]:
    """Order of emission."""
    return record.event_time, record.interval, record.symbol


@settings(deadline=None, max_examples=60)
@given(worlds)
def test_equals_a_plain_recomputation(world: Random) -> None:
    """Where nothing comes behind the watermark, each bucket is emitted once and equals the plain computation."""
    facts = mentions_of(world)
    history = arrivals(world, facts, by_post, late=None)
    records = Run(fold()).feed([CLOCK, *history]).records()
    expected = moods(facts, sources=SOURCES)
    assert [place(r) for r in sorted(records, key=place)] == [place(e) for e in expected]
    for got, want in zip(sorted(records, key=place), expected, strict=True):
        assert differences(got, want) == []


@settings(deadline=None, max_examples=60)
@given(worlds)
@example(Random(2359))
def test_last_revision_holds_what_came_late(world: Random) -> None:
    """With mentions up to two hours late, deleted or moved, the last revision still equals the plain computation."""
    facts = mentions_of(world)
    history = arrivals(world, facts, by_post, late=2 * HOUR)
    records = Run(fold()).feed([CLOCK, *history]).records()
    last = {place(r): r for r in records}
    expected = {place(e): e for e in moods(facts, sources=SOURCES)}
    assert {k for k, r in last.items() if r.mentions} == set(expected)
    for key, want in expected.items():
        # What a bucket says of earlier ones is what was known of them; it stands.
        kept = replace(last[key], buzz_z=want.buzz_z, revision=0, known_time=want.known_time)
        assert differences(kept, want) == []
    for key, group in _grouped(records).items():
        assert [r.revision for r in group] == list(range(len(group))), key
        assert [r.known_time for r in group] == sorted(r.known_time for r in group)


def _grouped(records: list[Sentiment]) -> dict[object, list[Sentiment]]:
    answer: dict[object, list[Sentiment]] = {}
    for record in records:
        answer.setdefault(place(record), []).append(record)
    return answer


@settings(deadline=None, max_examples=60)
@given(worlds)
def test_a_crash_is_invisible(world: Random) -> None:
    """A fold restored from its snapshots at any point goes on bit for bit as if it had never stopped."""
    facts = mentions_of(world)
    history = [CLOCK, *arrivals(world, facts, by_post, late=2 * HOUR)]
    stops = sorted(world.choices(range(len(history) + 1), k=4))
    whole = Run(fold()).feed(history)
    pieces, run = [], Run(fold())
    for begin, end in zip([0, *stops], [*stops, len(history)], strict=True):
        run = run.feed(history[begin:end])
        pieces += run.emitted
        run = run.reborn(fold())
    assert pieces == whole.emitted


@settings(deadline=None, max_examples=60)
@given(worlds)
def test_order_between_watermarks_is_irrelevant(world: Random) -> None:
    """Mentions of different posts may change places between two watermarks without any change of the outputs."""
    facts = mentions_of(world)
    history = arrivals(world, facts, by_post, late=2 * HOUR)
    shuffled: list[Arrival] = []
    chunk: list[Mention] = []
    for kind, value in history:
        if kind == "fact":
            chunk.append(value)
            continue
        shuffled += [("fact", fact) for fact in shuffled_by(world, chunk, by_post)]
        shuffled.append((kind, value))
        chunk = []
    assert Run(fold()).feed(shuffled).records() == Run(fold()).feed(history).records()


@pytest.mark.parametrize("interval", [3600, 86400])
def test_long_buckets_look_back_on_thirty(interval: int) -> None:
    """Hours and days over two months, with a change of the clocks in them, equal the plain computation."""
    begin = 1_614_000_000 * SECOND  # 22 February 2021
    step = interval * SECOND * 7 // 10
    facts = [
        scored(f"p{i}", begin + i * step + (i * i % 7) * MINUTE, (i % 10) / 10, 0.3, 0.1) for i in range(90) if i % 4
    ]
    history: list[Arrival] = [CLOCK]
    for fact in facts:
        history += [("advance", fact.event_time - 1), ("fact", fact)]
    records = of(Run(fold()).feed([*history, ("flush", None)]).records(), interval)
    expected = of(moods(facts, sources=SOURCES), interval)
    assert len(records) == len(expected)
    assert all(not differences(got, want) for got, want in zip(records, expected, strict=True))
    assert sum(r.buzz_z is not None for r in records) > 20


def test_buzz_against_equal_buckets_is_unknown() -> None:
    """After 30 buckets with one mention each, a burst has no deviation to be measured in: no rounding error either."""
    facts = [post(f"p{minute}", BEGIN + minute * MINUTE) for minute in range(1, 32)]
    burst = [post(f"b{n}", BEGIN + 32 * MINUTE) for n in range(5)]
    history: list[Arrival] = [("fact", fact) for fact in (*facts, *burst)]
    last = of(Run(fold()).feed([*history, ("flush", None)]).records(), 60)[-1]
    assert (last.mentions, last.buzz_z) == (5, None)


def test_a_fact_at_the_end_belongs_to_the_bucket_it_ends() -> None:
    """The bucket (start, end] closes when the watermark is at its end, not one microsecond before."""
    run = Run(fold()).feed([("fact", post("a", BEGIN + MINUTE)), ("advance", BEGIN + MINUTE - 1)])
    assert run.records() == []
    run.feed([("advance", BEGIN + MINUTE)])
    assert [(r.start, r.event_time) for r in run.records()] == [(BEGIN, BEGIN + MINUTE)]


def test_a_deletion_takes_back_what_was_emitted() -> None:
    """A deleted mention's buckets are emitted again without it, even when nothing is left."""
    gone = post("a", BEGIN + 30 * SECOND, revision=1, deleted=True, ingest_time=BEGIN + 9 * MINUTE)
    run = Run(fold()).feed(
        [("fact", post("a", BEGIN + SECOND)), ("advance", BEGIN + MINUTE), ("fact", gone), ("advance", BEGIN + MINUTE)]
    )
    assert [(r.revision, r.mentions, r.known_time) for r in run.records()] == [
        (0, 1, BEGIN + MINUTE),
        (1, 0, BEGIN + 9 * MINUTE),
    ]


def test_a_bucket_of_deleted_mentions_only_is_empty() -> None:
    """What was deleted before its bucket closed leaves no trace."""
    gone = post("a", BEGIN + 2 * SECOND, revision=1, deleted=True)
    assert Run(fold()).feed([("fact", post("a", BEGIN + SECOND)), ("fact", gone), ("flush", None)]).records() == []


def test_a_revision_moves_a_mention() -> None:
    """A revision with another event_time leaves its old bucket and enters the new one."""
    moved = post("a", BEGIN + 3 * MINUTE, revision=1)
    run = Run(fold()).feed([("fact", post("a", BEGIN + SECOND)), ("advance", BEGIN + MINUTE), ("fact", moved)])
    run.feed([("advance", BEGIN + 3 * MINUTE)])
    assert [(r.event_time - BEGIN, r.revision, r.mentions) for r in of(run.records(), 60)] == [
        (MINUTE, 0, 1),
        (MINUTE, 1, 0),
        (3 * MINUTE, 0, 1),
    ]


def test_an_older_revision_changes_nothing() -> None:
    """The highest revision counts, whichever comes last; of equal ones the same one wins in either order."""
    old, new = post("a", BEGIN + SECOND, author="a1"), post("a", BEGIN + SECOND, revision=1, author=None)
    twin = replace(new, author="a2", spam=0.1)
    assert Run(fold()).feed([("fact", new), ("fact", old), ("flush", None)]).records()[0].mentions == 1
    one = Run(fold()).feed([("fact", new), ("fact", twin), ("flush", None)]).records()
    assert one == Run(fold()).feed([("fact", twin), ("fact", new), ("flush", None)]).records()


def test_late_mentions_are_not_folded() -> None:
    """A mention that the first stage flagged as late counts nowhere."""
    assert Run(fold()).feed([("fact", post("a", BEGIN, flags=("late",))), ("flush", None)]).records() == []


def test_buckets_are_kept_for_two_hours() -> None:
    """A mention two hours behind the watermark revises its bucket; further behind only the longer ones."""
    end = BEGIN + MINUTE
    run = Run(fold()).feed([("fact", post("a", end)), ("advance", end + 2 * HOUR), ("fact", post("b", end))])
    run.feed([("advance", end + 2 * HOUR)])
    assert [(r.revision, r.mentions) for r in of(run.records(), 60)] == [(0, 1), (1, 2)]
    run.feed([("advance", end + 2 * HOUR + 1), ("fact", post("c", end)), ("advance", end + 2 * HOUR + 2)])
    assert len(of(run.records(), 60)) == 2
    assert of(run.records(), 3600)[-1].mentions == 3


def test_state_is_bounded() -> None:
    """Three days after its last mention, a symbol has left only its moods of days, and when it was first named."""
    run = Run(fold()).feed([("fact", post("a", BEGIN)), ("advance", BEGIN + HOUR)])
    run.snapshot()
    run.feed([("advance", BEGIN + 72 * HOUR)])
    run.snapshot()
    assert {key.split("|")[0] + "|" + key.split("|")[1] for key in run.stored} == {"bucket|86400", "first|0"}


def test_a_crowded_minute_is_dumped_in_parts() -> None:
    """A leaf too big for one record is split, restored whole, and its surplus parts are taken back."""
    crowd = [post(f"p{i}", BEGIN + SECOND, words=("w" * 400,) * 10) for i in range(300)]
    run = Run(fold()).feed([("fact", fact) for fact in crowd])
    run.snapshot()
    assert len([key for key in run.stored if key.startswith("leaf")]) == 3
    again = run.reborn(fold()).feed([("flush", None)])
    assert again.records() == run.feed([("flush", None)]).records()
    run.feed([("fact", replace(fact, revision=1, event_time=BEGIN + 2 * MINUTE)) for fact in crowd])
    run.snapshot()
    assert len([key for key in run.stored if key.startswith("leaf") and f"|{BEGIN + MINUTE}|" in key]) == 1


def test_labels_are_argmax_and_ties_are_neutral() -> None:
    """Labels count exactly the mentions in the score; a tie for the greatest probability is neutral."""
    at = BEGIN + SECOND
    facts = [
        scored("a", at, 0.6, 0.3, 0.1),
        scored("b", at, 0.1, 0.7, 0.2),
        scored("c", at, 0.4, 0.4, 0.2),
        scored("d", at, 0.9, 0.0, 0.1, spam=0.5),
        post("e", at),
    ]
    mood = Run(fold()).feed([*(("fact", f) for f in facts), ("flush", None)]).records()[0]
    assert (mood.mentions, mood.positive, mood.negative, mood.neutral) == (5, 1, 1, 1)
    assert mood.score == pytest.approx((0.3 - 0.6 + 0.0) / 3)


def test_near_copies_are_left_out() -> None:
    """A fingerprint within 3 bits of any earlier one is a copy; 4 bits are not; null is never one."""
    at = BEGIN + SECOND
    fingerprints = [0b0, 0b111, 0b111111, -1, None, None, 0b1111 << 40]
    facts = [post(f"p{i}", at, fingerprint=f, author="a1") for i, f in enumerate(fingerprints)]
    mood = Run(fold()).feed([*(("fact", f) for f in facts), ("flush", None)]).records()[0]
    assert (mood.mentions, mood.duplicates, mood.authors, mood.sources) == (7, 2, 1, {"x": 5})


def test_model_names_are_mixed_when_they_differ() -> None:
    """Every score names its model, or says that there were several; no score names none."""
    at = BEGIN + SECOND
    two = [scored("a", at, 0.5, 0.2, 0.3), scored("b", at, 0.5, 0.2, 0.3, model="lexicon", model_version="1")]
    mood = Run(fold()).feed([*(("fact", f) for f in two), ("flush", None)]).records()[0]
    assert (mood.model, mood.model_version) == ("mixed", "1")
    none = Run(fold()).feed([("fact", post("c", at)), ("flush", None)]).records()[0]
    assert (none.score, none.model, none.score_weighted, none.positive) == (None, None, None, 0)


def test_weighted_score_lets_each_author_speak_once() -> None:
    """An author's mentions are averaged first; the author weighs as the weightiest of them."""
    at = BEGIN + SECOND
    facts = [
        scored("a", at, 0.8, 0.0, 0.2, author="a1", confidence=1.0),
        scored("b", at, 0.0, 0.8, 0.2, author="a1", confidence=0.5),
        scored("c", at, 0.5, 0.0, 0.5, author=None, confidence=0.5),
        scored("d", at, 0.5, 0.0, 0.5, author="a2", confidence=0.0),
    ]
    mood = Run(fold()).feed([*(("fact", f) for f in facts), ("flush", None)]).records()[0]
    assert mood.score_weighted == pytest.approx(((0.8 - 0.4) / 1.5 * 1.0 + 0.5 * 0.5) / 1.5)


def blind_clock(*spans: Blind, sources: tuple[str, ...] = ("x", "reddit")) -> Arrival:
    """A clock that carries blind spans."""
    return ("clock", Clock(kind="time", origin="raw.posts.v1/3", time=1, sources=sources, blind=spans))


def test_coverage_is_the_share_that_was_seen() -> None:
    """Coverage is the mean over the heard sources of the part of the bucket in which each was not blind."""
    spans = (Blind("x", BEGIN, BEGIN + 30 * SECOND), Blind("x", BEGIN + 15 * SECOND, BEGIN + 45 * SECOND))
    history = [blind_clock(*spans), blind_clock(spans[0]), ("fact", post("a", BEGIN + SECOND)), ("flush", None)]
    assert of(Run(fold()).feed(history).records(), 60)[0].coverage == pytest.approx((1 + 0.25) / 2)
    assert of(Run(fold()).feed(history).records(), 300)[0].coverage == pytest.approx((1 + 1 - 45 / 300) / 2)


def test_coverage_counts_enabled_sources_only() -> None:
    """With sources enabled by setting the others do not count, and one never heard of saw nothing."""
    history = [blind_clock(sources=("x", "reddit")), ("fact", post("a", BEGIN + SECOND)), ("flush", None)]
    assert of(Run(fold("x")).feed(history).records(), 60)[0].coverage == 1.0
    assert of(Run(fold("x", "bluesky")).feed(history).records(), 60)[0].coverage == 0.5
    assert of(Run(fold()).feed(history[1:]).records(), 60)[0].coverage == 0.0


@settings(deadline=None, max_examples=60)
@given(worlds)
def test_coverage_equals_a_plain_computation_over_a_crash(world: Random) -> None:
    """Any blind spans, heard in any order and from several origins, give the plain computation's coverage."""
    spans = [
        Blind(world.choice(SOURCES), *sorted(BEGIN + world.randint(-10, 250) * MINUTE for _ in range(2)))
        for _ in range(world.randint(0, 8))
    ]
    facts = [mention(world, minutes=240, symbol="GME", source="x", post_id="p", revision=0)]
    clocks = [blind_clock(span) for span in world.sample(spans * 2, len(spans) * 2)]
    run = Run(fold()).feed([CLOCK, *clocks, *(("fact", f) for f in facts)]).reborn(fold()).feed([("flush", None)])
    blind = {s: [(b.start, b.end) for b in spans if b.source == s] for s in SOURCES}
    expected = moods(facts, blind=blind, sources=SOURCES)
    assert [r.coverage for r in run.records()] == pytest.approx([e.coverage for e in expected])


def test_blind_spans_are_remembered_as_long_as_a_day_needs_them() -> None:
    """A span counts for a day's bucket until two hours after its end, then it is forgotten."""
    day_end = MIDNIGHT + 24 * HOUR
    run = Run(fold()).feed([blind_clock(Blind("x", MIDNIGHT, MIDNIGHT + 6 * HOUR), sources=("x",))])
    run.feed([("fact", post("a", MIDNIGHT + 1)), ("advance", day_end), ("fact", post("b", day_end))])
    run.feed([("advance", day_end + 2 * HOUR), ("fact", post("c", day_end)), ("advance", day_end + 2 * HOUR)])
    assert [r.coverage for r in of(run.records(), 86400)] == [0.75, 0.75, 0.75]
    run.feed([("advance", day_end + 40 * HOUR)])
    run.snapshot()
    assert b"x" in run.stored["coverage|0|0|"]
    assert str(MIDNIGHT).encode() not in run.stored["coverage|0|0|"]
