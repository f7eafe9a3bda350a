"""``moodtape api``: serve HTTP."""

import click

from api.app import SERVICES, create_app
from api.serving import serve
from infra.endpoints import find_endpoints
from infra.listening import require_key_or_loopback
from infra.log import configure_logging
from moodtape.options import Invocation, common


@click.command()
@click.option("--service", type=click.Choice(list(SERVICES)), help="Serve one service; unset = all.")
@click.option("--host", help="Address to listen on; others than loopback need MOODTAPE_API_KEY.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port; 0 = a free one; unset = the one of last time.")
@common
def api(invocation: Invocation, service: str | None, host: str | None, port: int | None) -> None:
    """Serve HTTP until stopped."""
    given = {"api_host": host, "api_port": port}
    settings = invocation.settings.model_copy(update={k: v for k, v in given.items() if v is not None})
    require_key_or_loopback(settings.api_host, settings.api_key)
    configure_logging(settings.log_level, "api" if service is None else f"api-{service}")
    app = create_app(settings, find_endpoints(settings), service)
    serve(app, settings, service, lambda url: invocation.show({"url": url}, f"listening on {url}"))
