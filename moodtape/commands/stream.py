"""``moodtape stream STAGE``: one worker of one stage."""

import click

from infra.endpoints import find_endpoints
from infra.instruments import load_instruments
from infra.log import configure_logging
from infra.replays import require_plan
from infra.topics import require_topics
from streams.engine.worker import run_stage
from streams.scoring.client import ask_scorer
from streams.topology import STAGES, replaying, stage_named

from ..options import Invocation, common


@click.command()
@click.argument("stage", type=click.Choice(STAGES))
@click.option("--replay", metavar="ID", help="Work for this replay instead of the live flow.")
@common
def stream(call: Invocation, stage: str, replay: str | None) -> None:
    """Run one worker of one stage of the flow until SIGTERM. Start a second one to share the partitions."""
    settings = call.settings
    configure_logging(settings.log_level, f"stream-{stage}")
    endpoints = find_endpoints(settings)
    require_topics(endpoints.kafka, settings)
    built = stage_named(stage, settings, lambda: load_instruments(endpoints.kafka), lambda: ask_scorer(settings))
    if replay is not None:
        built = replaying(built, require_plan(endpoints.database, replay).replay())
    run_stage(built, settings, endpoints)
