"""What a user installs: one wheel, names of its own, commands that answer from any folder, documented settings."""

import os
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from infra.settings import Settings
from moodtape.cli import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("moodtape", "producers", "streams", "sinks", "api", "schemas", "infra")


def test_no_other_distribution_provides_a_name_of_ours() -> None:
    """Our six import names and the command's are nobody else's in this environment."""
    providers = packages_distributions()
    assert {name: set(providers.get(name, [])) - {"moodtape"} for name in PACKAGES} == {
        name: set() for name in PACKAGES
    }


def test_every_setting_is_documented() -> None:
    """docs/settings.md has a line with name, default and meaning of each setting, and no other."""
    text = (ROOT / "docs" / "settings.md").read_text("utf-8")
    lines = [line for line in text.splitlines() if line.startswith("| `MOODTAPE_")]
    assert len(lines) == len(Settings.model_fields)
    for (name, field), line in zip(Settings.model_fields.items(), lines, strict=True):
        assert line.startswith(f"| `MOODTAPE_{name.upper()}` |")
        assert line.endswith(f"| {field.description} |")


def test_the_readme_names_no_command_that_is_not_there() -> None:
    """Each ``moodtape WORD`` of the README is a command."""
    words = (ROOT / "README.md").read_text("utf-8").split("`moodtape ")[1:]
    named = {text.split("`")[0].split()[0] for text in words} - {"--help"}
    assert named <= set(COMMANDS)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with our wheel and the pinned packages; its folder of programs."""
    folder = tmp_path_factory.mktemp("wheel")
    uv = [sys.executable, "-m", "uv", "-q"]
    environment = {**os.environ, "UV_PYTHON_DOWNLOADS": "never"}

    def run(*arguments: str) -> None:
        subprocess.run([*uv, *arguments], check=True, cwd=ROOT, env=environment)

    run("build", "--wheel", "--no-build-isolation", "--out-dir", str(folder), str(ROOT))
    run("venv", "--python", sys.executable, str(folder / "venv"))
    python = str(folder / "venv" / "bin" / "python")
    run("pip", "install", "--python", python, "--require-hashes", "-r", "requirements.lock")
    run("pip", "install", "--python", python, "--no-deps", str(next(folder.glob("*.whl"))))
    return folder / "venv" / "bin"


def test_the_wheel_runs_every_command_from_any_folder(installed: Path) -> None:
    """From ``/``, with nothing of the checkout in reach, each command prints its help."""
    for command in COMMANDS:
        done = subprocess.run(
            [installed / "moodtape", command, "--help"], cwd="/", capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert "--data-dir" in done.stdout or "Commands:" in done.stdout


def test_the_wheel_carries_schemas_tables_and_word_lists(installed: Path) -> None:
    """Files that are no code are in the wheel too."""
    code = (
        "import schemas, infra, streams; from importlib.resources import files; from schemas.registry import REGISTRY;"
        "print(len(REGISTRY.by_id), len(list((files('infra') / 'sql').iterdir())))"
    )
    done = subprocess.run([installed / "python", "-c", code], cwd="/", capture_output=True, text=True, check=True)
    schemas, migrations = map(int, done.stdout.split())
    assert schemas == 10
    assert migrations >= 1
