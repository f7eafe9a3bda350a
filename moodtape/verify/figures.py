"""Stored figures as records again: the way back from a row."""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any

from infra.clock import from_datetime
from schemas.records import Bar, Correlation, Indicators, Sentiment

from .reading import Fact
from .tables import Store, Table

Figure = Bar | Sentiment | Correlation


def figures(store: Store, table: Table, kind: type[Figure], partition: int) -> Iterator[Fact]:
    """The live figures of one partition, in order of the log that they came from."""
    for row in store.rows(table.name, table.column_names, {"topic_partition": partition}):
        yield Fact(row["topic_offset"], figure_of(kind, row), None, None, [])


def figure_of(kind: type[Figure], row: Mapping[str, Any]) -> Figure:
    """The record that a row stands for."""
    said = {field.name: _value(row[field.name]) for field in fields(kind) if field.name in row}
    if kind is Bar:
        said["indicators"] = Indicators(**{field.name: row[field.name] for field in fields(Indicators)})
    return kind(**said)


def _value(kept: Any) -> Any:
    if isinstance(kept, datetime):
        return from_datetime(kept)
    return tuple(kept) if isinstance(kept, list) else kept
