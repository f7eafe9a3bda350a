"""The simulator: reproducible, resumable, and with the relation that its ledger says."""

import json
from math import inf, nan
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.errors import UserError
from infra.instruments import InstrumentTable, shipped_instruments
from producers.simulated_market import BLOCK, Market
from producers.simulator import SimulatorOptions, SimulatorSource, planted
from producers.source import End, Fact, Mark
from schemas.records import RawPost, RawQuote
from streams.matching import Matcher
from streams.scoring.lexicon import LexiconScorer
from streams.scoring.light import LightScorer
from streams.scoring.scorer import Scorer

HOUR = 1 / 24


def simulated(position: str | None = None, **options: object) -> list[object]:
    """All events of a short simulation at full speed."""
    given_options = {"days": HOUR, "speed": None, "symbols": 3, **options}
    return list(SimulatorSource(SimulatorOptions(**given_options)).events(position))  # type: ignore[arg-type]


def records(events: list[object]) -> list[RawQuote | RawPost]:
    """The facts among events."""
    return [event.record for event in events if isinstance(event, Fact)]


def test_the_same_seed_gives_the_same_facts() -> None:
    """Two runs with one seed are equal in every field; another seed gives others."""
    assert records(simulated()) == records(simulated())
    assert records(simulated()) != records(simulated(seed=2))


def test_facts_come_in_order_and_end() -> None:
    """Event times never fall, each is its own ingest time, and the last event is the end."""
    events = simulated()
    times = [record.event_time for record in records(events)]
    assert times == sorted(times)
    assert all(record.ingest_time == record.event_time for record in records(events))
    assert isinstance(events[-1], End)


def test_from_every_mark_on_the_rest_is_the_same() -> None:
    """Begun again at a mark's position it gives exactly the facts that would have followed."""
    events = simulated(days=0.2)
    marks = [(place, event) for place, event in enumerate(events) if isinstance(event, Mark)]
    assert len(marks) > 2
    for place, mark in marks:
        assert records(simulated(mark.position, days=0.2)) == records(events[place:])


def test_keys_are_never_used_twice() -> None:
    """No two quotes share (symbol, event time, sequence) and no two posts an id."""
    facts = records(simulated(days=0.5))
    quotes = [(q.symbol, q.event_time, q.sequence) for q in facts if isinstance(q, RawQuote)]
    posts = [p.post_id for p in facts if isinstance(p, RawPost)]
    assert len(set(quotes)) == len(quotes)
    assert len(set(posts)) == len(posts)


def test_prices_are_inside_their_spread_and_positive() -> None:
    """Every quote has a positive size and bid < price < ask."""
    for fact in records(simulated(days=0.2)):
        if isinstance(fact, RawQuote):
            assert 0 < (fact.bid or 0) < fact.price < (fact.ask or 0)
            assert (fact.volume or 0) > 0


def test_a_block_carries_its_return_to_its_last_tick() -> None:
    """The last price of a block over the last of the block before is the return that was drawn for it."""
    market = Market(5, planted(8), 20)
    before, after = market.next(), market.next()
    assert np.allclose(np.log(after.prices[:, -1] / before.prices[:, -1]), after.returns)
    assert (after.offsets > 0).all()
    assert (after.offsets <= BLOCK).all()
    assert (np.diff(after.offsets, axis=1) > 0).all()


def test_volatility_comes_in_clusters_with_a_common_factor() -> None:
    """Squared returns are autocorrelated, returns are not; returns of two unrelated symbols move together."""
    market = Market(3, planted(11), 1)
    returns = np.array([market.next().returns for _ in range(4000)])
    control = returns[:, -1]
    clustered = np.corrcoef(control[1:] ** 2, control[:-1] ** 2)[0, 1]
    plain = np.corrcoef(control[1:], control[:-1])[0, 1]
    assert clustered > 0.04 > abs(plain)
    assert 0.1 < np.corrcoef(control, returns[:, 7])[0, 1] < 0.25


