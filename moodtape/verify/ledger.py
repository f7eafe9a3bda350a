"""The sink's ledger against the rows and the logs: what it says is stored is exactly what is."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from schemas.topics import TOPICS, dead_letter_topic

from .account import Edge
from .dead_letters import TABLE as LETTERS
from .reading import Span, TopicReader
from .tables import TABLES, Store

NAME = "sink_offset"


class Entry(NamedTuple):
    """One partition: the offset that is to be stored next (None: no entry), and the greatest that a row names."""

    next: int | None
    row: int | None


def ledger_edge(reader: TopicReader, store: Store) -> Edge:
    """Compare every entry of the ledger with the rows of its partition, as both stand at one moment."""
    edge = Edge(NAME)
    for topic, table, where in _stored():
        entries = store.ledger(topic, table, where)
        for span in reader.spans(topic):
            judge(edge, span, Entry(*entries.get(span.partition, (None, None))))
    return edge


def _stored() -> Iterator[tuple[str, str, Mapping[str, str]]]:
    yield from ((table.topic, table.name, {}) for table in TABLES)
    yield from ((letters, LETTERS, {"dlq_topic": letters}) for letters in map(dead_letter_topic, TOPICS))


def judge(edge: Edge, span: Span, entry: Entry) -> None:
    """Judge one partition; ``span`` was looked up after the entry."""
    place = f"{span.topic} partition {span.partition}"
    if entry.next is None:
        if entry.row is not None:
            edge.blame("missing", f"{place}: there are rows, but no entry of the ledger")
        return
    edge.facts_in += 1
    edge.facts_out += 1
    if entry.row is not None and entry.row >= entry.next:
        edge.blame("extra", f"{place}: offset {entry.row} is stored, but the ledger stands at {entry.next}")
    if entry.next > span.high:
        edge.blame("altered", f"{place}: the ledger stands at {entry.next}, the log ends at {span.high}")
    if entry.next < span.low:
        edge.blame("missing", f"{place}: offsets {entry.next} to {span.low - 1} were removed before they were stored")
