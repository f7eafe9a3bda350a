"""A classifier of transformers as ONNX, in single precision or int8, with a gate: it must say the same as before."""

import logging
import shutil
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from infra.errors import UserError

from .onnx import OnnxScorer
from .rewriting import by_token, first_token_only, matrices
from .scorer import MAX_TOKENS, Scorer
from .torch_classifier import TorchScorer, torch_installed

MISSING = "exporting needs transformers, torch and onnx; run: pip install moodtape[export]"
LEAST_AGREEMENT = 0.99
MEASURED = 200


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export came to. ``agreement`` is the share of ``texts`` that kept their label; deviation is of scores."""

    folder: str
    precision: str
    texts: int
    agreement: float
    largest_deviation: float
    bytes: int


def export(model: str, folder: Path, texts: Sequence[str], *, int8: bool, least: float = LEAST_AGREEMENT) -> Exported:
    """Write ``model`` as ONNX into a new folder that the scorer ``onnx:FOLDER`` reads.

    Args:
        model: folder or hub name of a sequence classifier.
        folder: must not exist yet, or be empty.
        texts: what the gate lets both score.
        int8: store the layers' weights as int8 (activations are quantised while scoring, each token for itself). Every
            other text then says how large they become, and the rest are compared.
        least: share of the texts that must keep their label.

    Raises:
        UserError: packages are missing, the model cannot be loaded, or the gate failed: then nothing is written.
    """
    if not torch_installed() or find_spec("onnx") is None:
        raise UserError(MISSING)
    if not texts:
        raise UserError("no texts to compare the models with")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} is there already; give a new folder")
    original = TorchScorer(model)
    with TemporaryDirectory() as room:
        made = Path(room) / folder.name
        made.mkdir()
        original.write(made)
        _to_onnx(original, made / "model.onnx")
        _first_token_only(made / "model.onnx")
        if int8:
            _quantise(made, texts[::2][:MEASURED])
            texts = texts[1::2] or texts
        agreement, deviation = compare(original, OnnxScorer(made), texts)
        if agreement < least:
            raise UserError(
                f"only {agreement:.2%} of {len(texts)} texts keep their label, {least:.2%} are asked for; nothing was "
                "written" + ("; export without --int8" if int8 else "")
            )
        size = sum(path.stat().st_size for path in made.iterdir())
        folder.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(made, folder, dirs_exist_ok=True)
    return Exported(str(folder), "int8" if int8 else "fp32", len(texts), agreement, deviation, size)


def compare(first: Scorer, second: Scorer, texts: Sequence[str]) -> tuple[float, float]:
    """Share of texts with the same label, and the largest difference of their scores."""
    pairs = [(first.score(text), second.score(text)) for text in texts]
    same = sum(a.label == b.label for a, b in pairs)
    return same / len(pairs), max(abs(a.score - b.score) for a, b in pairs)


def _to_onnx(scorer: TorchScorer, path: Path) -> None:
    import torch

    model, example = scorer.traceable("Profit rose and the outlook was raised")
    length = torch.export.Dim("length", min=2, max=MAX_TOKENS)
    shapes: dict[str, Any] = {name: {1: length} for name in example}
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it warns of what text models do not use
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model,
            kwargs=example,
            f=str(path),
            input_names=list(example),
            output_names=["logits"],
            dynamic_shapes=shapes,
            external_data=False,
            verbose=False,
            dynamo=True,
        )


def _first_token_only(path: Path) -> None:
    import onnx

    model = onnx.load(path)
    first_token_only(model.graph)
    onnx.save(model, path)


def _quantise(folder: Path, texts: Sequence[str]) -> None:
    """Replace the model by one with int8 matrices, a scale for each output.

    The table of words keeps its precision: it is not multiplied by, so rounding it costs labels and saves no time.
    """
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    source = folder / "model.onnx"
    model = onnx.load(source)
    by_token(model.graph, OnnxScorer(folder).largest(texts, list(matrices(model.graph))))
    onnx.save(model, source)
    logging.getLogger().setLevel(logging.ERROR)  # it advises a step that changes nothing for these models
    quantize_dynamic(
        source,
        folder / "model.int8.onnx",
        op_types_to_quantize=["MatMul"],
        per_channel=True,
        reduce_range=True,  # so that no processor's 16-bit sums saturate
        weight_type=QuantType.QInt8,
    )
    source.unlink()
