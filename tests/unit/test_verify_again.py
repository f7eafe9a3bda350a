"""Bars, moods and correlations told again: what the stages really wrote is accepted, whatever else is found out."""

import random
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from datetime import datetime
from typing import Any

import pytest

from moodtape.verify.account import Edge
from moodtape.verify.bar_figures import price_of, tell
from moodtape.verify.bars_again import BarsAgain
from moodtape.verify.buckets import Bucket, Calendar
from moodtape.verify.mood_figures import tell as tell_mood
from moodtape.verify.mood_figures import tell_buzz
from moodtape.verify.reading import Fact, Heard
from moodtape.verify.window_statistics import tell as tell_windows
from schemas.clocks import Clock
from schemas.records import Bar, Indicators, Mention, RawQuote, SourceBar
from schemas.topics import BARS, CORRELATIONS, QUOTES, SENTIMENT
from tests.helpers import mood_oracle
from tests.helpers.verified import PARTITIONS, WHOLE, ZONE, lived, verdict
from tests.helpers.world import World
from tests.unit.test_verify import MINUTE, T0, facts, quote, raw

SEEDS = 6


@pytest.fixture(scope="module")
def worlds() -> list[World]:
    """What the stages make of some random logs, with crashes and in any order of work."""
    return [lived(seed, returns=False) for seed in range(SEEDS)]


@pytest.mark.parametrize("output", [BARS, SENTIMENT, CORRELATIONS])
def test_what_the_stages_wrote_adds_up(worlds: Sequence[World], output: str) -> None:
    """Late, corrected, deleted, moved facts, blind sources, crashes: each revision of each figure is told again."""
    for seed, world in enumerate(worlds):
        edge = verdict(world, output, parts=seed % 3 + 1)
        assert edge.ok, (seed, edge.problems)
        assert (edge.unjudged, edge.facts_in) == (0, edge.facts_out)
        assert edge.facts_out > 0


@pytest.mark.parametrize("output", [BARS, SENTIMENT, CORRELATIONS])
def test_sources_that_come_back_change_nothing(output: str) -> None:
    """Where origins are idle or at their end and come back, what was made of that time is still told again."""
    for seed in range(SEEDS):
        edge = verdict(lived(seed, returns=True), output)
        assert edge.ok, (seed, edge.problems)


Tamper = Callable[[random.Random, list[Fact]], list[Fact]]


def lose(rng: random.Random, log: list[Fact]) -> list[Fact]:
    """One figure is gone."""
    at = rng.randrange(len(log))
    return log[:at] + log[at + 1 :]


def double(rng: random.Random, log: list[Fact]) -> list[Fact]:
    """One figure stands twice."""
    at = rng.randrange(len(log))
    return [*log[: at + 1], *log[at:]]


def forge(rng: random.Random, log: list[Fact]) -> list[Fact]:
    """A further revision at the end."""
    record = rng.choice(log).record
    highest = max(f.record.revision for f in log if same_figure(f.record, record))
    return [*log, log[0]._replace(record=replace(record, revision=highest + 1))]


def same_figure(one: Any, other: Any) -> bool:
    """Whether two figures differ by their revision alone."""
    names = ("symbol", "interval", "window", "event_time", "pair", "method")
    return all(getattr(one, name, 0) == getattr(other, name, 0) for name in names)


@pytest.mark.parametrize(("tamper", "trouble"), [(lose, "missing"), (double, "extra"), (forge, "extra")])
@pytest.mark.parametrize("output", [BARS, SENTIMENT, CORRELATIONS])
def test_a_figure_too_few_or_too_many_is_found(
    worlds: Sequence[World], output: str, tamper: Tamper, trouble: str
) -> None:
    """One figure lost, doubled or forged in each partition: exactly that is counted."""
    rng = random.Random(1)
    for world in worlds[:2]:
        edge = verdict(world, output, tamper=lambda log: tamper(rng, log))
        counts = {name: getattr(edge, name) for name in ("missing", "extra")}
        assert counts == {"missing": 0, "extra": 0, trouble: PARTITIONS}, edge.problems


