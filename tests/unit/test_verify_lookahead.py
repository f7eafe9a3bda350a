"""Look-ahead: what the stages make is free of it, and a figure that says more than was known is named."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, replace
from typing import Any

import pytest

from infra.clock import to_datetime
from moodtape.verify.account import Edge
from moodtape.verify.figures import figure_of
from moodtape.verify.matching import Hindsight
from moodtape.verify.reading import Fact
from moodtape.verify.tables import TABLES
from schemas.codec import codec_for
from schemas.topics import BARS, CORRELATIONS, MENTIONS, QUOTES, SENTIMENT, TOPICS
from tests.contracts.samples import SAMPLES
from tests.helpers.verified import PARTITIONS, lived, stages_of, verdict
from tests.helpers.world import World, run_plainly

FIGURES = (BARS, SENTIMENT, CORRELATIONS)
INPUT = {BARS: QUOTES, SENTIMENT: MENTIONS}


@pytest.fixture(scope="module")
def worlds() -> list[World]:
    """What the stages make of some random logs of late, corrected and deleted facts."""
    return [lived(seed, returns=False) for seed in (20, 21)]


def look(world: World, output: str, tamper: Callable[[list[Fact]], list[Fact]] = lambda log: log) -> Edge:
    """What the check says of an output after each partition of it was tampered with."""
    return verdict(world, output, tamper=tamper, matching=Hindsight)


@pytest.mark.parametrize("output", FIGURES)
def test_the_stages_do_not_look_ahead(worlds: Sequence[World], output: str) -> None:
    """Nothing is named in what the stages wrote, nor where a figure is missing or says that it was known later."""
    for world in worlds:
        for tamper in (lambda log: log, lambda log: log[:-1], known_later):
            edge = look(world, output, tamper)
            assert (edge.ok, edge.unjudged) == (True, 0), edge.problems
            assert edge.facts_out > 50


def known_later(log: list[Fact]) -> list[Fact]:
    """All figures say that they were known a second later."""
    return [fact._replace(record=replace(fact.record, known_time=fact.record.known_time + 1_000_000)) for fact in log]


@pytest.mark.parametrize("output", FIGURES)
def test_a_figure_known_too_early_is_named(worlds: Sequence[World], output: str) -> None:
    """One microsecond before the last fact that a figure is made of is too early."""

    def earlier(log: list[Fact]) -> list[Fact]:
        record = log[-1].record
        return [*log[:-1], log[-1]._replace(record=replace(record, known_time=record.known_time - 1))]

    edge = look(worlds[0], output, earlier)
    assert (edge.altered, edge.extra) == (PARTITIONS, 0)
    assert all(problem.endswith("known_time") for problem in edge.problems)


def peeks(log: list[Fact]) -> Iterator[tuple[int, Any]]:
    """Each figure that was revised, as if it had said at once what its revision says."""
    later = {key_of(fact.record): fact.record for fact in log if fact.record.revision}
    for place, fact in enumerate(log):
        revised = later.get(key_of(fact.record))
        if revised is not None and not fact.record.revision and figures_of(revised) != figures_of(fact.record):
            yield place, replace(revised, revision=0, known_time=fact.record.known_time)


def key_of(record: Any) -> tuple[Any, ...]:
    """Which figure it is a revision of."""
    return record.symbol, record.interval, record.event_time


def figures_of(record: Any) -> Any:
    """Its figures alone."""
    return replace(record, revision=0, known_time=0, **({"indicators": None} if hasattr(record, "indicators") else {}))


@pytest.mark.parametrize("output", [BARS, SENTIMENT])
def test_a_figure_that_holds_a_later_fact_is_named(worlds: Sequence[World], output: str) -> None:
    """A first revision that already says what only a later fact made of it has looked ahead."""
    planted = []

    def peek(log: list[Fact]) -> list[Fact]:
        for place, record in list(peeks(log))[:1]:
            log[place] = log[place]._replace(record=record)
            planted.append(record)
        return log

    edge = look(worlds[0], output, peek)
    assert planted
    for record in planted:
        assert any(f" {record.symbol} " in p and " revision 0: " in p for p in edge.problems), edge.problems


def test_a_correlation_of_the_bar_after_is_named(worlds: Sequence[World]) -> None:
    """A correlation with the numbers of the next bar's has looked ahead."""

    def peek(log: list[Fact]) -> list[Fact]:
        told = [(place, fact.record) for place, fact in enumerate(log) if fact.record.r is not None]
        for place, record in told:
            kin = [r for _, r in told if replace(r, **figure_fields(record)) == record and r.n > record.n]
            if kin:
                told_later = replace(kin[0], event_time=record.event_time, known_time=record.known_time)
                log[place] = log[place]._replace(record=told_later)
                return log
        raise AssertionError("no such pair")

    assert look(worlds[0], CORRELATIONS, peek).altered == PARTITIONS


def figure_fields(record: Any) -> dict[str, Any]:
    """All but what says which series it is of."""
    series = ("symbol", "interval", "window", "pair", "method")
    return {field.name: getattr(record, field.name) for field in fields(record) if field.name not in series}


@pytest.mark.parametrize("output", [BARS, SENTIMENT])
def test_figures_follow_from_what_was_known(worlds: Sequence[World], output: str) -> None:
    """A stage that is given only the facts first seen by a figure's known_time makes that figure, bit by bit."""
    world = worlds[1]
    records = [fact for partition in range(PARTITIONS) for fact in decoded(world, output, partition)]
    hindmost = sorted(records, key=lambda r: r.known_time - r.event_time)[-6:]
    for figure in hindmost:
        made = known_by(world, output, figure.known_time)
        assert any(replace(one, revision=figure.revision) == figure for one in made), figure


def decoded(world: World, topic: str, partition: int) -> list[Any]:
    """The facts of a log."""
    return [codec_for(topic).decode(entry.value) for entry in world.logs[topic, partition] if entry.value is not None]


def known_by(world: World, output: str, moment: int) -> list[Any]:
    """What a stage makes of the facts first seen by a moment, and of all clocks."""
    topic, less = INPUT[output], World()
    for partition in range(PARTITIONS):
        for entry in world.logs[topic, partition]:
            if entry.value is None or codec_for(topic).decode(entry.value).ingest_time <= moment:
                less.append(topic, partition, entry.key, entry.value, entry.headers)
    run_plainly(less, [stage for stage in stages_of() if topic in stage.inputs])
    return [record for partition in range(PARTITIONS) for record in decoded(less, output, partition)]


@pytest.mark.parametrize("output", FIGURES)
def test_a_row_is_its_record_again(output: str) -> None:
    """What is read back from a row equals what was stored in it."""
    table = next(table for table in TABLES if table.topic == output)
    for record in SAMPLES[output]:
        row = {
            name: list(value) if isinstance(value, tuple) else value for name, value in table.columns(record).items()
        }
        for name in ("event_time", "known_time", "start"):
            if name in row:
                row[name] = to_datetime(row[name])
        assert figure_of(TOPICS[output].record, row) == record
