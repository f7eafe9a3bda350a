"""``moodtape models pull`` against a hub on loopback: whole, interrupted, damaged, absent."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra.errors import ServiceUnavailable, UserError
from streams.scoring.hub import PULLED
from tests.helpers.model_hub import LARGE, Hub, serve

NAME = "someone/some-classifier"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Files with the names of a model's; their content does not matter here."""
    made = tmp_path / "model"
    made.mkdir()
    (made / "config.json").write_text('{"id2label": {"0": "positive", "1": "negative"}}')
    (made / "tokenizer.json").write_text("{}")
    # The client writes what it gets in pieces of 10 MB: half of the file must be more than one.
    (made / "model.safetensors").write_bytes(bytes(range(256)) * (24 * LARGE // 256))
    (made / "pytorch_model.bin").write_bytes(b"the same weights, pickled")
    return made


def pull(hub: Hub, cache: Path, name: str = NAME) -> "subprocess.CompletedProcess[str]":
    """Run the command with its own cache."""
    environment = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HOME": str(cache), "HF_HUB_DISABLE_XET": "1"}
    command = [sys.executable, "-m", "moodtape", "models", "pull", name]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=False)


def weights(cache: Path) -> list[bytes]:
    """What the cache holds of the weights."""
    return [path.read_bytes() for path in cache.rglob("snapshots/*/model.safetensors")]


def test_a_model_is_fetched_whole_once(folder: Path, tmp_path: Path) -> None:
    """Every file lands as it is, pickles stay away where there are safetensors, and a second call fetches nothing."""
    with serve(Hub(NAME, folder)) as hub:
        done = pull(hub, tmp_path / "cache")
        assert done.returncode == 0, done.stderr
        assert weights(tmp_path / "cache") == [(folder / "model.safetensors").read_bytes()]
        assert not list((tmp_path / "cache").rglob("pytorch_model.bin"))
        assert pull(hub, tmp_path / "cache").returncode == 0


def test_what_was_pulled_is_named_in_the_cache(folder: Path, tmp_path: Path) -> None:
    """Under a name of ours, which a newer revision takes when it is pulled and not before."""
    with serve(Hub(NAME, folder)) as hub:
        for sha in ("a" * 40, "b" * 40):
            hub.sha = sha
            assert pull(hub, tmp_path / "cache").returncode == 0
            assert [path.read_text() for path in (tmp_path / "cache").rglob(f"refs/{PULLED}")] == [sha]


def test_an_interrupted_fetch_goes_on_where_it_was(folder: Path, tmp_path: Path) -> None:
    """A connection that breaks in the middle costs what is missing, not what is there."""
    with serve(Hub(NAME, folder, cut={"model.safetensors": 1})) as hub:
        assert pull(hub, tmp_path / "cache").returncode == ServiceUnavailable.exit_code
        done = pull(hub, tmp_path / "cache")
        assert done.returncode == 0, done.stderr
        assert weights(tmp_path / "cache") == [(folder / "model.safetensors").read_bytes()]
        assert any(asked.startswith("model.safetensors bytes=") and "bytes=0-" not in asked for asked in hub.ranges)


def test_a_damaged_file_is_removed_and_fetched_again(folder: Path, tmp_path: Path) -> None:
    """A file whose digest is not the hub's is not kept; the next call mends it."""
    with serve(Hub(NAME, folder, spoil="model.safetensors")) as hub:
        done = pull(hub, tmp_path / "cache")
        assert (done.returncode, weights(tmp_path / "cache")) == (UserError.exit_code, [])
        assert "damaged" in done.stderr
        hub.spoil = None
        assert pull(hub, tmp_path / "cache").returncode == 0
        assert weights(tmp_path / "cache") == [(folder / "model.safetensors").read_bytes()]


def test_what_is_not_there_is_said(folder: Path, tmp_path: Path) -> None:
    """An unknown name, something that is no classifier, and a hub that is away: one line, no traceback."""
    with serve(Hub(NAME, folder)) as hub:
        unknown = pull(hub, tmp_path / "cache", "someone/nothing")
        (folder / "config.json").unlink()
        none = pull(hub, tmp_path / "cache")
    away = pull(hub, tmp_path / "cache")
    assert (unknown.returncode, none.returncode, away.returncode) == (2, 2, ServiceUnavailable.exit_code)
    assert all(len(done.stderr.strip().splitlines()) <= 2 for done in (unknown, none, away))
    assert all("Traceback" not in done.stderr for done in (unknown, none, away))
