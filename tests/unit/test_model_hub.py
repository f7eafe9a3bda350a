"""Which files of the hub's cache a model's name stands for."""

from pathlib import Path

import pytest

from infra.errors import UserError
from streams.scoring.hub import PULLED, pulled
from streams.scoring.torch_classifier import available_here, model_folder

NAME = "someone/some-classifier"
EARLIER, LATER = "a" * 40, "b" * 40
WHOLE = ("config.json", "tokenizer.json", "model.safetensors")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the hub's client, in place of the user's."""
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    return tmp_path


def keep(cache: Path, revision: str, names: tuple[str, ...], *references: str) -> Path:
    """Put files of a revision into the cache as the hub's client does; returns their folder."""
    kept = cache / "models--someone--some-classifier"
    folder = kept / "snapshots" / revision
    for path in [*(folder / name for name in names), *(kept / "refs" / name for name in references)]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(revision if path.parent.name == "refs" else "{}")
    return folder


def test_what_was_pulled_stays_whatever_else_comes_into_the_cache(cache: Path) -> None:
    """Another program's newer revision, whole or in part, moves ``main`` and not the model that scores."""
    folder = keep(cache, EARLIER, WHOLE, PULLED, "main")
    keep(cache, LATER, WHOLE, "main")
    assert pulled(NAME) == model_folder(NAME) == folder
    assert available_here(NAME)


def test_a_model_that_another_program_fetched_is_found(cache: Path) -> None:
    """Safetensors or pickled, where configuration and weights are there; half of a model is none."""
    keep(cache, EARLIER, ("config.json",), "main")
    assert pulled(NAME) is None
    folder = keep(cache, EARLIER, ("pytorch_model.bin",))
    assert pulled(NAME) == folder


@pytest.mark.parametrize("name", [NAME, "/models/absent", "../absent", "a b"])
def test_a_model_that_is_not_here_is_not_fetched(cache: Path, name: str) -> None:
    """Whoever names it is told the command that fetches it; ``auto`` takes another scorer."""
    with pytest.raises(UserError, match=f"moodtape models pull {name}"):
        model_folder(name)
    assert not available_here(name)
