"""``moodtape demo``: the whole pipeline at work, on a recording or on the simulator."""

import time
from pathlib import Path

import click
from rich.console import Console

from infra.errors import UserError
from infra.log import configure_logging

from ..options import Invocation, common
from ..pipeline import counts, drained
from ..report import correlation_table, last_correlations
from ..running import Running, running
from ..screen import Screen
from ..supervisor import Child, last_words
from .produce import parse_speed

DRAIN_CHECK_SECONDS = 1.0


@click.command()
@click.option(
    "--recording", type=click.Path(path_type=Path, exists=True, file_okay=False), help="Folder of a recording."
)
@click.option("--speed", help="max, or times real time [default: max with --recording, else 60].")
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 12), help="Workers of each stage.")
@click.option("--exit", "exit_", is_flag=True, help="End when all has drained; print counts.")
@common
def demo(call: Invocation, recording: Path | None, speed: str | None, workers: int, exit_: bool) -> None:
    """Start everything, bring in a recording or the simulator, and show live moods, prices and correlations."""
    if exit_ and recording is None:
        raise UserError("--exit needs --recording: the simulator has no end")
    producer = _producer(recording, speed)
    configure_logging(call.settings.log_level if exit_ else "error", "demo")
    started = time.monotonic()
    with running(call.settings, workers, [producer], call.note) as pipeline:
        if exit_:
            _wait_until_drained(pipeline)
            result = counts(pipeline.endpoints)
            seconds = round(time.monotonic() - started, 1)
            call.show({**result, "seconds": seconds}, _summary(result, seconds))
            if not call.json:
                Console().print(correlation_table(last_correlations(pipeline.endpoints.database)))
        else:
            Screen(call.settings, pipeline).show()
            _unless_given_up(pipeline)


def _producer(recording: Path | None, speed: str | None) -> Child:
    if speed is not None and parse_speed(speed) is None and recording is None:
        raise UserError("--speed max needs --recording: the simulator has no end")
    if recording is None:
        return Child("produce-simulator", ("produce", "simulator", "--speed", speed or "60"), once=True)
    arguments = ("produce", "recording", str(recording.resolve()), "--speed", speed or "max")
    return Child("produce-recording", arguments, once=True)


def _wait_until_drained(pipeline: Running) -> None:
    next_check = 0.0
    while pipeline.turn():
        _unless_given_up(pipeline)
        if pipeline.supervisor.finished and time.monotonic() >= next_check:
            if drained(pipeline.endpoints):
                return
            next_check = time.monotonic() + DRAIN_CHECK_SECONDS
    raise click.Abort


def _unless_given_up(pipeline: Running) -> None:
    """Say why the producer gave up, if it did: what it was asked for cannot be done.

    Raises:
        UserError: it gave up.
    """
    child = pipeline.supervisor.given_up
    if child is not None:
        raise UserError(f"{child.name} gave up; its last words: {last_words(pipeline.supervisor.log_of(child))}")


def _summary(result: dict[str, dict[str, int]], seconds: float) -> str:
    lines = [f"{kind}: " + ", ".join(f"{k} {v}" for k, v in values.items()) for kind, values in result.items()]
    return "\n".join([*lines, f"{seconds} s"])
