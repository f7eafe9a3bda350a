"""The whole account, edge by edge, in the direction in which the data moves."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

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
from .first_stages import PostRules, QuoteRules, Rules
from .ledger import ledger_edge
from .letters import tries_of
from .matching import FOREVER, Matching
from .mentions_again import mentions_edge
from .moods_again import MoodsAgain
from .reading import Span, TopicReader, facts_only, require
from .recount import Held, Recount
from .stage_edges import Judge, StageEdge
from .stored import Settle, StoredEdges
from .tables import TABLES, Store

POLL_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Scope:
    """What an account is drawn up from, and how far it goes.

    Attributes:
        patience: seconds to wait for who is behind; None = nobody is waited for, and each edge ends where stage or
            sink say that they are.
        until: only what was known by then is judged.
    """

    reader: TopicReader
    store: Store
    settings: Settings
    patience: float | None
    until: int = FOREVER


def verify(
    endpoints: Endpoints,
    settings: Settings,
    patience: float,
    note: Callable[[str], None],
    until: int = FOREVER,
) -> Report:
    """Account for every record between topics and tables.

    What is written while the account runs is left out of it: each edge ends where its topic ended at the start,
    once stage or sink have come that far.

    Args:
        endpoints: the servers.
        settings: those of the flow.
        patience: seconds to wait for who is behind.
        note: told of each edge.
        until: judge only the figures and rows that were known by then, as a reader of that moment saw them.

    Raises:
        ServiceUnavailable: Kafka or the database does not answer.
        UserError: a topic is missing.
    """
    edges = []
    with TopicReader(endpoints.kafka) as reader, Store(endpoints.database) as store:
        scope = Scope(reader, store, settings, patience, until)
        for draw_up in _edges(scope) if until == FOREVER else _edges_as_of(scope):
            edge = draw_up()
            note(f"{edge.name}: {'ok' if edge.ok else 'WRONG'}")
            edges.append(edge)
    return Report(tuple(edges))


def _edges(scope: Scope) -> Iterator[Callable[[], Edge]]:
    yield from raw_edges(scope)
    for stage in stage_edges(scope):
        yield lambda stage=stage: _draw_up(scope, stage)  # type: ignore[misc]  # mypy cannot infer a default
    yield from stored_edges(scope)


def _edges_as_of(scope: Scope) -> Iterator[Callable[[], Edge]]:
    """What readers of a moment saw: figures, and rows of whatever was known then."""
    for stage in stage_edges(scope):
        yield lambda stage=stage: _draw_up(scope, stage)  # type: ignore[misc]
    stored = StoredEdges(scope.reader, scope.store, scope_settle(scope), scope.until)
    for table in TABLES:
        if table.known:
            yield lambda table=table: stored.draw_up(table)  # type: ignore[misc]


def raw_edges(scope: Scope) -> Iterator[Callable[[], Edge]]:
    """What comes in, up to the mentions."""
    yield lambda: first_stage_edge(scope, RAW_QUOTES, QUOTES, "moodtape.quotes", QuoteRules)
    yield lambda: first_stage_edge(scope, RAW_POSTS, POSTS, "moodtape.posts", PostRules)
    yield lambda: mentions_edge(scope.reader)


def stored_edges(scope: Scope) -> Iterator[Callable[[], Edge]]:
    """What is stored: each table, the dead letters, the ledger."""
    settle = scope_settle(scope)
    stored = StoredEdges(scope.reader, scope.store, settle, scope.until)
    for table in TABLES:
        yield lambda table=table: stored.draw_up(table)  # type: ignore[misc]
    for topic in TOPICS:
        yield lambda topic=topic: letters_edge(scope.reader, scope.store, topic, settle)  # type: ignore[misc]
    yield lambda: ledger_edge(scope.reader, scope.store)


def first_stage_edge(scope: Scope, raw: str, out: str, group: str, rules: Callable[[], Rules]) -> Edge:
    """Raw facts against what the first stage made of them."""
    edge = Edge(f"{raw} -> {out}")
    reader = scope.reader
    ends = require(reader.spans(raw), raw)
    if scope.patience is None:
        ends = _cut(ends, reader.committed(group, ends))
    edge.notes += _await(scope, f"{group} has not read all of {raw}", lambda: _lag(reader, group, ends))
    made = {span.partition: span for span in require(reader.spans(out), out)}
    # Whatever stands in the output by now came from a raw record below these ends.
    later = {span.partition: span for span in reader.spans(raw)}
    tries = tries_of(reader, raw, group)
    for span in ends:
        held = Held(not span.low, not made[span.partition].low)
        count = Recount(edge, rules(), span.partition, span.high, tries(span), held)
        count.take_raw(facts_only(reader.facts(later[span.partition])))
        count.take_out(facts_only(reader.facts(made[span.partition])))
        count.close()
    return edge


def stage_edges(scope: Scope) -> Iterator[StageEdge]:
    """What is made of prices and mentions."""
    reader, settings = scope.reader, scope.settings
    calendar = Calendar(settings.day_zone)

    def matching(low: int) -> Callable[..., Matching[Any]]:
        return partial(Matching, until=scope.until, headless=low > 0)

    def bars(edge: Edge, number: int, lows: Mapping[str, int]) -> Judge:
        return BarsAgain(edge, number, calendar, settings.quote_sources, lows, matching(lows[BARS]))

    def moods(edge: Edge, _: int, lows: Mapping[str, int]) -> Judge:
        whole = not lows[MENTIONS]
        return MoodsAgain(edge, calendar, settings.post_sources, whole, matching=matching(lows[SENTIMENT]))

    def correlations(edge: Edge, number: int, lows: Mapping[str, int]) -> Judge:
        whole = not (lows[BARS] or lows[SENTIMENT])
        return CorrelationsAgain(edge, number, whole, matching(lows[CORRELATIONS]))

    yield StageEdge(reader, (QUOTES,), BARS, "moodtape.bars", bars)
    yield StageEdge(reader, (MENTIONS,), SENTIMENT, "moodtape.moods", moods)
    yield StageEdge(reader, (BARS, SENTIMENT), CORRELATIONS, "moodtape.correlations", correlations)


def _draw_up(scope: Scope, stage: StageEdge) -> Edge:
    stage.edge.notes += _await(scope, f"{stage.group} has not read everything", stage.lag)
    stage.go_on(last=True)
    return stage.edge


def _lag(reader: TopicReader, group: str, ends: list[Span]) -> int:
    committed = reader.committed(group, ends)
    return sum(max(0, span.high - committed[span.partition]) for span in ends)


def scope_settle(scope: Scope) -> Settle:
    """How much of a topic must be stored: all of it after a while, or what the sink says that it has stored."""

    def settle(topic: str, ends: list[Span]) -> tuple[list[Span], list[str]]:
        def lag() -> int:
            stored = scope.store.stored_to(topic)
            return sum(max(0, span.high - max(span.low, stored.get(span.partition, 0))) for span in ends)

        if scope.patience is None:
            return _cut(ends, scope.store.stored_to(topic)), []
        return ends, _await(scope, f"the sink has not stored all of {topic}", lag)

    return settle


def _cut(spans: list[Span], come_to: Mapping[int, int]) -> list[Span]:
    """Spans that end where somebody has come to."""
    return [replace(s, high=max(s.low, min(s.high, come_to.get(s.partition, s.low)))) for s in spans]


def _await(scope: Scope, complaint: str, lag: Callable[[], int]) -> list[str]:
    """Wait for a stage or a sink to come up; what it still lacks after that is missing, and this says why."""
    if scope.patience is None:
        return []
    deadline = time.monotonic() + scope.patience
    while behind := lag():
        if time.monotonic() >= deadline:
            return [f"{complaint}: {behind:,} records behind (does it run?)"]
        time.sleep(POLL_SECONDS)
    return []
