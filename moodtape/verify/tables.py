"""The tables as they must look: for each topic its table, its logical key, and the columns of a record."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import MISSING, asdict, dataclass, fields
from functools import cache
from operator import attrgetter
from typing import Any

import psycopg
from psycopg import IsolationLevel, sql
from psycopg.rows import dict_row

from infra.errors import ServiceUnavailable
from schemas.records import Bar, Indicators, Mention, Quote, ScoredPost, SentimentScore, SourceBar
from schemas.topics import BARS, CORRELATIONS, GAPS, INSTRUMENTS, MENTIONS, POSTS, QUOTES, SENTIMENT, TOPICS

Columns = Mapping[str, Any]
PLACE = ("topic_partition", "topic_offset")


@dataclass(frozen=True, slots=True)
class Table:
    """Where the records of a topic are stored.

    Attributes:
        topic: the records' topic.
        name: the table.
        key: names of the fields that make the logical key, without the revision.
        columns: values of every column of ours for a record.
        once: whether a logical key may stand in the topic only once for each revision.
        counted: revisions of a key count 0, 1, 2 ...; else they only rise, where there are any.
    """

    topic: str
    name: str
    key: tuple[str, ...]
    columns: Callable[[Any], Columns]
    once: Callable[[Any], bool] = lambda _: True
    counted: bool = False

    @property
    def column_names(self) -> tuple[str, ...]:
        """The columns that are compared."""
        return tuple(self.columns(_blank(TOPICS[self.topic].record)))

    @property
    def known(self) -> str:
        """The field that says since when a record was known; empty where there is none."""
        there = {field.name for field in fields(TOPICS[self.topic].record)}
        return next((name for name in ("known_time", "ingest_time") if name in there), "")

    @property
    def compacted(self) -> bool:
        """Whether older records of a key may be gone from the topic."""
        return TOPICS[self.topic].retention_ms is None

    def subject_of(self, record: Any) -> tuple[Any, ...]:
        """Logical key of a record, without its revision."""
        values = tuple(getattr(record, name) for name in self.key)
        return (*values, record.bar.interval if record.bar else 0) if isinstance(record, Quote) else values

    def key_of(self, record: Any) -> tuple[Any, ...]:
        """Logical key of a record, with its revision where there are revisions."""
        revision = getattr(record, "revision", None)
        return self.subject_of(record) if revision is None else (*self.subject_of(record), revision)


@cache
def _reader(kind: type) -> tuple[tuple[str, ...], Callable[[Any], tuple[Any, ...]]]:
    names = tuple(field.name for field in fields(kind))
    return names, attrgetter(*names)


def plain(record: Any) -> dict[str, Any]:
    """Columns of a record that has only plain fields."""
    names, values = _reader(type(record))  # type: ignore[arg-type]  # a class can be hashed
    return dict(zip(names, values(record), strict=True))


def _inner(kind: type, record: Any, prefix: str = "") -> dict[str, Any]:
    """Columns of a record inside another, None each where there is none."""
    names, values = _reader(kind)
    said = (None,) * len(names) if record is None else values(record)
    return {prefix + name: value for name, value in zip(names, said, strict=True)}


def quote_columns(record: Quote) -> Columns:
    """The source's own bar lies in columns ``bar_...``."""
    columns = plain(record)
    return columns | _inner(SourceBar, columns.pop("bar"), "bar_")


def bar_columns(record: Bar) -> Columns:
    """Each indicator is a column."""
    columns = plain(record)
    return columns | _inner(Indicators, columns.pop("indicators"))


def post_columns(record: ScoredPost) -> Columns:
    """The sentiment's parts are columns, the mentions a list of objects."""
    columns = plain(record)
    inner = _inner(SentimentScore, columns.pop("sentiment"))
    return {**columns, **inner, "mentions": [asdict(mention) for mention in record.mentions]}


def not_late(record: Quote | ScoredPost) -> bool:
    """Late facts are not deduplicated, so they may come twice."""
    return "late" not in record.flags


TABLES = (
    Table(QUOTES, "quote", ("source", "symbol", "event_time", "sequence"), quote_columns, not_late, counted=True),
    Table(BARS, "bar", ("symbol", "interval", "start"), bar_columns, counted=True),
    Table(POSTS, "post", ("source", "post_id"), post_columns, not_late),
    Table(MENTIONS, "mention", ("symbol", "source", "post_id"), plain, not_late),
    Table(SENTIMENT, "sentiment", ("symbol", "interval", "start"), plain, counted=True),
    Table(
        CORRELATIONS,
        "correlation",
        ("symbol", "interval", "window", "event_time", "pair", "method"),
        plain,
        counted=True,
    ),
    Table(GAPS, "gap", ("source", "stream", "start", "event_time"), plain),
    # A compacted topic: a symbol comes again whenever the listing changes.
    Table(INSTRUMENTS, "instrument", ("symbol",), plain, lambda _: False),
)


