"""The fold of correlations against numpy and scipy over all bars and moods."""

from random import Random
from typing import Any

import pytest
from hypothesis import given, settings

from infra.grid import Grid
from schemas.records import Bar, Correlation, Sentiment
from streams.correlations import CorrelationsFold
from tests.helpers.mood_histories import (
    BEGIN,
    HOUR,
    MIDNIGHT,
    MINUTE,
    SECOND,
    Arrival,
    Run,
    arrivals,
    bar,
    change,
    market_of,
    mood,
    shuffled_by,
    worlds,
)
from tests.helpers.mood_oracle import correlations, differences

FIVE = 5 * MINUTE
Fact = Bar | Sentiment


def fold() -> CorrelationsFold:
    """An empty fold."""
    return CorrelationsFold(Grid("America/New_York"))


def run(*facts: Fact) -> list[Any]:
    """What comes of facts and an end."""
    return Run(fold()).feed([*(("fact", f) for f in facts), ("flush", None)]).records()


def by_bucket(fact: Fact) -> object:
    """What keeps its order: the revisions of one bucket."""
    return type(fact).__name__, fact.interval, fact.event_time


def check(records: list[Correlation], facts: list[Fact], every: int = 1) -> None:
    """The records of every ``every``-th bar are those of the plain computation, in its order."""
    bars = [f for f in facts if isinstance(f, Bar)]
    expected = correlations(bars, [f for f in facts if isinstance(f, Sentiment)], every=every)
    places = {_place(e) for e in expected}
    chosen = [r for r in records if _place(r) in places]
    assert len(chosen) == len(expected)
    for got, want in zip(chosen, expected, strict=True):
        # Two lags may tie but for rounding; which of them is named is no matter then.
        assert [d for d in differences(got, want) if not d.startswith("best_lag")] == []


@settings(deadline=None, max_examples=50)
@given(worlds)
def test_equals_a_plain_computation(world: Random) -> None:
    """Where nothing comes behind the watermark, every record equals the plain computation, whatever came first."""
    facts = market_of(world)
    if facts:
        records = Run(fold()).feed(arrivals(world, facts, by_bucket, late=None)).records()
        check(sorted(records, key=_place), facts, every=world.randint(1, 12))


def _place(record: Correlation) -> tuple[object, ...]:
    return record.event_time, record.interval, record.symbol, record.window, record.pair, record.method


@settings(deadline=None, max_examples=50)
@given(worlds)
def test_order_between_watermarks_is_irrelevant(world: Random) -> None:
    """Bars and moods may change places between two watermarks without any change of the outputs, late ones too."""
    facts = market_of(world)
    history = arrivals(world, facts, by_bucket, late=HOUR) if facts else []
    shuffled: list[Arrival] = []
    chunk: list[Fact] = []
    for kind, value in history:
        if kind == "fact":
            chunk.append(value)
        else:
            shuffled += [("fact", fact) for fact in shuffled_by(world, chunk, by_bucket)]
            shuffled.append((kind, value))
            chunk = []
    assert Run(fold()).feed(shuffled).records() == Run(fold()).feed(history).records()


@settings(deadline=None, max_examples=50)
@given(worlds)
def test_a_crash_is_invisible(world: Random) -> None:
    """A fold restored from its snapshots at any point goes on bit for bit as if it had never stopped."""
    facts = market_of(world)
    history = arrivals(world, facts, by_bucket, late=HOUR) if facts else []
    stops = sorted(world.choices(range(len(history) + 1), k=4))
    pieces, piece = [], Run(fold())
    for begin, end in zip([0, *stops], [*stops, len(history)], strict=True):
        piece = piece.feed(history[begin:end])
        pieces += piece.emitted
        piece = piece.reborn(fold())
    assert pieces == Run(fold()).feed(history).emitted