@pytest.mark.parametrize("name", ["pair", "method"])
def test_a_correlation_of_an_unknown_kind_is_one_too_many(worlds: Sequence[World], name: str) -> None:
    """A kind that a later schema may have is none of ours: it is told, and the one whose place it has is missing."""

    def alter(log: list[Fact]) -> list[Fact]:
        return [log[0]._replace(record=replace(log[0].record, **{name: "UNKNOWN"})), *log[1:]]

    edge = verdict(worlds[0], CORRELATIONS, tamper=alter)
    assert (edge.extra, edge.missing, edge.altered) == (PARTITIONS, PARTITIONS, 0), edge.problems


UNSEEN = {"symbol", "interval", "start", "window", "pair", "method", "revision", "indicators", "method_version"}


@pytest.mark.parametrize("output", [BARS, SENTIMENT, CORRELATIONS])
def test_each_field_of_a_figure_is_told_again(worlds: Sequence[World], output: str) -> None:
    """Whatever field of whatever figure has another value, it is altered and the field is named."""
    rng, kind = random.Random(2), type(verdict_records(worlds[0], output)[0])
    for field in sorted({f.name for f in fields(kind)} - UNSEEN):
        marked: list[Any] = []

        def alter(log: list[Fact], field: str = field, marked: list[Any] = marked) -> list[Fact]:
            if marked:
                return log
            at = rng.randrange(len(log))
            marked.append(replace(log[at].record, **{field: other(getattr(log[at].record, field))}))
            return [*log[:at], log[at]._replace(record=marked[0]), *log[at + 1 :]]

        edge = verdict(worlds[0], output, tamper=alter)
        assert edge.altered or (field == "event_time" and edge.extra and edge.missing), (field, marked)
        assert any(field in problem or field == "event_time" for problem in edge.problems), edge.problems


def verdict_records(world: World, output: str) -> list[Any]:
    """The figures of an output topic."""
    found: list[Any] = []
    verdict(world, output, tamper=lambda log: found.extend(fact.record for fact in log) or log)
    return found


def other(value: Any) -> Any:
    """Another value of about the same kind."""
    if isinstance(value, int | float):
        return value + (1e-6 if isinstance(value, float) else 1)
    if isinstance(value, str):
        return "OK" if value != "OK" else "INSUFFICIENT"
    if isinstance(value, tuple):
        return (*value, 1)
    return {**value, "z": 1} if isinstance(value, dict) else 1


def test_each_indicator_is_told_again(worlds: Sequence[World]) -> None:
    """Whatever indicator of a bar has another value, it is altered and named."""
    for name in (field.name for field in fields(Indicators)):

        def alter(log: list[Fact], name: str = name) -> list[Fact]:
            able = [at for at, f in enumerate(log) if getattr(f.record.indicators, name) is not None]
            for at in able[-1:]:
                indicators = log[at].record.indicators
                wrong = replace(indicators, **{name: getattr(indicators, name) + 1e-3})
                log[at] = log[at]._replace(record=replace(log[at].record, indicators=wrong))
            return log

        edge = verdict(worlds[0], BARS, tamper=alter)
        assert all(problem.endswith(f": {name}") for problem in edge.problems)
        assert edge.altered or not any(getattr(b.indicators, name) for b in verdict_records(worlds[0], BARS)), name


