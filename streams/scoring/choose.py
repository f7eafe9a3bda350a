"""The one rule that decides which scorer runs, from the settings ``scorer`` and ``model``.

====================== ===============================================================================================
``scorer``             what runs
====================== ===============================================================================================
``light``              the light model that comes with the package
``lexicon``            the lexicon, a floor to measure others by
``compact``            the compact model, which ``moodtape models pull compact`` puts together
``onnx:FOLDER``        that folder by onnxruntime
``transformers:MODEL`` that folder, or that model of the hub once it was pulled, by transformers and torch
``cascade:SCORER``     the light model, and one of the three above where it is less sure than ``cascade_confidence``
``auto`` (default)     the first that can run without a download: ``model`` as a folder with ``*.onnx`` by onnxruntime;
                       ``model`` as a folder, or as a model of the hub that is here, by transformers; the light model
====================== ===============================================================================================

The name and version of what runs stand in every record.
"""

from pathlib import Path

from infra.errors import UserError
from infra.settings import Settings

from .cascade import CascadeScorer
from .compact import compact_folder
from .lexicon import LexiconScorer
from .light import LightScorer
from .onnx import OnnxScorer, onnx_file, onnx_installed
from .scorer import Scorer
from .torch_classifier import TorchScorer, available_here, torch_installed


def chosen(settings: Settings) -> str:
    """What ``auto`` stands for on this machine; other settings are answered as they are.

    Raises:
        UserError: the setting is none of these.
    """
    larger = settings.scorer.removeprefix("cascade:")
    kind, _, model = larger.partition(":")
    if larger == "compact" or (kind in ("onnx", "transformers") and model) or settings.scorer in ("light", "lexicon"):
        return settings.scorer
    if settings.scorer != "auto":
        raise UserError(
            f"scorer {settings.scorer!r}: give auto, light, lexicon, compact, onnx:FOLDER, "
            "transformers:FOLDER-OR-NAME, or cascade: before one of the last three"
        )
    if onnx_installed() and onnx_file(Path(settings.model)) is not None:
        return f"onnx:{settings.model}"
    if torch_installed() and available_here(settings.model):
        return f"transformers:{settings.model}"
    return "light"


def make_scorer(settings: Settings) -> Scorer:
    """The scorer that the settings choose, loaded.

    Raises:
        UserError: the setting is wrong, a package is missing or the model cannot be loaded; says how to mend it.
    """
    name = chosen(settings)
    larger = name.removeprefix("cascade:")
    if larger != name:
        return CascadeScorer(LightScorer(), _loaded(larger, settings), settings.cascade_confidence)
    return _loaded(name, settings)


def _loaded(name: str, settings: Settings) -> Scorer:
    kind, _, model = name.partition(":")
    if kind == "compact":
        folder = compact_folder(settings)
        if onnx_file(folder) is None:
            needed = "" if onnx_installed() else "pip install moodtape[compact], then "
            raise UserError(f"the compact model is not here; run: {needed}moodtape models pull compact")
        return OnnxScorer(folder)
    if kind == "onnx":
        return OnnxScorer(Path(model))
    if kind == "transformers":
        return TorchScorer(model)
    return LexiconScorer() if kind == "lexicon" else LightScorer()
