"""``moodtape produce SOURCE``: bring raw quotes and posts in."""

from dataclasses import asdict
from pathlib import Path

import click

from infra.endpoints import Endpoints, find_endpoints
from infra.errors import UserError
from infra.log import configure_logging
from infra.metrics import Health, serve_health
from infra.topics import require_topics
from producers.launch import run_recording
from producers.runner import Produced

from ..options import Invocation, common


@click.group()
def produce() -> None:
    """Bring raw quotes and posts in from a source."""


@produce.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--speed", default="max", show_default=True, help="max, or times real time.")
@common
def recording(call: Invocation, folder: Path, speed: str) -> None:
    """Play a recording into the raw topics. Stopped or killed and started again, it goes on where it was."""
    times = parse_speed(speed)
    endpoints = _ready(call, "recording")
    _show(call, run_recording(call.settings, endpoints, folder, times))


def parse_speed(text: str) -> float | None:
    """``max`` is None, otherwise event seconds in a wall second.

    Raises:
        UserError: neither ``max`` nor a number above 0.
    """
    if text == "max":
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed < float("inf"):
        raise UserError(f"--speed {text}: give max or a number above 0, such as 60")
    return speed


def _ready(call: Invocation, source: str) -> Endpoints:
    configure_logging(call.settings.log_level, f"produce-{source}")
    endpoints = find_endpoints(call.settings)
    require_topics(endpoints.kafka, call.settings)
    serve_health(Health(), call.settings.metrics_port)
    return endpoints


def _show(call: Invocation, done: Produced) -> None:
    counts = ", ".join(f"{count} facts to {topic}" for topic, count in done.facts.items())
    bad = sum(done.dead_letters.values())
    text = {
        "already": f"{done.origin} was finished before; nothing to do",
        "ended": f"{done.origin} is finished: {counts}, {bad} unreadable lines to the dead letters",
        "stopped": f"{done.origin} stopped: {counts}; started again it goes on from there",
    }[done.state]
    call.show(asdict(done), text)
