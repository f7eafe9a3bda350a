"""Forty ways to spoil one run, planted together; ``verify`` must name each of them and nothing else."""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import psycopg
import pytest

from infra.endpoints import Endpoints
from infra.kafka import plain_producer
from infra.settings import Settings
from moodtape.verify.account import Edge
from moodtape.verify.accounting import verify
from moodtape.verify.lookahead import lookahead
from schemas.records import Gap, Instrument
from schemas.topics import TOPIC_OF_RECORD
from sinks.timescale import run_timescale
from tests.helpers.corruptions import CORRUPTIONS, Corruption, S
from tests.helpers.honest_run import honest_run, put, write
from tests.helpers.sinking import await_true, running, sample_records, stored_to_end
from tests.helpers.world import World

pytestmark = [pytest.mark.services, pytest.mark.timeout(240)]


# Figures that say more than was known when they say that they were known.
AHEAD = ("BEARLY", "BFORGED", "BULP", "MFORGED", "MSCORE", "MTIME", "CFORGED", "CCHANGED")


class Planted(NamedTuple):
    """A corruption and all that the problem must name."""

    corruption: Corruption
    named: tuple[str, ...]


@pytest.fixture
def world() -> World:
    """The logs of a run without a fault."""
    made = honest_run(sorted(S.values()))
    for record in sample_records():
        if isinstance(record, Gap | Instrument):
            put(made, TOPIC_OF_RECORD[type(record)].name, record)
    return made


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Those of the run."""
    return settings.model_copy(update={"quote_sources": ("simulator",), "post_sources": ("simulator",)})


def plant(world: World, kafka: str) -> Iterator[Planted]:
    """Spoil the logs, write them, let others write theirs."""
    for one in CORRUPTIONS:
        told = one.log(world) if one.log else None
        yield Planted(one, tuple(part for part in (one.named, told) if part))
    foreign = [row for one in CORRUPTIONS if one.foreign for row in one.foreign(world)]
    write(world, kafka)
    producer = plain_producer(kafka)
    for topic, key, partition, value, headers in foreign:
        producer.produce(topic, value, key, partition, headers=headers)
    producer.flush()


def store(here: Endpoints, settings: Settings) -> None:
    """Let the real sink store everything."""
    with running(run_timescale, settings, here):
        await_true(lambda: stored_to_end(here.kafka, here.database), "everything is stored")


def test_each_of_forty_corruptions_is_named(
    world: World, topics: str, endpoints: Endpoints, settings: Settings, database: str
) -> None:
    """Of facts lost, doubled, altered, forged or moved, in logs, letters, tables and ledger, each is named."""
    here = replace(endpoints, database=database)
    planted = list(plant(world, topics))
    store(here, settings)
    with psycopg.connect(database) as connection:
        connection.execute("DROP INDEX IF EXISTS dead_letter_identity")
        for statement in filter(None, (one.sql for one in CORRUPTIONS)):
            connection.execute(statement)  # type: ignore[call-overload]
    edges = {edge.name: edge for edge in verify(here, settings, 0.0, lambda _: None).edges}
    assert [each.corruption.what for each in planted if not found(edges, each)] == []
    strays = [p for edge in edges.values() for p in edge.problems if not any(explains(each, p) for each in planted)]
    assert strays == []  # those of the other symbols, too, add up
    ahead = [p for edge in lookahead(here, settings, lambda _: None).edges for p in edge.problems]
    assert [name for name in AHEAD if not any(S[name] in problem for problem in ahead)] == []
    assert [problem for problem in ahead if not any(explains(each, problem) for each in planted)] == []


def found(edges: dict[str, Edge], planted: Planted) -> bool:
    """Whether the right edge has the right trouble with the right name."""
    edge = edges[planted.corruption.edge]
    begin = f"{edge.name}: {planted.corruption.trouble}: "
    return any(p.startswith(begin) and all(part in p for part in planted.named) for p in edge.problems)


def explains(planted: Planted, problem: str) -> bool:
    """Whether a problem is about what was spoiled there."""
    also = planted.corruption.also
    return all(part in problem for part in planted.named) or bool(also and also in problem)