@pytest.mark.parametrize(("seed", "scorer"), [(1, LexiconScorer()), (1, LightScorer()), (2, LightScorer())])
def test_the_planted_relation_is_found_by_a_plain_count(seed: int, scorer: Scorer) -> None:
    """Over two days of 300 s bars the mean mood by either scorer leads or lags the return as planted; the control not.

    The window is the last 390 bars; r at the planted lag is the largest of all 61 lags and beyond 0.35.
    """
    source = SimulatorSource(SimulatorOptions(days=2.0, speed=None, seed=seed))
    bars = 2 * 288
    closes = {plant.symbol: np.full(bars, np.nan) for plant in source.plants}
    sums = {plant.symbol: np.zeros(bars) for plant in source.plants}
    counts = {plant.symbol: np.zeros(bars) for plant in source.plants}
    matcher = Matcher(InstrumentTable(shipped_instruments()))
    for fact in records(list(source.events(None))):
        bar = -(-(fact.event_time - source.options.start) // BLOCK) - 1
        if isinstance(fact, RawQuote):
            closes[fact.symbol][bar] = fact.price
            continue
        for mention in matcher.find(fact.text, fact.symbols):
            if mention.symbol in sums:
                sums[mention.symbol][bar] += scorer.score(fact.text).score
                counts[mention.symbol][bar] += 1
    for plant in source.plants:
        returns = np.diff(np.log(closes[plant.symbol]))[-390:]
        with np.errstate(invalid="ignore"):
            moods = (sums[plant.symbol] / counts[plant.symbol])[-390:]
        by_lag = {lag: correlation(moods, returns, lag) for lag in range(-30, 31)}
        best = max(by_lag, key=lambda lag: abs(by_lag[lag]))
        if plant.strength:
            assert best == plant.lag
            assert by_lag[best] > 0.35
        else:
            assert abs(by_lag[best]) < 0.25


def correlation(moods: np.ndarray, returns: np.ndarray, lag: int) -> float:
    """Pearson's r of moods[i] with returns[i + lag], bars without mentions left out."""
    x, y = (moods[: len(moods) - lag], returns[lag:]) if lag >= 0 else (moods[-lag:], returns[:lag])
    there = ~np.isnan(x) & ~np.isnan(y)
    return float(np.corrcoef(x[there], y[there])[0, 1])


def test_nights_are_quiet_and_there_is_chatter_and_reposts() -> None:
    """Fewer posts between 03:00 and 07:00 UTC; some posts name nothing, some repeat another."""
    posts = [fact for fact in records(simulated(days=1.0)) if isinstance(fact, RawPost)]
    hours = [post.event_time // 3_600_000_000 % 24 for post in posts]
    night, day = sum(3 <= hour < 7 for hour in hours) / 4, sum(hour >= 7 for hour in hours) / 17
    assert night < day / 2
    matcher = Matcher(InstrumentTable(shipped_instruments()))
    assert any(not matcher.find(post.text, post.symbols) for post in posts)
    by_id = {post.post_id: post for post in posts}
    reposts = [post for post in posts if post.repost_of]
    assert reposts
    assert all(by_id[post.repost_of or ""].event_time <= post.event_time for post in reposts)


def test_ten_thousand_symbols_are_ten_thousand() -> None:
    """Every symbol is its own; a block of all of them comes in order."""
    symbols = [plant.symbol for plant in planted(10_000)]
    assert len(set(symbols)) == 10_000
    options = SimulatorOptions(symbols=10_000, days=1 / 288, speed=None, tick_seconds=300, posts_per_hour=1.0)
    quotes = [fact for fact in records(list(SimulatorSource(options).events(None))) if isinstance(fact, RawQuote)]
    assert {quote.symbol for quote in quotes} == set(symbols)


def test_the_ledger_says_what_was_planted(tmp_path: Path) -> None:
    """The ledger names every symbol with its lag and strength."""
    source = SimulatorSource(SimulatorOptions())
    ledger = json.loads(source.write_ledger(tmp_path / "new").read_text())
    assert ledger["bar_seconds"] == 300
    assert {s["symbol"]: s["lag"] for s in ledger["symbols"]} == {p.symbol: p.lag for p in source.plants}


@pytest.mark.parametrize(
    "options",
    [{"symbols": 0}, {"symbols": 10_001}, {"seed": -1}, {"days": 0.0}, {"speed": None}, {"start": 1}]
    + [{name: days} for name in ("days", "preload_days") for days in (nan, inf, -1.0, 1e300)],
)
def test_options_without_sense_are_refused(options: dict[str, object]) -> None:
    """The message names the option."""
    with pytest.raises(UserError, match="--"):
        SimulatorSource(SimulatorOptions(**options))  # type: ignore[arg-type]


def test_a_simulation_with_other_options_does_not_go_on() -> None:
    """A position of one seed is refused under another."""
    end = simulated()[-1]
    assert isinstance(end, End)
    with pytest.raises(UserError, match="other options"):
        simulated(end.position, seed=2)


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 50), st.integers(0, 2**63 - 1))
def test_skipping_blocks_changes_nothing(skipped: int, seed: int) -> None:
    """A market that skipped so many blocks goes on as one that made them."""
    one, other = Market(seed, planted(4), 3), Market(seed, planted(4), 3)
    one.skip(skipped)
    for _ in range(skipped):
        other.next()
    assert (one.next().prices == other.next().prices).all()
