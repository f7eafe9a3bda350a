"""Watching and looking back: stages accounted for while they work, and what was known at a moment."""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from moodtape.verify.account import Edge
from moodtape.verify.letters import NONE, SINK_GROUP, Tries
from moodtape.verify.matching import FOREVER, Matching
from moodtape.verify.reading import Fact, Heard, Span
from moodtape.verify.rows import Comparison
from moodtape.verify.stage_edges import StageEdge
from schemas.codec import codec_for
from schemas.topics import BARS, CORRELATIONS, QUOTES, SENTIMENT
from tests.helpers.verified import INPUTS, PARTITIONS, entries, judge_of, lived, stages_of, verdict, world_of
from tests.helpers.world import Worker, World
from tests.unit.test_verify import TABLE, quote, raw, row
from tests.unit.test_verify import facts as log_of

FIGURES = (BARS, SENTIMENT, CORRELATIONS)
GROUPS = {BARS: "moodtape.bars", SENTIMENT: "moodtape.moods", CORRELATIONS: "moodtape.correlations"}


class WorldReader:
    """Reads the logs of a world as one reads topics: what is committed, up to any offset."""

    def __init__(self, world: World) -> None:
        self._world = world

    def spans(self, topic: str) -> list[Span]:
        """What each partition holds now; there are no dead letters."""
        if topic.endswith(".dlq"):
            return []
        return [Span(topic, number, 0, len(self._world.logs[topic, number])) for number in range(PARTITIONS)]

    def facts(self, span: Span) -> Iterator[Fact | Heard]:
        """The records of a span."""
        yield from entries(self._world.logs[span.topic, span.partition][span.low : span.high], span.topic)

    def committed(self, group: str, spans: Sequence[Span]) -> dict[int, int]:
        """How far a stage has come."""
        stage = group.removeprefix("moodtape.")
        return {span.partition: self._world.offsets[stage, span.topic, span.partition] for span in spans}


def edge_of(world: World, output: str) -> StageEdge:
    """The edge of an output, which may be gone on with."""
    reader: Any = WorldReader(world)
    return StageEdge(reader, INPUTS[output], output, GROUPS[output], lambda edge, n, _: judge_of(output, edge, n))


def worked(seed: int, watch: Callable[[World], None]) -> World:
    """A world in which stages work by turns, and which is looked at now and then."""
    rng, world = random.Random(seed), world_of(seed, 100, False)
    workers = [Worker(world, stage, rng, 17) for stage in stages_of()]
    while any(one.done or one.waiting() for one in workers):
        one = rng.choice(workers)
        one.work()
        if rng.random() < 0.5:
            one.commit()
        if rng.random() < 0.15:
            watch(world)
    watch(world)
    return world


def test_passes_over_working_stages_raise_no_alarm() -> None:
    """However far each stage is, what it says that it has done adds up; in the end everything was judged."""
    for seed in (30, 31, 32):
        edges: dict[str, StageEdge] = {}

        def watch(world: World, edges: dict[str, StageEdge] = edges) -> None:
            for output in FIGURES:
                edges.setdefault(output, edge_of(world, output)).go_on(last=False)
                assert edges[output].edge.ok, edges[output].edge.problems

        world = worked(seed, watch)
        for output in FIGURES:
            whole = verdict(world, output)
            assert (edges[output].edge.facts_in, edges[output].edge.facts_out) == (whole.facts_in, whole.facts_out)
            assert whole.facts_out > 50