def days_of(world: Random, days: int) -> list[Fact]:
    """Sessions of five-minute, hourly and daily bars with nights and a weekend between, and moods all the time."""
    facts: list[Fact] = []
    for day in range(days):
        midnight = MIDNIGHT + day * 24 * HOUR
        facts += [
            mood(midnight + m * MINUTE, 0, world.randint(1, 3), world.gauss(0, 0.3))
            for m in world.sample(range(1, 1441), 120)
        ]
        if day % 7 not in (1, 2):  # 16 January 2021 was a Saturday
            facts += [bar(midnight + 10 * HOUR + i * FIVE, 300, 0, change(world)) for i in range(78) if i % 11]
            facts += [bar(midnight + 10 * HOUR + i * HOUR, 3600, 0, change(world)) for i in range(7)]
            facts.append(bar(midnight + 24 * HOUR, 86400, 0, change(world)))
    return sorted(facts, key=lambda f: f.event_time)


def test_nights_and_weekends_belong_to_the_next_bar() -> None:
    """Over nine days, with leaves sealed, rows trimmed and crashes between, all equals the plain computation."""
    facts = days_of(Random(4), 9)
    piece, records = Run(fold()), []
    for place, fact in enumerate(facts):
        piece.feed([("advance", fact.event_time - 1), ("fact", fact)])
        if place % 100 == 0:
            records += piece.records()
            piece = piece.reborn(fold())
    records += piece.feed([("flush", None)]).records()
    check(records, facts, every=23)
    assert {r.interval for r in records if r.status == "OK"} == {300, 3600}


def test_one_leap_of_the_watermark_equals_many_steps() -> None:
    """When all bars of nine days close at once, each still has its own window."""
    facts = days_of(Random(4), 9)
    leap = Run(fold()).feed([*(("fact", f) for f in facts), ("advance", MIDNIGHT + 9 * 24 * HOUR)])
    check(leap.records(), facts, every=23)


def test_state_is_bounded() -> None:
    """What is kept does not grow with time: leaves of 28 hours, the rows of the longest window."""
    facts = days_of(Random(5), 21)
    piece = Run(fold())
    sizes = []
    for place, fact in enumerate(facts):
        piece.feed([("advance", fact.event_time - 1), ("fact", fact)])
        if place % 500 == 499:
            piece.snapshot()
            sizes.append(len(piece.stored))
    assert max(sizes[-3:]) < 1000
    assert max(sizes[-3:]) <= 1.2 * max(sizes[:6])


def test_a_long_halt_loses_no_mood() -> None:
    """Moods of three weeks without a bar all count in the x of the bar that ends the halt."""
    facts: list[Fact] = [bar(BEGIN + FIVE, change=None)]
    facts += [mood(BEGIN + i * HOUR, 0, 1, 0.5 if i % 2 else -0.1) for i in range(1, 500)]
    facts += [bar(BEGIN + 500 * HOUR, change=0.01), bar(BEGIN + 500 * HOUR + FIVE, change=0.02)]
    piece = Run(fold())
    for fact in facts:
        piece.feed([("advance", fact.event_time - 1), ("fact", fact)])
        piece = piece if fact.event_time % (7 * HOUR) else _kept(piece)
    records = piece.feed([("flush", None)]).records()
    check([r for r in records if r.event_time > BEGIN + 400 * HOUR], facts)


def _kept(piece: Run) -> Run:
    again = piece.reborn(fold())
    again.emitted = piece.emitted
    return again


def test_each_bar_once_in_order() -> None:
    """A record is written for each bar once, revision 0, in (event_time, interval, symbol, window, pair, method)."""
    facts: list[Fact] = [mood(BEGIN + FIVE)]
    facts += [bar(BEGIN + i * FIVE, interval, change=0.01 * i) for i in range(1, 4) for interval in (60, 300)]
    records = run(*facts)
    assert records == sorted(records, key=_place)
    assert len(records) == len({_place(r) for r in records}) == 3 * 2 * 2 * 2 * 2
    assert {r.revision for r in records} == {0}
    again = Run(fold()).feed([*(("fact", f) for f in facts), ("advance", BEGIN + HOUR)])
    revised = bar(BEGIN + FIVE, revision=1, change=0.5)
    assert again.records() == records
    assert again.feed([("fact", revised), ("advance", BEGIN + HOUR + 1), ("flush", None)]).records() == records


