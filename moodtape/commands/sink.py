"""``moodtape sink STORE``: topics into one store."""

import click

from infra.endpoints import find_endpoints
from infra.log import configure_logging
from infra.topics import require_topics
from sinks.latest import run_latest
from sinks.timescale import run_timescale

from ..options import Invocation, common


@click.group()
def sink() -> None:
    """Write topics to a store until SIGTERM. Start a second process to share the partitions."""


@sink.command()
@common
def timescale(call: Invocation) -> None:
    """Every fact into PostgreSQL or TimescaleDB, once."""
    configure_logging(call.settings.log_level, "sink-timescale")
    endpoints = find_endpoints(call.settings)
    require_topics(endpoints.kafka, call.settings)
    run_timescale(call.settings, endpoints)


@sink.command()
@common
def latest(call: Invocation) -> None:
    """The newest quote, mood and correlation of each symbol into Redis or Valkey."""
    configure_logging(call.settings.log_level, "sink-latest")
    endpoints = find_endpoints(call.settings)
    require_topics(endpoints.kafka, call.settings)
    run_latest(call.settings, endpoints)
