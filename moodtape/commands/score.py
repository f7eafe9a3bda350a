"""``moodtape score``: the process that scores texts."""

import asyncio

import click

from infra.listening import listen, require_key_or_loopback, url_of
from infra.log import configure_logging
from infra.processes import usable_cores
from streams.scoring.choose import make_scorer
from streams.scoring.server import serve

from ..options import Invocation, common


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address; others than loopback need an API key.")
@click.option("--port", default=0, show_default=True, type=click.IntRange(0, 65535), help="Port; 0 = a free one.")
@click.option("--threads", type=click.IntRange(1, 256), help="Texts scored at the same time [default: cores].")
@common
def score(call: Invocation, host: str, port: int, threads: int | None) -> None:
    """Run the scorer until SIGTERM; the posts stage finds it by score.json in the data folder."""
    settings = call.settings
    configure_logging(settings.log_level, "score")
    require_key_or_loopback(host, settings.api_key)
    key = None if settings.api_key is None else settings.api_key.get_secret_value()
    scorer = make_scorer(settings)
    sock = listen(host, port, "give another --host or --port (0 = a free one)")
    shown = {"url": url_of(sock), "model": scorer.name, "model_version": scorer.version}
    call.show(shown, f"{scorer.name} ({scorer.version}) at {shown['url']}")
    asyncio.run(serve(scorer, sock, settings.data_dir, threads or usable_cores(), key))
