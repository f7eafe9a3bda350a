"""What every command has: ``--data-dir``, ``--json``, and a way to print."""

import functools
import json
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import click

from infra.settings import Settings, load_settings

P = ParamSpec("P")
R = TypeVar("R")


class Number(click.FloatRange):
    """A number of a range, not ``nan``, which click lets into any, and not infinite."""

    name = "number range"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number of a text."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


@dataclass(frozen=True, slots=True)
class Invocation:
    """One call of a command: its settings and how it shall print."""

    settings: Settings
    json: bool

    def show(self, data: Any, text: str | None = None) -> None:
        """Print a result: ``data`` as one line of JSON under ``--json``, else ``text``."""
        if self.json:
            click.echo(json.dumps(data, default=str))
        elif text is not None:
            click.echo(text)

    def note(self, text: str) -> None:
        """Tell about progress on standard error."""
        click.echo(text, file=sys.stderr)

    def hand_on(self, context: click.Context, command: str) -> None:
        """Let a group's ``command`` have what was given before its name, unless it is given again behind it."""
        context.default_map = {command: {"data_dir": self.settings.data_dir, "as_json": self.json}}


def common(function: Callable[Concatenate[Invocation, P], R]) -> Callable[P, R]:
    """Give a click command the options of every command and hand it an :class:`Invocation` first."""

    @click.option(
        "--data-dir", type=click.Path(path_type=Path, file_okay=False), help="Folder of servers, state and logs."
    )
    @click.option("--json", "as_json", is_flag=True, help="Print machine-readable JSON.")
    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        data_dir, as_json = kwargs.pop("data_dir"), bool(kwargs.pop("as_json"))
        return function(Invocation(load_settings(data_dir=data_dir), as_json), *args, **kwargs)

    return wrapper