def test_the_watermark_must_have_reached_the_bars_end() -> None:
    """Nothing is written one microsecond before the end of the bar is sure."""
    piece = Run(fold()).feed(
        [("fact", mood(BEGIN + MINUTE)), ("fact", bar(BEGIN + FIVE)), ("advance", BEGIN + FIVE - 1)]
    )
    assert piece.records() == []
    assert len(piece.feed([("advance", BEGIN + FIVE)]).records()) == 8


def test_minute_bars_are_correlated_every_five_minutes() -> None:
    """Bars of 60 s get records at the ends of five minutes only, over windows that hold them all."""
    records = run(mood(BEGIN + MINUTE), *(bar(BEGIN + i * MINUTE, 60, change=0.01 * i) for i in range(1, 11)))
    assert sorted({r.event_time for r in records}) == [BEGIN + FIVE, BEGIN + 2 * FIVE]
    assert max(r.n for r in records) == 10


def test_a_day_has_one_window() -> None:
    """Days are looked at over 60 bars only, with lags of -12 to 12; hours over 60 and 390."""
    facts: list[Fact] = [mood(BEGIN + MINUTE), bar(BEGIN + HOUR, 86400), bar(BEGIN + HOUR, 3600)]
    records = run(*facts)
    assert {(r.interval, r.window) for r in records} == {(86400, 60), (3600, 60), (3600, 390)}
    assert {len(r.lags) for r in records if r.window == 60 and r.method == "PEARSON"} == {25}
    assert {(r.lags, r.r_by_lag, r.best_lag, r.p_best) for r in records if r.method == "SPEARMAN"} == {
        ((), (), None, None)
    }


def test_symbols_without_a_mention_in_the_window_are_left_out() -> None:
    """No mention in the span of a window, no record; a mention before the first bar's start is outside."""
    bars = [bar(BEGIN + i * FIVE, change=0.01) for i in range(2, 70)]
    assert run(*bars) == []
    assert run(mood(BEGIN + FIVE), *bars) == []
    assert run(mood(BEGIN + FIVE + MINUTE, mentions=0), *bars) == []
    windows = [r.window for r in run(mood(BEGIN + FIVE + MINUTE), *bars) if r.event_time == bars[-1].event_time]
    assert windows == [390] * 4


def test_nothing_beyond_the_bar_is_used() -> None:
    """The record of a bar is the same whether later bars and moods are already there or not."""
    early: list[Fact] = []
    for i in range(1, 30):
        early += [mood(BEGIN + i * FIVE - MINUTE, 0, 1, i % 5 / 10), bar(BEGIN + i * FIVE, change=i % 7 / 100)]
    late = [mood(BEGIN + HOUR * 5), bar(BEGIN + HOUR * 5, change=0.3)]
    wanted = run(*early)
    assert run(*late, *early)[: len(wanted)] == wanted


def test_revisions_are_used_by_later_bars() -> None:
    """A revision of a bar or mood already passed counts from the next bar on; an older one never."""
    facts: list[Fact] = [bar(BEGIN + i * FIVE, change=i % 3 / 100) for i in range(1, 40)]
    facts += [mood(BEGIN + i * FIVE, 0, 1, i % 4 / 10) for i in range(1, 40)]
    last = bar(BEGIN + 40 * FIVE, change=0.02)
    newer = [bar(BEGIN + 5 * FIVE, revision=2, change=0.09), mood(BEGIN + 6 * FIVE, 2, 3, 0.7)]
    older = [bar(BEGIN + 5 * FIVE, revision=1, change=-0.5), mood(BEGIN + 6 * FIVE, 1, 1, -0.5)]
    piece = Run(fold()).feed([*(("fact", f) for f in facts), ("advance", BEGIN + 39 * FIVE)])
    seen = len(piece.records())
    piece.feed([("fact", f) for f in [*newer, *older, last]]).feed([("flush", None)])
    expected = correlations([*facts[:39], newer[0], last], [*facts[39:], newer[1]])  # type: ignore[list-item]
    wanted = [e for e in expected if e.event_time == last.event_time]
    assert [differences(a, b) for a, b in zip(piece.records()[seen:], wanted, strict=True)] == [[]] * 8


