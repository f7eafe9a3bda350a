"""``moodtape lookahead-check``: look for figures that used more than was known."""

import sys

import click

from infra.endpoints import find_endpoints
from infra.migrate import require_schema
from moodtape.options import Invocation, common
from moodtape.verify.lookahead import lookahead


@click.command("lookahead-check")
@common
def lookahead_check(call: Invocation) -> None:
    """Look for figures that used more than was known.

    Tells every stored bar (indicators too), mood and correlation again from the facts that were there when it was
    made and were first seen by its known_time. Exit code 1 if a figure says anything else, or says that it was
    known before something that it is made of; the first 20 of each kind are named.
    """
    endpoints = find_endpoints(call.settings)
    require_schema(endpoints.database)
    report = lookahead(endpoints, call.settings, call.note)
    call.show(report.to_json(), report.to_text())
    if not report.ok:
        sys.exit(1)