def test_windows_are_those_of_the_plain_formulas() -> None:
    """Many windows at once give what one after the other gives by the plainest code: holes, constants, short ones."""
    import numpy as np

    rng = np.random.default_rng(3)
    for case in range(14):
        length, reach = (60, 12) if case % 2 else (390, 30)
        x, y = rng.normal(size=(3, length)), rng.normal(size=(3, length))
        for at in range(1, length):
            x[:, at] += 0.8 * x[:, at - 1]
            y[:, at] += 0.5 * y[:, at - 1]
        x[rng.random(x.shape) < (0.9 if case % 3 == 0 else 0.0)] = np.nan
        y[rng.random(y.shape) < (0.1 if case % 5 == 0 else 0.0)] = np.nan
        x[0] = 1.1 if case % 7 == 0 else np.round(x[0])
        x[1, : length // 2] = y[1, : length // 2] = np.nan
        for i, both in enumerate(tell_windows(x, y, reach)):
            for told, method in zip(both, ("PEARSON", "SPEARMAN"), strict=True):
                plain = mood_oracle.finding(x[i], y[i], reach, method)
                names = set(plain) - ({"lags", "r_by_lag", "best_lag", "p_best"} if method == "SPEARMAN" else set())
                wrong = [name for name in names if not mood_oracle._same(getattr(told, name), plain[name], 1e-9)]
                assert not wrong, (case, i, method)


def test_moods_of_many_mentions_are_those_of_the_plain_formulas() -> None:
    """Copies among thousands of fingerprints, in blocks, are those found one by one."""
    rng = random.Random(5)
    bases = [rng.getrandbits(63) for _ in range(40)]
    mentions = [
        Mention(
            symbol="TSLA", source="x", post_id=str(n), event_time=T0 + rng.randrange(MINUTE), words=("moon",) * (n % 3),
            fingerprint=None if n % 50 == 0 else rng.choice(bases) ^ 1 << rng.randrange(60) ^ 1 << rng.randrange(60),
        )
        for n in range(2500)
    ]  # fmt: skip
    told = tell_mood(mentions)
    (plain,) = mood_oracle.moods(mentions, intervals=[86_400])
    assert (told.mentions, told.duplicates, told.authors) == (plain.mentions, plain.duplicates, plain.authors)


def test_buzz_against_thirty_equal_buckets_is_unknown() -> None:
    """Where the 30 buckets before hold the same number, whatever it is, nothing can be said."""
    assert [tell_buzz(5, [count] * 30) for count in (0, 1, 2, 3, 100)] == [None] * 5
    assert tell_buzz(5, [0] * 29 + [1]) is not None


def judge_bars(entries: Sequence[Any], bars: Sequence[Bar], after: Sequence[Any] = (), low: int = 0) -> Edge:
    """The edge between quotes and bars; what comes ``after`` the stage may have read or not."""
    edge = Edge("quotes.v1 -> bars.v1")
    judge = BarsAgain(edge, 0, Calendar(ZONE), ("yahoo", "simulator"), {**WHOLE, QUOTES: low, BARS: 1})
    for entry in log(entries):
        judge.take(QUOTES, entry, True)
    for fact in facts(bars):
        judge.find(fact, 1)
    for entry in log(after):
        judge.take(QUOTES, entry, False)
    judge.settle(1, True)
    return edge


def log(entries: Sequence[Any]) -> list[Fact | Heard]:
    """Quotes and clocks as they lie in a log."""
    return [Heard(i, e) if isinstance(e, Clock) else Fact(i, e, b"", b"", []) for i, e in enumerate(entries)]


def told(fact: RawQuote, interval: int, **more: Any) -> Bar:
    """The bar of a bucket with one tick in it."""
    start, end = Calendar(ZONE).bucket(fact.event_time, interval)
    p = fact.price
    values: dict[str, Any] = {"open": p, "high": p, "low": p, "close": p, "trades": 1, "source": fact.source}
    return Bar(symbol=fact.symbol, interval=interval, start=start, event_time=end, known_time=end, **{**values, **more})


def clock(moment: int) -> Clock:
    """A clock ``moment`` microseconds after T0."""
    return Clock(kind="time", origin="raw.quotes.v1/0", time=T0 + moment)


TICK = raw(1, 5.0)
BAR_QUOTE = raw(0, bar=SourceBar(interval=60, open=1, high=2, low=0.5, volume=3))


def test_a_closed_bucket_needs_its_bar() -> None:
    """A bucket whose end the clock has reached has a bar; an open one must not."""
    closed = [quote(TICK), clock(MINUTE)]
    assert judge_bars(closed, [told(TICK, 60)]).ok
    assert judge_bars(closed, []).missing == 1
    assert judge_bars([quote(TICK), clock(MINUTE - 1)], [told(TICK, 60)]).extra == 1
    assert judge_bars([quote(TICK), clock(MINUTE - 1)], []).ok


def test_an_end_closes_everything() -> None:
    """After the last origin's end all four intervals have their bar."""
    ended = [quote(TICK), clock(10), Clock(kind="end", origin="raw.quotes.v1/0")]
    assert judge_bars(ended, [told(TICK, interval) for interval in (60, 300, 3600, 86_400)]).ok
    assert judge_bars(ended, [told(TICK, interval) for interval in (60, 300, 3600)]).missing == 1


@pytest.mark.parametrize(
    "name", ["open", "high", "low", "close", "volume", "vwap", "trades", "known_time", "source", "event_time"]
)
def test_every_value_of_a_bar_is_told_again(name: str) -> None:
    """Any wrong value of a bar is altered and named."""
    bar = told(TICK, 60)
    wrong = {"vwap": 5.0, "source": "x"}[name] if name in ("vwap", "source") else getattr(bar, name) + 1
    edge = judge_bars([quote(TICK), clock(MINUTE)], [replace(bar, **{name: wrong})])
    assert not edge.ok
    assert name == "event_time" or edge.problems[0].endswith(f": {name}")


def test_bars_from_nowhere_and_gaps_in_revisions_are_caught() -> None:
    """A bar without quotes is too much; revisions count 0, 1, 2."""
    assert judge_bars([clock(MINUTE)], [told(TICK, 60)]).extra == 1
    skipped = judge_bars([quote(TICK), clock(MINUTE)], [told(TICK, 60, revision=1)])
    assert (skipped.missing, skipped.extra) == (1, 1)


def test_what_came_meanwhile_is_not_judged() -> None:
    """What follows from what came after the account began may be there or not."""
    late = [quote(raw(2, 9.0)), clock(MINUTE + 1)]
    second = told(TICK, 60, revision=1, high=9.0, close=9.0, trades=2)
    assert judge_bars([quote(TICK), clock(MINUTE)], [told(TICK, 60)], late).ok
    assert judge_bars([quote(TICK), clock(MINUTE)], [told(TICK, 60), second], late).ok
    assert judge_bars([quote(TICK), clock(MINUTE)], [told(TICK, 60), second], late[:1]).extra == 1
    assert judge_bars([quote(TICK)], [told(TICK, 60)], [clock(MINUTE)]).ok
    assert judge_bars([quote(TICK)], [], [clock(MINUTE)]).ok


def test_bars_whose_quotes_are_gone_are_not_judged() -> None:
    """When the log no longer begins at its beginning, the first two days left are not judged."""
    assert judge_bars([clock(0), clock(MINUTE)], [told(TICK, 60)], low=9).ok


def test_late_quotes_are_in_no_bar() -> None:
    """A quote flagged late is not folded."""
    assert judge_bars([quote(TICK), quote(raw(2, 9.0), flags=("late",)), clock(MINUTE)], [told(TICK, 60)]).ok


def test_a_bar_is_made_of_the_preferred_series_only() -> None:
    """The preferred source wins, then the finest granularity; others are left out."""
    coarse = replace(BAR_QUOTE, source="yahoo", event_time=T0 + MINUTE)
    fine = replace(raw(5, 8.0, volume=2.0), source="yahoo")
    other = raw(3, 99.0)
    prices = [price_of(quote(fact)) for fact in (coarse, fine, other)]
    bucket = Bucket("AMC", 60, T0, T0 + MINUTE)
    bar = tell(prices, bucket, ("yahoo", "simulator"))
    assert bar is not None
    assert (bar.open, bar.close, bar.volume, bar.vwap, bar.source) == (8.0, 8.0, 2.0, 8.0, "yahoo")
    assert tell(prices[:1], bucket, ("yahoo",)).vwap is None  # type: ignore[union-attr]
    assert tell([price_of(quote(replace(coarse, bar=SourceBar(interval=300))))], bucket, ()) is None


@pytest.mark.parametrize(("day", "hours"), [("2024-03-10", 23), ("2024-11-03", 25), ("2024-06-03", 24)])
def test_days_are_those_of_the_zone(day: str, hours: int) -> None:
    """A day runs from midnight to midnight of New York, and a fact at midnight belongs to the day that it ends."""
    noon = int(datetime.fromisoformat(f"{day}T12:00:00-05:00").timestamp()) * 1_000_000
    start, end = Calendar(ZONE).bucket(noon, 86_400)
    assert end - start == hours * 3_600_000_000
    assert Calendar(ZONE).bucket(end, 86_400) == (start, end)
    assert Calendar(ZONE).bucket(end + 1, 86_400)[0] == end
