"""Whether any stored figure used more than was known at its ``known_time``.

Each bar, mood and correlation is told again from the facts that stand before it in the logs; those of them that were
first seen after its ``known_time``, or became true after its ``event_time``, must not be needed for what it says.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from infra.endpoints import Endpoints
from infra.settings import Settings
from schemas.records import Bar, Correlation, Sentiment
from schemas.topics import BARS, CORRELATIONS, MENTIONS, QUOTES, SENTIMENT

from .account import Edge, Report
from .bars_again import BarsAgain
from .buckets import Calendar
from .correlations_again import CorrelationsAgain
from .figures import Figure, figures
from .letters import Tries, tries_of
from .matching import Hindsight
from .moods_again import MoodsAgain
from .reading import Fact, Span, TopicReader, in_step, require
from .stage_edges import Judge
from .tables import TABLES, Store, Table


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of figure: what it is stored as, what it is made of, by which group, and who tells it again.

    ``judge`` makes the judge of a partition, given the first offset that is held of each input and of the output.
    """

    topic: str
    record: type[Figure]
    inputs: tuple[str, ...]
    group: str
    judge: Callable[[Edge, int, Mapping[str, int]], Judge]

    @property
    def table(self) -> Table:
        """Where such figures are stored."""
        return next(table for table in TABLES if table.topic == self.topic)


def lookahead(endpoints: Endpoints, settings: Settings, note: Callable[[str], None]) -> Report:
    """Look at every live figure in the tables.

    Raises:
        ServiceUnavailable: Kafka or the database does not answer.
        UserError: a topic is missing.
    """
    edges = []
    with TopicReader(endpoints.kafka) as reader:
        for kind in kinds(settings):
            with Store(endpoints.database) as store, store.moment():
                edge = _look(reader, store, kind)
            note(f"{edge.name}: {'ok' if edge.ok else 'WRONG'}")
            edges.append(edge)
    return Report(tuple(edges))


def kinds(settings: Settings) -> Iterator[Kind]:
    """Bars, moods and correlations."""
    calendar = Calendar(settings.day_zone)
    yield Kind(
        BARS,
        Bar,
        (QUOTES,),
        "moodtape.bars",
        lambda edge, number, lows: BarsAgain(edge, number, calendar, settings.quote_sources, lows, Hindsight),
    )
    yield Kind(
        SENTIMENT,
        Sentiment,
        (MENTIONS,),
        "moodtape.moods",
        lambda edge, _, lows: MoodsAgain(edge, calendar, settings.post_sources, not lows[MENTIONS], matching=Hindsight),
    )
    yield Kind(
        CORRELATIONS,
        Correlation,
        (BARS, SENTIMENT),
        "moodtape.correlations",
        lambda edge, number, lows: CorrelationsAgain(edge, number, not (lows[BARS] or lows[SENTIMENT]), Hindsight),
    )


def _look(reader: TopicReader, store: Store, kind: Kind) -> Edge:
    edge = Edge(f"{kind.table.name} against {' and '.join(kind.inputs)}")
    made = {topic: tries_of(reader, topic, kind.group) for topic in kind.inputs}
    spans = [span for topic in (*kind.inputs, kind.topic) for span in require(reader.spans(topic), topic)]
    for partition in sorted({span.partition for span in spans}):
        here = [span for span in spans if span.partition == partition]
        judge = kind.judge(edge, partition, {span.topic: span.low for span in here})
        tries = {span.topic: made[span.topic](span) for span in here if span.topic in made}
        _walk(reader, judge, here, tries, figures(store, kind.table, kind.record, partition))
        judge.settle(1, True)
    return edge


def _walk(
    reader: TopicReader, judge: Judge, spans: Sequence[Span], tries: Mapping[str, Tries], stored: Iterator[Fact]
) -> None:
    """Feed what went in, and in step with it what is stored of what came out."""
    waiting = next(stored, None)
    for part in in_step(spans):
        for span in part:
            if span.topic in tries:
                for entry in tries[span.topic].folded(reader.facts(span)):
                    judge.take(span.topic, entry, True)
                continue
            while waiting is not None and waiting.offset < span.high:
                judge.find(waiting, 1)
                waiting = next(stored, None)
        judge.proceed()
    for fact in chain(() if waiting is None else (waiting,), stored):
        judge.find(fact, 1)
    judge.proceed()