@pytest.mark.parametrize("output", FIGURES)
def test_a_forged_figure_is_named_once_everything_was_read(output: str) -> None:
    """A figure that nothing gives is not blamed while the stage has still to read what may explain it, then it is."""
    world = lived(33, returns=False)
    edge, stage = edge_of(world, output), GROUPS[output].removeprefix("moodtape.")
    log, topic = world.logs[output, 0], INPUTS[output][0]
    last = codec_for(output).decode([entry for entry in log if entry.value is not None][-1].value)
    forged = codec_for(output).encode(replace(last, revision=last.revision + 1))
    world.append(output, 0, last.symbol.encode(), forged, [])
    come_to, world.offsets[stage, topic, 0] = world.offsets[stage, topic, 0], 0
    edge.go_on(last=False)
    assert edge.edge.ok, edge.edge.problems
    world.offsets[stage, topic, 0] = come_to
    edge.go_on(last=False)
    assert (edge.edge.extra, edge.edge.missing) == (1, 0), edge.edge.problems


def as_of(world: World, output: str, moment: int, tamper: Callable[[list[Fact]], list[Fact]]) -> Edge:
    """What is said of the figures known by a moment."""
    return verdict(world, output, tamper=tamper, matching=partial(Matching, until=moment))


@pytest.mark.parametrize("output", FIGURES)
def test_as_of_judges_what_was_known_then(output: str) -> None:
    """As of any moment a sound run adds up; a figure altered, lost or forged counts from its known_time on."""
    world = lived(34, returns=False)
    known = sorted({f.record.known_time for n in range(PARTITIONS) for f in facts(world, output, n)})
    middle = known[len(known) // 2]
    for moment in (known[0] - 1, known[0], middle, known[-1]):
        edge = as_of(world, output, moment, lambda log: log)
        assert edge.ok, edge.problems
        there = sum(f.record.known_time <= moment for n in range(PARTITIONS) for f in facts(world, output, n))
        assert (edge.facts_in, edge.facts_out) == (there, there)
    for tamper, trouble in ((lose, "missing"), (forge, "extra"), (alter, "altered")):
        chosen = partial(tamper, lambda record: record.known_time == middle)
        assert not getattr(as_of(world, output, middle - 1, chosen), trouble)
        assert getattr(as_of(world, output, middle, chosen), trouble)


def facts(world: World, output: str, partition: int) -> list[Fact]:
    """The figures of a partition."""
    return [fact for fact in entries(world.logs[output, partition], output) if isinstance(fact, Fact)]


def lose(which: Callable[[Any], bool], log: list[Fact]) -> list[Fact]:
    """Without the last of some figures, so that no other is made of it."""
    return [fact for fact in log if fact.offset != last_of(which, log)]


def forge(which: Callable[[Any], bool], log: list[Fact]) -> list[Fact]:
    """With a further revision of the last of some figures."""
    return log + [f._replace(record=replace(f.record, revision=99)) for f in log if f.offset == last_of(which, log)]


def alter(which: Callable[[Any], bool], log: list[Fact]) -> list[Fact]:
    """With the last of some figures known a microsecond later."""
    return [
        f._replace(record=replace(f.record, known_time=f.record.known_time + 1))
        if f.offset == last_of(which, log)
        else f
        for f in log
    ]


def last_of(which: Callable[[Any], bool], log: list[Fact]) -> int | None:
    """The offset of the last of some figures; None where there is none."""
    return max((fact.offset for fact in log if which(fact.record)), default=None)


@pytest.mark.parametrize(("moment", "judged"), [(4, 0), (5, 1), (FOREVER, 1)])
def test_rows_as_of_a_moment(moment: int, judged: int) -> None:
    """A row that is missing, altered or of no record counts from the moment on at which the record was known."""
    one = quote(raw(0, ingest=5))
    for rows, trouble in (
        ([], "missing"),
        ([row(0, replace(one, price=9.0))], "altered"),
        ([row(0, one), row(3, one)], "extra"),
        ([row(0, replace(one, ingest_time=6))], "altered"),
    ):
        edge = Edge("quotes.v1 -> quote")
        Comparison(edge, TABLE, until=moment).walk(0, log_of([one]), rows, Tries(QUOTES, 0, SINK_GROUP, NONE))
        assert (getattr(edge, trouble), edge.facts_in) == (judged, judged)
