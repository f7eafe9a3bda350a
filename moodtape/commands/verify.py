"""``moodtape verify``: account for every record between topics and tables."""

import sys

import click

from infra.endpoints import Endpoints, find_endpoints
from infra.errors import UserError
from infra.migrate import require_schema
from infra.stopping import stop_on_signals
from moodtape.options import Invocation, Number, common
from moodtape.verify.accounting import verify as draw_up
from moodtape.verify.matching import FOREVER
from moodtape.verify.watching import Pass
from moodtape.verify.watching import watch as keep_watching

from .produce import parse_moment

_SECONDS = Number(0, 86_400)


@click.command()
@click.option(
    "--wait",
    default=15.0,
    show_default=True,
    type=_SECONDS,
    help="Seconds to wait for stages and sinks that are behind.",
)
@click.option("--as-of", metavar="TIME", help="Judge what readers of a moment saw: only what was known by then.")
@click.option("--watch", is_flag=True, help="Again and again, while data flows, until Ctrl-C or SIGTERM.")
@click.option(
    "--interval", default=30.0, show_default=True, type=_SECONDS, help="Seconds between two passes of --watch."
)
@click.option("--passes", type=click.IntRange(1), help="How many passes of --watch [default: no end].")
@common
def verify(call: Invocation, wait: float, as_of: str | None, watch: bool, interval: float, passes: int | None) -> None:
    """Account for every record between topics and tables.

    Reads the topics and the tables itself, trusts no counter, recounts duplicates and tells bars, moods and
    correlations again. Exit code 1 if anything is missing, there twice or different; of each edge the first 20 of
    each kind are named. --watch judges what stages and sink say that they have done, prints what each pass has found
    and at the end a summary.
    """
    if watch and as_of is not None:
        raise UserError("--watch and --as-of do not go together")
    if passes is not None and not watch:
        raise UserError("--passes needs --watch")
    until = FOREVER if as_of is None else parse_moment("--as-of", as_of)
    endpoints = find_endpoints(call.settings)
    require_schema(endpoints.database)
    if watch:
        ok = _watch(call, endpoints, interval, passes)
    else:
        report = draw_up(endpoints, call.settings, wait, call.note, until)
        call.show(report.to_json(), report.to_text())
        ok = report.ok
    if not ok:
        sys.exit(1)


def _watch(call: Invocation, endpoints: Endpoints, interval: float, passes: int | None) -> bool:
    """Whether no pass found anything."""
    stop = stop_on_signals()

    def tell(one: Pass) -> None:
        call.show(one.to_json(), one.to_text())

    watched = keep_watching(endpoints, call.settings, interval, passes, stop, tell)
    call.show(watched.to_json(), watched.to_text())
    return watched.ok
