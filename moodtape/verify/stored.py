"""Topics against tables: every record has its row, every row its record."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from schemas.records import ScoredPost
from schemas.topics import MENTIONS, POSTS, TOPICS

from .account import Edge
from .letters import SINK_GROUP, tries_of
from .reading import Fact, Heard, Span, TopicReader, require
from .rows import Comparison, Row
from .tables import Store, Table, gone_with_author

Settle = Callable[[str, list[Span]], tuple[list[Span], list[str]]]
"""Given a topic and what it holds: what of it the sink must have stored, and notes on that."""
PostId = tuple[str, str]


class StoredEdges:
    """Draws up the edge of one table after the other; remembers which posts were deleted.

    Args:
        reader: of the topics.
        store: of the tables.
        settle: says how much of a topic must be stored.
        until: only what was known by then is judged.
    """

    def __init__(self, reader: TopicReader, store: Store, settle: Settle, until: int) -> None:
        self._reader, self._store, self._settle, self._until = reader, store, settle, until
        self._deleted: set[PostId] = set()

    def draw_up(self, table: Table) -> Edge:
        """Account for every record of a topic and every live row of its table."""
        edge = Edge(f"{table.topic} -> {table.name}")
        spans, edge.notes = self._settle(table.topic, require(self._reader.spans(table.topic), table.topic))
        tries = tries_of(self._reader, table.topic, SINK_GROUP)
        rows = PartitionedRows(self._store.rows(table.name, table.column_names, {}), spans)
        blanked: list[tuple[PostId, str]] = []
        comparison = Comparison(
            edge, table, gone_with_author, lambda r, what: blanked.append((_post(r), what)), self._until
        )
        for span in spans:
            facts: Iterable[Fact] = self._facts(span)
            inside: Iterable[Row] = rows.of(span.partition)
            if table.compacted:
                facts = list(facts)
                inside = _without_compacted(facts, inside)
            comparison.walk(span.partition, facts, inside, tries(span))
        for row in rows.unfounded({s.partition: s.high for s in self._reader.spans(table.topic)}):
            comparison.stray(row)
        self._judge_blanked(edge, blanked)
        if table.topic in (POSTS, MENTIONS):
            for what in self._store.kept_after_deletion(table.name):
                edge.blame("altered", f"{what}: the post was deleted, author or url must be gone")
        return edge

    def _facts(self, span: Span) -> Iterator[Fact]:
        compacted = TOPICS[span.topic].retention_ms is None
        for entry in self._reader.facts(span):
            if isinstance(entry, Heard) or (compacted and entry.value is None):
                continue
            if isinstance(entry.record, ScoredPost) and entry.record.deleted:
                self._deleted.add(_post(entry.record))
            yield entry

    def _judge_blanked(self, edge: Edge, blanked: list[tuple[PostId, str]]) -> None:
        unknown = [(post, what) for post, what in blanked if post not in self._deleted]
        # The topic of the posts is kept for a shorter time than that of the mentions.
        stored = self._store.deleted_posts() if unknown else set()
        for post, what in unknown:
            if post not in stored:
                edge.blame("altered", f"{what}, though the post was not deleted")


class PartitionedRows:
    """Rows sorted by partition and offset, handed out one partition at a time, in that order.

    Rows below the log's start are older than the topic and not judged; those at its end or behind are kept for
    :meth:`unfounded`, because a sink may write while the account is drawn up.
    """

    def __init__(self, rows: Iterable[Row], spans: list[Span]) -> None:
        self._rows = iter(rows)
        self._spans = {span.partition: span for span in spans}
        self._next = next(self._rows, None)
        self._behind: list[Row] = []

    def of(self, partition: int) -> Iterator[Row]:
        """Rows of a partition between the log's start and the account's end."""
        while self._next is not None and self._next["topic_partition"] <= partition:
            row, self._next = self._next, next(self._rows, None)
            if self._place(row):
                yield row

    @property
    def behind(self) -> list[Row]:
        """Rows at the account's end or behind it; complete once the last partition was handed out."""
        return self._behind

    def unfounded(self, ends: dict[int, int]) -> Iterator[Row]:
        """Rows that name an offset or a partition that the topic does not have even now."""
        for row in self.of(2**31):
            self._behind.append(row)
        for row in self._behind:
            if row["topic_offset"] >= ends.get(row["topic_partition"], 0):
                yield row

    def _place(self, row: Row) -> bool:
        span = self._spans.get(row["topic_partition"])
        if span is not None and row["topic_offset"] < span.low:
            return False
        if span is None or row["topic_offset"] >= span.high:
            self._behind.append(row)
            return False
        return True


def _post(record: Any) -> PostId:
    return record.source, record.post_id


def _without_compacted(facts: Iterable[Fact], rows: Iterable[Row]) -> Iterator[Row]:
    """Rows without those whose record Kafka has compacted away: a later one of the same symbol stands there."""
    latest = {fact.record.symbol: fact.offset for fact in facts if fact.record is not None}
    held = {fact.offset for fact in facts}
    for row in rows:
        if row["topic_offset"] in held or latest.get(row["symbol"], -1) <= row["topic_offset"]:
            yield row