@pytest.mark.parametrize(
    "late",
    [
        bar(BEGIN + 5 * FIVE, revision=2, change=0.09),
        mood(BEGIN + 6 * FIVE, 2, 3, 0.7),
        mood(BEGIN + 6 * FIVE - MINUTE, 0, 5, -0.9),
        bar(BEGIN + 20 * FIVE + MINUTE, change=-0.07),
    ],
    ids=["bar revised", "mood revised", "mood added", "bar added"],
)
def test_a_window_that_is_carried_along_sees_each_late_fact(late: Fact) -> None:
    """After bars were correlated one by one, a single late fact in the window counts from the next bar on."""
    bars = [bar(BEGIN + i * FIVE, change=i % 3 / 100) for i in range(1, 42)]
    moods = [mood(BEGIN + i * FIVE, 0, 1, i % 4 / 10) for i in range(1, 42)]
    piece = Run(fold())
    for i in range(39):
        piece.feed([("fact", moods[i]), ("fact", bars[i]), ("advance", bars[i].event_time)])
    piece.feed([("fact", late), *(("fact", f) for f in (moods[39], bars[39], moods[40], bars[40])), ("flush", None)])
    expected = correlations(
        [*bars, *([late] if isinstance(late, Bar) else [])], [*moods, *([late] if isinstance(late, Sentiment) else [])]
    )
    wanted = [e for e in expected if e.event_time > bars[38].event_time]
    got = [r for r in piece.records() if r.event_time > bars[38].event_time]
    assert [differences(a, b) for a, b in zip(got, wanted, strict=True)] == [[]] * 16


def test_a_bar_that_comes_late_takes_its_share_of_the_moods() -> None:
    """A bar that is put between two others divides the stretch of the later one; before the first, it begins anew."""
    moods = [mood(BEGIN + i * MINUTE, 0, 1, i / 100) for i in range(1, 61)]
    bars = [bar(BEGIN + i * FIVE, change=i * i % 11 / 100) for i in range(1, 13)]
    history: list[Arrival] = [("fact", f) for f in [*moods, *bars[1:5], *bars[6:-1]]]
    history += [
        ("advance", BEGIN + 55 * MINUTE),
        ("fact", bars[5]),
        ("fact", bars[0]),
        ("advance", BEGIN + 56 * MINUTE),
    ]
    piece = Run(fold()).feed([*history, ("fact", bars[-1])]).reborn(fold()).feed([("flush", None)])
    expected = [e for e in correlations(bars, moods) if e.event_time == bars[-1].event_time]
    assert [differences(a, b) for a, b in zip(piece.records(), expected, strict=True)] == [[]] * 8


def test_what_is_too_old_is_left_out() -> None:
    """A new bar more than two hours behind the watermark, and a mood more than 28, change nothing."""
    facts: list[Fact] = [bar(BEGIN + i * FIVE, change=i % 3 / 100) for i in range(1, 400)]
    base = Run(fold()).feed([*(("fact", f) for f in facts), ("advance", BEGIN + 399 * FIVE)])
    watermark = base.watermark or 0
    base.feed([("fact", bar(watermark - 2 * HOUR - 1)), ("fact", mood(watermark - 28 * HOUR)), ("flush", None)])
    assert base.records() == []


def test_known_time_is_the_last_thing_known() -> None:
    """known_time is the greatest over the bars and moods inside the window."""
    facts: list[Fact] = [bar(BEGIN + FIVE, delay=SECOND), mood(BEGIN + 7 * MINUTE, delay=HOUR), bar(BEGIN + 2 * FIVE)]
    assert {r.known_time for r in run(*facts)} == {BEGIN + 7 * MINUTE + HOUR}
    assert {r.known_time for r in run(mood(BEGIN + MINUTE), *facts[:1])} == {BEGIN + FIVE + SECOND}


@pytest.mark.parametrize("interval", [300, 3600, 86400])
def test_only_minutes_of_mood_are_used(interval: int) -> None:
    """Moods of longer buckets are read over."""
    long = Sentiment(symbol="GME", interval=interval, start=BEGIN, event_time=BEGIN + FIVE, mentions=9, score=1.0)
    assert run(long, bar(BEGIN + FIVE), bar(BEGIN + 2 * FIVE)) == []
