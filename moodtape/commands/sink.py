"""``moodtape sink STORE``: topics into one store."""

from collections.abc import Callable
from functools import partial

import click

from infra.endpoints import Endpoints, find_endpoints
from infra.instances import claim_instance
from infra.log import configure_logging
from infra.replays import require_plan
from infra.settings import Settings
from infra.topics import require_topics
from sinks.latest import run_latest
from sinks.timescale import run_timescale

from ..options import Invocation, common


@click.group()
def sink() -> None:
    """Write topics to a store until SIGTERM. Start a second process to share the partitions."""


@sink.command()
@click.option("--replay", metavar="ID", help="Store the facts of this replay instead of the live ones.")
@common
def timescale(call: Invocation, replay: str | None) -> None:
    """Every fact into PostgreSQL or TimescaleDB, once."""
    if replay is None:
        _run(call, "sink-timescale", run_timescale)
    else:
        name = require_plan(find_endpoints(call.settings).database, replay).id
        _run(call, f"sink-timescale.{name}", partial(run_timescale, replay=name))


@sink.command()
@common
def latest(call: Invocation) -> None:
    """The newest quote, mood and correlation of each symbol into Redis or Valkey."""
    _run(call, "sink-latest", run_latest)


def _run(call: Invocation, name: str, work: Callable[[Settings, Endpoints], None]) -> None:
    configure_logging(call.settings.log_level, name)
    endpoints = find_endpoints(call.settings)
    require_topics(endpoints.kafka, call.settings)
    # A name of its own lets a sink that was killed go on at once instead of waiting out its own ghost.
    instance = claim_instance(call.settings.data_dir, name, call.settings.instance)
    work(call.settings.model_copy(update={"instance": instance.name}), endpoints)
