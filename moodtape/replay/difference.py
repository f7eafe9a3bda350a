"""Where two versions of a table differ: the database compares, what is the same never leaves it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from infra.clock import to_datetime
from infra.replays import Plan
from schemas.replays import LIVE

from .tables import Compared

Values = dict[str, Any]
_NULLABLE = frozenset({"sequence", "bar_interval"})
_BATCH = 2000
_DIFFERENT = sql.SQL("""
SELECT {keys}, l.nth IS NOT NULL AS in_live, r.nth IS NOT NULL AS in_replay, {values}
FROM ({side}) AS l FULL JOIN ({side}) AS r ON {same}
WHERE l.nth IS NULL OR r.nth IS NULL OR ({lefts}) IS DISTINCT FROM ({rights})
ORDER BY {order}
""")
_COUNT = sql.SQL("SELECT (SELECT count(*) FROM ({side}) AS l), (SELECT count(*) FROM ({side}) AS r)")


@dataclass(frozen=True, slots=True)
class Difference:
    """A record that is not the same in both; ``live`` or ``replay`` is None where it is missing."""

    key: Values
    live: Values | None
    replay: Values | None
    fields: tuple[str, ...]


def count(connection: psycopg.Connection, table: Compared, plan: Plan) -> tuple[int, int]:
    """How many records of the live flow, and of the replay, there are to compare."""
    query = _COUNT.format(side=_side(table, plan))
    row = connection.execute(query, [*_chosen(table, plan, LIVE), *_chosen(table, plan, plan.id)]).fetchone()
    return (row[0], row[1]) if row else (0, 0)


def stored(connection: psycopg.Connection, table: Compared, plan: Plan) -> tuple[datetime, datetime] | None:
    """When the first and the last of the live records were stored; None where there is none."""
    query = sql.SQL("SELECT min(stored_at), max(stored_at)") + _within(table, plan)
    row = connection.execute(query, _chosen(table, plan, LIVE)).fetchone()
    return None if row is None or row[0] is None else (row[0], row[1])


def differences(connection: psycopg.Connection, table: Compared, plan: Plan) -> Iterator[Difference]:
    """Every record that differs, in the order of its key. The connection must be in a transaction."""
    compared = [*table.fields]
    carried = [*compared, "stored_at", *(("revision",) if table.last else ())]
    query = _DIFFERENT.format(
        side=_side(table, plan),
        keys=_each("coalesce(l.{0}, r.{0}) AS {0}", table.key),
        values=sql.SQL(", ").join(
            sql.SQL("{}.{} AS {}").format(sql.Identifier(side), sql.Identifier(name), sql.Identifier(f"{side}.{name}"))
            for side in ("l", "r")
            for name in carried
        ),
        same=_each("l.{0} = r.{0}", [*table.key, "nth"], " AND "),
        lefts=_each("l.{0}", compared),
        rights=_each("r.{0}", compared),
        order=_each("{0}", table.key),
    )
    with connection.cursor("differences", row_factory=dict_row) as cursor:
        cursor.itersize = _BATCH
        cursor.execute(query, [*_chosen(table, plan, LIVE), *_chosen(table, plan, plan.id)])
        for row in cursor:
            live = {name: row[f"l.{name}"] for name in carried} if row["in_live"] else None
            replay = {name: row[f"r.{name}"] for name in carried} if row["in_replay"] else None
            yield Difference({name: row[name] for name in table.key}, live, replay, _fields(compared, live, replay))


def _fields(names: Sequence[str], live: Values | None, replay: Values | None) -> tuple[str, ...]:
    if live is None or replay is None:
        return ()
    return tuple(name for name in names if live[name] != replay[name])


def _side(table: Compared, plan: Plan) -> sql.Composed:
    """The records of one version; where only the last revision counts, that one."""
    keys = sql.SQL(", ").join(
        sql.SQL("coalesce({0}, 0) AS {0}" if name in _NULLABLE else "{0}").format(sql.Identifier(name))
        for name in table.key
    )
    names = _each("{0}", [*table.fields, "stored_at"])
    if table.last:
        chosen = sql.SQL("SELECT DISTINCT ON ({}) {}, {}, revision, 1 AS nth").format(
            _each("{0}", table.key), keys, names
        )
        order = sql.SQL(" ORDER BY {}, revision DESC").format(_each("{0}", table.key))
    else:
        # Late facts are not deduplicated, so one key may stand there more than once.
        chosen = sql.SQL("SELECT {}, {}, row_number() OVER (PARTITION BY {} ORDER BY {}) AS nth").format(
            keys, names, _each("{0}", table.key), _each("{0}", table.fields)
        )
        order = sql.Composed([])
    return chosen + _within(table, plan) + order


def _within(table: Compared, plan: Plan) -> sql.Composed:
    """The rows of one version that a replay has, or would have, rows of its own for."""
    rows = sql.SQL(" FROM {} AS t WHERE replay = %s AND event_time >= %s AND event_time < %s")
    return rows.format(sql.Identifier(table.name)) + sql.SQL(_about(table) if plan.symbols else "")


def _about(table: Compared) -> str:
    """The condition that a record is about one of the symbols."""
    if table.name != "post":
        return " AND symbol = ANY(%s)"
    return (
        " AND EXISTS (SELECT FROM mention AS m WHERE m.replay = t.replay AND m.source = t.source"
        " AND m.post_id = t.post_id AND m.revision = t.revision AND m.symbol = ANY(%s))"
    )


def _chosen(table: Compared, plan: Plan, replay: str) -> list[Any]:
    values: list[Any] = [replay, to_datetime(plan.start), to_datetime(plan.end)]
    return [*values, list(plan.symbols)] if plan.symbols else values


def _each(form: str, names: Sequence[str], between: str = ", ") -> sql.Composed:
    return sql.SQL(between).join(sql.SQL(form).format(sql.Identifier(name)) for name in names)
