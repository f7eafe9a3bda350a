"""``moodtape verify``: account for every record between topics and tables."""

import sys

import click

from infra.endpoints import find_endpoints
from infra.migrate import require_schema
from moodtape.options import Invocation, common
from moodtape.verify.accounting import verify as draw_up


@click.command()
@click.option("--wait", default=15.0, show_default=True, help="Seconds to wait for stages and sinks that are behind.")
@common
def verify(call: Invocation, wait: float) -> None:
    """Account for every record between topics and tables.

    Reads the topics and the tables itself, trusts no counter, recounts duplicates and tells bars, moods and
    correlations again. Exit code 1 if anything is missing, there twice or different; of each edge the first 20 of
    each kind are named.
    """
    endpoints = find_endpoints(call.settings)
    require_schema(endpoints.database)
    report = draw_up(endpoints, call.settings, wait, call.note)
    call.show(report.to_json(), report.to_text())
    if not report.ok:
        sys.exit(1)
