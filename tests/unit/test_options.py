"""What every command takes: ``--data-dir`` and ``--json``; and what counts as a number."""

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from infra.errors import ServiceUnavailable
from moodtape.cli import cli
from moodtape.options import Invocation, Number, common


@click.group()
@click.pass_context
@common
def group(call: Invocation, context: click.Context) -> None:
    """A group that takes what its commands take."""
    call.hand_on(context, str(context.invoked_subcommand))


@group.command()
@common
def tell(call: Invocation) -> None:
    """Tell what arrived."""
    call.show(str(call.settings.data_dir), "as text")


def test_options_before_a_commands_name_reach_the_command(tmp_path: Path) -> None:
    """Those given again behind it go first."""
    before = ["--data-dir", str(tmp_path / "a"), "--json"]
    assert CliRunner().invoke(group, [*before, "tell"]).stdout == f'"{tmp_path / "a"}"\n'
    assert CliRunner().invoke(group, [*before, "tell", "--data-dir", str(tmp_path)]).stdout == f'"{tmp_path}"\n'
    assert CliRunner().invoke(group, ["tell"]).stdout == "as text\n"


@pytest.mark.parametrize("arguments", [("list",), ("drop", "one"), ("switch", "live"), ("compare", "one")])
def test_replay_looks_into_the_folder_named_before_the_command(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """Its servers are asked for, not those of the folder of the settings."""
    done = CliRunner().invoke(cli, ["replay", "--data-dir", str(tmp_path), *arguments])
    assert isinstance(done.exception, ServiceUnavailable)
    assert f"not running in {tmp_path}:" in str(done.exception)


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "-0.1", "1.1", "one"])
def test_only_finite_numbers_of_the_range_are_taken(text: str) -> None:
    """What is no number at all, or outside of every range, is a wrong value of the option."""
    assert Number(0, 1).convert("0.25", None, None) == 0.25
    with pytest.raises(click.BadParameter):
        Number(0, 1).convert(text, None, None)
    with pytest.raises(click.BadParameter):
        Number().convert("inf", None, None)