def gone_with_author(record: Any, row: Mapping[str, Any], wrong: list[str]) -> list[str]:
    """The columns in which a row differs as the rows of a deleted post do: no author, no url."""
    if not isinstance(record, ScoredPost | Mention):
        return []
    return [name for name in wrong if name in ("author", "url") and row[name] is None]


def _blank(kind: Any) -> Any:
    """A record of a kind with nothing in it, to learn its columns."""
    needed = {f.name: None for f in fields(kind) if f.default is MISSING and f.default_factory is MISSING}
    return kind(**needed)


def _equal(wanted: Mapping[str, Any]) -> sql.Composed:
    return sql.SQL(" AND ").join(sql.SQL("{} = {}").format(sql.Identifier(k), sql.Placeholder(k)) for k in wanted)


class Store:
    """Reads the tables as they were at one moment. Use as a context manager."""

    def __init__(self, url: str) -> None:
        self._url = url

    def __enter__(self) -> "Store":
        try:
            self._connection = psycopg.connect(self._url, row_factory=dict_row, application_name="moodtape verify")
        except psycopg.OperationalError as error:
            raise ServiceUnavailable(f"the database does not answer: {str(error).strip()}") from None
        self._connection.read_only = True
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    @contextmanager
    def moment(self) -> Iterator[None]:
        """Everything inside reads the tables as they are now."""
        self._connection.isolation_level = IsolationLevel.REPEATABLE_READ
        with self._connection.transaction():
            self._connection.execute("SELECT")
            yield

    def rows(self, table: str, columns: tuple[str, ...], where: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Live rows in order of partition and offset, streamed."""
        wanted = {"replay": "live", **where}
        query = sql.SQL("SELECT {} FROM {} WHERE {} ORDER BY topic_partition, topic_offset").format(
            sql.SQL(", ").join(map(sql.Identifier, (*PLACE, *columns))),
            sql.Identifier(table),
            _equal(wanted),
        )
        with self._connection.transaction(), self._connection.cursor("rows", binary=True) as cursor:
            cursor.itersize = 5000
            cursor.execute(query, wanted)
            yield from cursor

    def stored_to(self, topic: str) -> dict[int, int]:
        """For each partition of a topic how far a sink has stored it."""
        with self._connection.transaction():
            found = self._connection.execute(
                "SELECT partition, max(next_offset) AS next FROM sink_offset"
                " WHERE replay = 'live' AND topic = %s GROUP BY partition",
                (topic,),
            ).fetchall()
        return {row["partition"]: row["next"] for row in found}

    def ledger(self, topic: str, table: str, where: Mapping[str, str]) -> dict[int, tuple[int | None, int | None]]:
        """For each partition the next offset to store, and the greatest that a row names, both at one moment."""
        wanted = {"replay": "live", **where}
        query = sql.SQL(
            "SELECT partition, next, row FROM"
            " (SELECT partition, max(next_offset) AS next FROM sink_offset"
            " WHERE replay = 'live' AND topic = %(topic)s GROUP BY partition) AS entries"
            " FULL JOIN (SELECT topic_partition AS partition, max(topic_offset) AS row FROM {}"
            " WHERE {} GROUP BY topic_partition) AS stored USING (partition)"
        ).format(sql.Identifier(table), _equal(wanted))
        with self._connection.transaction():
            found = self._connection.execute(query, {**wanted, "topic": topic}).fetchall()
        return {each["partition"]: (each["next"], each["row"]) for each in found}

    def deleted_posts(self) -> set[tuple[str, str]]:
        """Source and identity of every post that a row says is deleted."""
        with self._connection.transaction():
            found = self._connection.execute("SELECT DISTINCT source, post_id FROM post WHERE deleted").fetchall()
        return {(row["source"], row["post_id"]) for row in found}

    def kept_after_deletion(self, table: str) -> list[str]:
        """Rows of deleted posts that still say who wrote them or where, named by source and identity."""
        query = sql.SQL(
            "SELECT kept.source, kept.post_id, kept.revision FROM {} AS kept"
            " WHERE kept.replay = 'live' AND (kept.author IS NOT NULL OR kept.url IS NOT NULL)"
            " AND EXISTS (SELECT FROM post AS gone"
            " WHERE gone.replay = 'live' AND gone.deleted AND gone.source = kept.source AND gone.post_id = kept.post_id"
            " AND gone.revision >= kept.revision)"
        ).format(sql.Identifier(table))
        with self._connection.transaction():
            found = self._connection.execute(query).fetchall()
        return [f"{row['source']} {row['post_id']} {row['revision']}" for row in found]
