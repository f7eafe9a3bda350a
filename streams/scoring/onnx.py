"""Sequence classifiers as ONNX: a folder with ``*.onnx``, ``tokenizer.json`` and ``config.json``."""

import json
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infra.errors import PoisonError, UserError
from schemas.records import SentimentScore

from .scorer import MAX_TOKENS, digest_of, from_logits, label_order

MISSING = "the ONNX runtime is not installed; run: pip install moodtape[onnx]"

_RUNTIME = "onnx2"
"""Part of every version: the runtime with the options of this module, which move a score's last digits, too."""


def onnx_installed() -> bool:
    """Whether onnxruntime and tokenizers can be imported."""
    return find_spec("onnxruntime") is not None and find_spec("tokenizers") is not None


def onnx_file(folder: Path) -> Path | None:
    """The model file of a folder: the first by name of ``*.onnx``, where its companions are there too."""
    files = sorted(folder.glob("*.onnx")) if folder.is_dir() else []
    whole = files and (folder / "tokenizer.json").is_file() and (folder / "config.json").is_file()
    return files[0] if whole else None


class OnnxScorer:
    """Scores by onnxruntime, one thread a call, each text alone and without padding.

    Scores of int8 models move by up to 0.3 with what else is in the batch, so there is no batch. Several threads
    may call :meth:`score` at the same time.
    """

    def __init__(self, folder: Path) -> None:
        """Load the model.

        Raises:
            UserError: the runtime is missing, or the folder is not a model.
        """
        if not onnx_installed():
            raise UserError(MISSING)
        path = onnx_file(folder)
        if path is None:
            raise UserError(f"{folder}: no model; a folder with *.onnx, tokenizer.json and config.json is needed")
        self.name = folder.resolve().name
        self.version = f"{digest_of([path, folder / 'tokenizer.json', folder / 'config.json'])}-{_RUNTIME}"
        self._order = label_order(_part(folder / "config.json", "id2label"), folder)
        self._tokenizer = _tokenizer(folder)
        self._path, self._session = path, _session(path)
        self._inputs = {node.name for node in self._session.get_inputs()}

    def score(self, text: str) -> SentimentScore:
        """Score one text: its first 64 tokens.

        Raises:
            PoisonError: the runtime failed on it.
        """
        try:
            logits = self._session.run(None, self._feed(text))[0][0]
        except _runtime_errors() as error:
            raise PoisonError("invalid", f"{self.name} cannot score a text: {error}") from None
        return from_logits([float(value) for value in logits], self._order, self.name, self.version)

    def largest(self, texts: Sequence[str], tensors: Sequence[str]) -> Mapping[str, NDArray[np.float32]]:
        """Of tensors (1, tokens, width) inside the model the largest absolute value of each column over texts (width).

        Needs the package ``onnx``.
        """
        import onnx

        model = onnx.load(self._path)
        model.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in tensors)
        session = _session(model.SerializeToString())
        found = {name: np.zeros(1, dtype=np.float32) for name in tensors}
        for text in texts:
            for name, values in zip(tensors, session.run(list(tensors), self._feed(text)), strict=True):
                found[name] = np.maximum(found[name], np.abs(values).reshape(-1, values.shape[-1]).max(axis=0))
        return found

    def _feed(self, text: str) -> Mapping[str, NDArray[np.int64]]:
        encoding = self._tokenizer.encode(text)
        columns = {
            "input_ids": encoding.ids,
            "attention_mask": encoding.attention_mask,
            "token_type_ids": encoding.type_ids,
        }
        return {name: np.array([values], dtype=np.int64) for name, values in columns.items() if name in self._inputs}


def _part(path: Path, name: str) -> Mapping[Any, Any]:
    """One object of a JSON file of the model.

    Raises:
        UserError: it cannot be read.
    """
    try:
        part: dict[Any, Any] = json.loads(path.read_text(encoding="utf-8"))[name]
        if not isinstance(part, dict):
            raise TypeError(name)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: no {name} can be read from it ({error!r})") from None
    return part


def _tokenizer(folder: Path) -> Any:
    from tokenizers import Tokenizer

    path = folder / "tokenizer.json"
    _part(path, "model")
    return limited(Tokenizer.from_file(str(path)))


def limited(tokenizer: Any) -> Any:
    """A tokenizer set to what a scorer reads of a text: its first 64 tokens, without padding."""
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_TOKENS)
    return tokenizer


def _session(model: Path | bytes) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(
            str(model) if isinstance(model, Path) else model,
            options,
            providers=["CPUExecutionProvider"],
            # Its sum with the norm behind it takes four times as long as the two apart.
            disabled_optimizers=["SkipLayerNormFusion"],
        )
    except _runtime_errors() as error:
        raise UserError(f"{model!s:.200}: onnxruntime cannot load it: {error}") from None


def _runtime_errors() -> tuple[type[Exception], ...]:
    """The runtime's errors; they have no class in common but Exception."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    found = (value for value in vars(state).values() if isinstance(value, type) and issubclass(value, Exception))
    return (*found, RuntimeError, ValueError)
