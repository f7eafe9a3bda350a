"""Watching a running system: the account again and again, as far as stages and sink say that they have come.

Nobody is waited for, so data may flow on. What stages read and wrote is gone on with from pass to pass; what a stage
wrote is judged once it says that it has read everything that may explain it. The other edges are drawn up anew.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from infra.endpoints import Endpoints
from infra.settings import Settings

from .account import Edge, Report
from .accounting import Scope, raw_edges, stage_edges, stored_edges
from .reading import TopicReader
from .stage_edges import StageEdge
from .tables import Store


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass: its number from 1, all edges as they stand, and the problems that no pass before has named."""

    number: int
    report: Report
    fresh: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The pass as JSON values."""
        return {"pass": self.number, "fresh": list(self.fresh), **self.report.to_json()}

    def to_text(self) -> str:
        """One line, and below it what is new."""
        judged = sum(edge.facts_out for edge in self.report.edges)
        return "\n".join(
            [f"pass {self.number}: {judged:,} records, {'ok' if self.report.ok else 'WRONG'}", *self.fresh]
        )


@dataclass(frozen=True, slots=True)
class Watched:
    """What all passes together found; ``ok`` if none found anything."""

    passes: int
    ok: bool
    problems: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """``{"passes": n, "ok": bool, "problems": [...]}``."""
        return {"passes": self.passes, "ok": self.ok, "problems": list(self.problems)}

    def to_text(self) -> str:
        """One line, and below it everything that was named."""
        said = "nothing wrong" if self.ok else "WRONG"
        return "\n".join([f"watched for {self.passes} passes: {said}", *self.problems])


def watch(
    endpoints: Endpoints,
    settings: Settings,
    interval: float,
    passes: int | None,
    stop: threading.Event,
    tell: Callable[[Pass], None],
) -> Watched:
    """Draw up the account every ``interval`` seconds, ``passes`` times (None: until ``stop``).

    Raises:
        ServiceUnavailable: Kafka or the database does not answer.
        UserError: a topic is missing.
    """
    named: dict[str, None] = {}
    ok = True
    with TopicReader(endpoints.kafka) as reader:
        stages: list[StageEdge] = []
        for number in count(1):
            with Store(endpoints.database) as store:
                scope = Scope(reader, store, settings, None)
                stages = stages or list(stage_edges(scope))
                report = Report(tuple(_edges(scope, stages, stop)))
            fresh = tuple(p for edge in report.edges for p in edge.problems if p not in named)
            named.update(dict.fromkeys(fresh))
            ok = ok and report.ok
            tell(Pass(number, report, fresh))
            if number == passes or stop.wait(interval):
                return Watched(number, ok, tuple(named))
    raise AssertionError("counting has no end")


def _edges(scope: Scope, stages: Sequence[StageEdge], stop: threading.Event) -> Iterator[Edge]:
    """Every edge, until somebody wants to stop."""
    for draw_up in _draw_ups(scope, stages):
        if stop.is_set():
            return
        yield draw_up()


def _draw_ups(scope: Scope, stages: Sequence[StageEdge]) -> Iterator[Callable[[], Edge]]:
    yield from raw_edges(scope)
    for stage in stages:
        yield lambda stage=stage: _go_on(stage)  # type: ignore[misc]  # mypy cannot infer a default
    yield from stored_edges(scope)


def _go_on(stage: StageEdge) -> Edge:
    stage.go_on(last=False)
    return stage.edge
