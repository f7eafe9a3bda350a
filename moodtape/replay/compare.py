"""What differs between the live facts and those of a replay: counts, fields, reasons, samples."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import psycopg

from infra.clock import from_datetime, to_datetime, to_rfc3339
from infra.errors import ServiceUnavailable, UserError
from infra.replays import Plan
from schemas.replays import LIVE

from .difference import Difference, Values, count, differences, stored
from .reasons import UNEXPLAINED, Builds, Reasons
from .tables import TABLES, Compared

_FOLDED_AGAIN = frozenset({"sentiment", "correlation"})
_MODELS = """
SELECT DISTINCT model, model_version FROM mention
WHERE replay = %s AND event_time >= %s AND event_time < %s AND model IS NOT NULL
"""


@dataclass(slots=True)
class TableReport:
    """One table: records on either side, how many differ and why, in which fields, and the first of them."""

    live: int
    replay: int
    missing: int = 0
    added: int = 0
    changed: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    fields: Counter[str] = field(default_factory=Counter)
    samples: list[dict[str, Any]] = field(default_factory=list)

    @property
    def different(self) -> int:
        """Records that differ."""
        return self.missing + self.added + self.changed

    def add(self, found: Difference, reason: str, limit: int) -> None:
        """Count a difference; keep it as a sample while there are few of its reason."""
        self.missing += found.replay is None
        self.added += found.live is None
        self.changed += bool(found.fields)
        self.reasons[reason] += 1
        self.fields.update(found.fields)
        if self.reasons[reason] <= limit:
            self.samples.append(_sample(found, reason))


@dataclass(frozen=True, slots=True)
class Report:
    """A whole comparison."""

    plan: Plan
    tables: dict[str, TableReport]

    @property
    def different(self) -> int:
        """Records that differ."""
        return sum(table.different for table in self.tables.values())

    @property
    def unexplained(self) -> int:
        """Records that differ for no reason that is known."""
        return sum(table.reasons[UNEXPLAINED] for table in self.tables.values())


def compare(database: str, plan: Plan, samples: int) -> Report:
    """Compare a replay with the live facts of its time, as both are stored at this moment.

    Args:
        database: its URL.
        plan: of the replay.
        samples: how many differences of each table and reason to show.

    Raises:
        ServiceUnavailable: the database is away.
    """
    try:
        with psycopg.connect(database, application_name="moodtape replay compare") as connection:
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            connection.read_only = True
            reasons = _reasons(connection, plan)
            return Report(plan, {t.name: _compared(connection, t, reasons, samples) for t in tables_of(plan)})
    except psycopg.OperationalError as error:
        raise ServiceUnavailable(f"database: {str(error).strip()}") from None


def tables_of(plan: Plan) -> list[Compared]:
    """The tables that a replay has rows of its own in."""
    return [table for table in TABLES if not plan.reaggregated or table.name in _FOLDED_AGAIN]


def input_of(plan: Plan) -> str:
    """What a replay is made of, as people read it."""
    if plan.reaggregated:
        return "stored mentions and bars"
    return "archives and raw facts" if plan.archives else "raw facts"


def require_complete(plan: Plan) -> None:
    """Refuse what needs a whole replay.

    Raises:
        UserError: it has not come to its end.
    """
    if not plan.complete:
        raise UserError(f"replay {plan.id} is not complete; the command that began it goes on where it was")


def _compared(connection: psycopg.Connection, table: Compared, reasons: Reasons, samples: int) -> TableReport:
    report = TableReport(*count(connection, table, reasons.plan))
    for found in differences(connection, table, reasons.plan):
        report.add(found, reasons.of(table, found), samples)
    return report


def _reasons(connection: psycopg.Connection, plan: Plan) -> Reasons:
    builds = connection.execute("SELECT since, code FROM build ORDER BY since").fetchall()
    models = [set(_models(connection, plan, replay)) for replay in (LIVE, plan.id)]
    since, code = [row[0] for row in builds], [row[1] for row in builds]
    # What is folded again from stored mentions has their scores.
    other_model = not plan.reaggregated and models[0] != models[1]
    spans = [span for table in tables_of(plan) if (span := stored(connection, table, plan)) is not None]
    span = (min(first for first, _ in spans), max(last for _, last in spans)) if spans else None
    return Reasons(plan, Builds(since, code), plan.known_after, other_model, span)


def _models(connection: psycopg.Connection, plan: Plan, replay: str) -> Iterator[tuple[str, str]]:
    yield from connection.execute(_MODELS, (replay, to_datetime(plan.start), to_datetime(plan.end))).fetchall()


def _sample(found: Difference, reason: str) -> dict[str, Any]:
    shown: dict[str, Any] = {"key": _plain(found.key), "reason": reason}
    if found.live is None or found.replay is None:
        return {**shown, "only_in": "replay" if found.live is None else "live"}
    live, replay = found.live, found.replay
    return {**shown, "fields": {name: [_value(live[name]), _value(replay[name])] for name in found.fields}}


def _plain(values: Values) -> Values:
    return {name: _value(value) for name, value in values.items()}


def _value(value: Any) -> Any:
    return to_rfc3339(from_datetime(value)) if isinstance(value, datetime) else value


def to_json(report: Report) -> dict[str, Any]:
    """The report as JSON values."""
    return {
        "replay": report.plan.id,
        "from": to_rfc3339(report.plan.start),
        "to": to_rfc3339(report.plan.end),
        "symbols": list(report.plan.symbols),
        "input": input_of(report.plan),
        "different": report.different,
        "unexplained": report.unexplained,
        "tables": {name: _table_json(table) for name, table in report.tables.items()},
    }


def _table_json(table: TableReport) -> dict[str, Any]:
    return {
        "live": table.live,
        "replay": table.replay,
        "different": table.different,
        "missing": table.missing,
        "added": table.added,
        "changed": table.changed,
        "reasons": dict(table.reasons),
        "fields": dict(table.fields),
        "samples": table.samples,
    }


def to_text(report: Report) -> str:
    """The report for people."""
    span = f"{to_rfc3339(report.plan.start)} to {to_rfc3339(report.plan.end)}"
    lines = [f"replay {report.plan.id} (from {input_of(report.plan)}) against live, {span}"]
    for name, table in report.tables.items():
        why = ", ".join(f"{number} {reason}" for reason, number in sorted(table.reasons.items()))
        lines.append(f"  {name:<12} live {table.live:>9,}  replay {table.replay:>9,}  {why or 'the same'}")
        if table.fields:
            lines.append("               fields: " + ", ".join(f"{k} {n}" for k, n in table.fields.most_common()))
        lines += [f"               {_line(sample)}" for sample in table.samples]
    verdict = "nothing differs" if not report.different else f"{report.different} records differ"
    return "\n".join([*lines, f"{verdict}, {report.unexplained} of them unexplained"])


def _line(sample: dict[str, Any]) -> str:
    key = " ".join(str(value) for value in sample["key"].values())
    if "only_in" in sample:
        return f"{sample['reason']}: {key}: only in {sample['only_in']}"
    parts = [f"{name} {live} -> {replay}" for name, (live, replay) in sample["fields"].items()]
    return f"{sample['reason']}: {key}: {'; '.join(parts)}"
