"""The whole account, edge by edge, in the direction in which the data moves."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from infra.endpoints import Endpoints
from infra.settings import Settings
from schemas.topics import BARS, POSTS, QUOTES, RAW_POSTS, RAW_QUOTES, TOPICS

from .account import Edge, Report
from .bars import BarRecount, Calendar, IndicatorCheck
from .dead_letters import letters_edge
from .letters import NONE, Tries, buried
from .reading import Fact, Heard, Span, TopicReader, require
from .recount import PostRules, QuoteRules, Recount, Rules
from .stored import StoredEdges
from .tables import TABLES, Store

POLL_SECONDS = 0.25
BARS_GROUP = "moodtape.bars"


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
    yield lambda: bars_edge(scope)
    stored = StoredEdges(scope.reader, scope.store, lambda topic, spans: _stored(scope, topic, spans))
    for table in TABLES:
        yield lambda table=table: stored.draw_up(table)  # type: ignore[misc]  # mypy cannot infer a default
    for topic in TOPICS:
        yield lambda topic=topic: letters_edge(  # type: ignore[misc]
            scope.reader, scope.store, topic, lambda name, spans: _stored(scope, name, spans)
        )


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
        count.take_raw(_facts_only(reader, later[span.partition]))
        count.take_out(_facts_only(reader, made[span.partition]))
        count.close()
    return edge


def bars_edge(scope: Scope) -> Edge:
    """Quotes against bars: which are closed, and what is in them."""
    edge = Edge(f"{QUOTES} -> {BARS}")
    reader = scope.reader
    ends = require(reader.spans(QUOTES), QUOTES)
    edge.notes += _await(scope, f"{BARS_GROUP} has not read all", lambda: _lag(reader, BARS_GROUP, ends))
    made = {span.partition: span for span in require(reader.spans(BARS), BARS)}
    later = {span.partition: span for span in reader.spans(QUOTES)}
    calendar = Calendar(scope.settings.day_zone)
    dead = buried(reader, QUOTES, BARS_GROUP)
    for span in ends:
        tries = Tries(QUOTES, span.partition, BARS_GROUP, dead.get(span.partition, NONE), span.low)
        count = BarRecount(edge, calendar, scope.settings.quote_sources, span.low == 0)
        count.take_quotes(tries.folded(reader.facts(span)))
        count.mark()
        behind = Span(QUOTES, span.partition, span.high, later[span.partition].high)
        count.take_quotes(tries.folded(reader.facts(behind)))
        check = IndicatorCheck(edge) if made[span.partition].low == 0 else None
        count.take_bars(_checked(_facts_only(reader, made[span.partition]), check))
        count.close()
    return edge


def _checked(facts: Iterator[Fact], check: IndicatorCheck | None) -> Iterator[Fact]:
    for fact in facts:
        if check is not None and fact.record is not None:
            check.take(fact.record)
        yield fact


def _facts_only(reader: TopicReader, span: Span) -> Iterator[Fact]:
    return (entry for entry in reader.facts(span) if not isinstance(entry, Heard))


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
