"""``moodtape verify``: what does not go together, or is no time, is told in one sentence before any server is asked."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from infra.errors import UserError
from moodtape.commands.verify import verify


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--watch", "--as-of", "2022-03-14T12:00:00Z"], "--watch and --as-of"),
        (["--passes", "3"], "--passes needs --watch"),
        (["--as-of", "noon"], "--as-of"),
    ],
)
def test_options_that_make_no_sense(arguments: list[str], said: str, tmp_path: Path) -> None:
    """A user's mistake is a UserError that names the option."""
    result = CliRunner().invoke(verify, [*arguments, "--data-dir", str(tmp_path)])
    assert isinstance(result.exception, UserError)
    assert said in str(result.exception)


@pytest.mark.parametrize("option", ["--interval", "--wait"])
@pytest.mark.parametrize("seconds", ["nan", "inf", "-1", "1e300"])
def test_seconds_that_never_pass(option: str, seconds: str, tmp_path: Path) -> None:
    """They are refused with exit code 2, and the message names the option."""
    result = CliRunner().invoke(verify, ["--watch", option, seconds, "--data-dir", str(tmp_path)])
    assert result.exit_code == 2
    assert f"Invalid value for '{option}'" in result.stderr
