"""``moodtape run``: everything of one machine under one supervisor."""

import click

from infra.log import configure_logging

from ..options import Invocation, common
from ..running import running


@click.command()
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 12), help="Workers of each stage.")
@common
def run(call: Invocation, workers: int) -> None:
    """Start servers, workers, sinks and API; start again what dies; stop cleanly on Ctrl-C.

    MOODTAPE_SCORER_PROCESSES says how many scorers share the texts; more workers do not make one faster.
    """
    configure_logging(call.settings.log_level, "supervisor")
    with running(call.settings, workers, [], call.note) as pipeline:
        call.note("running; `moodtape status` shows processes, Ctrl-C stops")
        while pipeline.turn():
            pass
