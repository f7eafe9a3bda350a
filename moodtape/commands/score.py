"""``moodtape score``: the process that scores texts."""

import asyncio

import click

from infra.errors import UserError
from infra.listening import listen, require_key_or_loopback, url_of
from infra.log import configure_logging
from infra.processes import usable_cores
from streams.scoring.choose import make_scorer
from streams.scoring.server import Desk, serve

from ..options import Invocation, common


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address; others than loopback need an API key.")
@click.option("--port", default=0, show_default=True, type=click.IntRange(0, 65535), help="Port; 0 = a free one.")
@click.option(
    "--threads", type=click.IntRange(1, 256), help="Texts scored at the same time [default: its share of the cores]."
)
@click.option("--number", default=1, show_default=True, type=click.IntRange(1), help="Of MOODTAPE_SCORER_PROCESSES.")
@common
def score(call: Invocation, host: str, port: int, threads: int | None, number: int) -> None:
    """Run a scorer until SIGTERM; the posts stage finds it by score.json (score-2.json ...) in the data folder."""
    settings = call.settings
    if number > settings.scorer_processes:
        raise UserError(
            f"--number {number}: nobody asks more than {settings.scorer_processes}; set MOODTAPE_SCORER_PROCESSES, "
            "also for the posts stage"
        )
    configure_logging(settings.log_level, "score")
    require_key_or_loopback(host, settings.api_key)
    key = None if settings.api_key is None else settings.api_key.get_secret_value()
    scorer = make_scorer(settings)
    sock = listen(host, port, "give another --host or --port (0 = a free one)")
    shown = {"url": url_of(sock), "model": scorer.name, "model_version": scorer.version}
    call.show(shown, f"{scorer.name} ({scorer.version}) at {shown['url']}")
    desk = Desk(scorer, threads or max(1, usable_cores() // settings.scorer_processes))
    asyncio.run(serve(desk, sock, settings.data_dir, number, key))
