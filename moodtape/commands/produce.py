"""``moodtape produce SOURCE``: bring raw quotes and posts in."""

from dataclasses import asdict
from pathlib import Path

import click

from infra.clock import from_rfc3339, to_rfc3339
from infra.endpoints import Endpoints, find_endpoints
from infra.errors import UserError
from infra.kafka import plain_producer
from infra.log import configure_logging
from infra.metrics import Health, serve_health
from infra.stopping import stop_on_signals
from infra.topics import require_topics
from producers.launch import run_recording, run_simulator
from producers.runner import Produced
from producers.simulator import DEFAULT_START, SimulatorOptions
from producers.ticks import tick_until

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


@produce.command()
@click.option("--symbols", default=8, show_default=True, help="How many, 1 to 10000.")
@click.option("--seed", default=1, show_default=True, help="Everything random follows from it.")
@click.option("--speed", default="60", show_default=True, help="max, or times real time, after the preload.")
@click.option("--preload-days", default=2.0, show_default=True, help="So many days come at full speed.")
@click.option("--days", type=float, help="End after so many days [default: go on for ever].")
@click.option("--start", default=to_rfc3339(DEFAULT_START), show_default=True, help="First event time, RFC 3339.")
@common
def simulator(
    call: Invocation,
    symbols: int,
    seed: int,
    speed: str,
    preload_days: float,
    days: float | None,
    start: str,
) -> None:
    """Simulate quotes and posts with a known relation between them; what it planted is in simulator-ledger.json."""
    options = SimulatorOptions(
        symbols=symbols,
        seed=seed,
        start=parse_moment("--start", start),
        preload_days=preload_days,
        days=days,
        speed=parse_speed(speed),
    )
    options.check()
    endpoints = _ready(call, "simulator")
    _show(call, run_simulator(call.settings, endpoints, options))


@produce.command()
@common
def ticks(call: Invocation) -> None:
    """Keep append time moving in the raw topics until SIGTERM; `run` and `demo` do it themselves."""
    endpoints = _ready(call, "ticks")
    tick_until(stop_on_signals(), plain_producer(endpoints.kafka))


def parse_moment(option: str, text: str) -> int:
    """Microseconds UTC of an RFC 3339 text.

    Raises:
        UserError: it is none; the message names the option.
    """
    try:
        return from_rfc3339(text)
    except ValueError:
        raise UserError(f"{option} {text}: give a time with its offset, such as 2025-01-01T00:00:00Z") from None


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
    serve_health(Health(), call.settings, f"produce-{source}")
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
