"""The whole account, edge by edge, in the direction in which the data moves."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from infra.endpoints import Endpoints
from infra.settings import Settings
from schemas.topics import (
    BARS,
    CORRELATIONS,
    MENTIONS,
    POSTS,
    QUOTES,
    RAW_POSTS,
    RAW_QUOTES,
    SENTIMENT,
    TOPICS,
)

from .account import Edge, Report
from .bars_again import BarsAgain
from .buckets import Calendar
from .correlations_again import CorrelationsAgain
from .dead_letters import letters_edge
from .ledger import ledger_edge
from .letters import NONE, Tries, buried
from .mentions_again import mentions_edge
from .moods_again import MoodsAgain
from .reading import Span, TopicReader, facts_only, require
from .recount import PostRules, QuoteRules, Recount, Rules
from .stage_edges import StageEdge
from .stored import StoredEdges
from .tables import TABLES, Store

POLL_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Scope:
    """What the account is drawn up from. ``patience`` is how many seconds to wait for who is behind."""

    reader: TopicReader
    store: Store
    settings: Settings
    patience: float


def verify(endpoints: Endpoints, settings: Settings, patience: float, note: Callable[[str], None]) -> Report:
    """Account for every record between topics and tables.

    What is written while the account runs is left out of it: each edge ends where its topic ended at the start,
    once stage or sink have come that far.

    Raises:
        ServiceUnavailable: Kafka or the database does not answer.
        UserError: a topic is missing.
    """
    edges = []
    with TopicReader(endpoints.kafka) as reader, Store(endpoints.database) as store:
        scope = Scope(reader, store, settings, patience)
        for draw_up in _edges(scope):
            edge = draw_up()
            note(f"{edge.name}: {'ok' if edge.ok else 'WRONG'}")
            edges.append(edge)
    return Report(tuple(edges))


def _edges(scope: Scope) -> Iterator[Callable[[], Edge]]:
    yield lambda: first_stage_edge(scope, RAW_QUOTES, QUOTES, "moodtape.quotes", QuoteRules)
    yield lambda: first_stage_edge(scope, RAW_POSTS, POSTS, "moodtape.posts", PostRules)
    yield lambda: mentions_edge(scope.reader)
    for stage in _stage_edges(scope):
        yield lambda stage=stage: _draw_up(scope, stage)  # type: ignore[misc]  # mypy cannot infer a default
    stored = StoredEdges(scope.reader, scope.store, lambda topic, spans: _stored(scope, topic, spans))
    for table in TABLES:
        yield lambda table=table: stored.draw_up(table)  # type: ignore[misc]  # mypy cannot infer a default
    for topic in TOPICS:
        yield lambda topic=topic: letters_edge(  # type: ignore[misc]
            scope.reader, scope.store, topic, lambda name, spans: _stored(scope, name, spans)
        )
    yield lambda: ledger_edge(scope.reader, scope.store)


def first_stage_edge(scope: Scope, raw: str, out: str, group: str, rules: Callable[[], Rules]) -> Edge:
    """Raw facts against what the first stage made of them."""
    edge = Edge(f"{raw} -> {out}")
    reader = scope.reader
    ends = require(reader.spans(raw), raw)
    edge.notes += _await(scope, f"{group} has not read all of {raw}", lambda: _lag(reader, group, ends))
    made = {span.partition: span for span in require(reader.spans(out), out)}
    # Whatever stands in the output by now came from a raw record below these ends.
    later = {span.partition: span for span in reader.spans(raw)}
    dead = buried(reader, raw, group)
    for span in ends:
        tries = Tries(raw, span.partition, group, dead.get(span.partition, NONE), span.low)
        count = Recount(edge, rules(), span.partition, span.high, tries)
        count.take_raw(facts_only(reader.facts(later[span.partition])))
        count.take_out(facts_only(reader.facts(made[span.partition])))
        count.close()
    return edge


def _stage_edges(scope: Scope) -> Iterator[StageEdge]:
    reader, settings = scope.reader, scope.settings
    calendar = Calendar(settings.day_zone)
    yield StageEdge(
        reader,
        (QUOTES,),
        BARS,
        "moodtape.bars",
        lambda edge, number, lows: BarsAgain(edge, number, calendar, settings.quote_sources, lows),
    )
    yield StageEdge(
        reader,
        (MENTIONS,),
        SENTIMENT,
        "moodtape.moods",
        lambda edge, _, lows: MoodsAgain(edge, calendar, settings.post_sources, not lows[MENTIONS]),
    )
    yield StageEdge(
        reader,
        (BARS, SENTIMENT),
        CORRELATIONS,
        "moodtape.correlations",
        lambda edge, number, lows: CorrelationsAgain(edge, number, not (lows[BARS] or lows[SENTIMENT])),
    )


def _draw_up(scope: Scope, stage: StageEdge) -> Edge:
    stage.edge.notes += _await(scope, f"{stage.group} has not read everything", stage.lag)
    stage.go_on(last=True)
    return stage.edge


def _lag(reader: TopicReader, group: str, ends: list[Span]) -> int:
    committed = reader.committed(group, ends)
    return sum(max(0, span.high - committed[span.partition]) for span in ends)


def _stored(scope: Scope, topic: str, ends: list[Span]) -> list[str]:
    def lag() -> int:
        stored = scope.store.stored_to(topic)
        return sum(max(0, span.high - max(span.low, stored.get(span.partition, 0))) for span in ends)

    return _await(scope, f"the sink has not stored all of {topic}", lag)


def _await(scope: Scope, complaint: str, lag: Callable[[], int]) -> list[str]:
    """Wait for a stage or a sink to come up; what it still lacks after that is missing, and this says why."""
    deadline = time.monotonic() + scope.patience
    while behind := lag():
        if time.monotonic() >= deadline:
            return [f"{complaint}: {behind:,} records behind (does it run?)"]
        time.sleep(POLL_SECONDS)
    return []
