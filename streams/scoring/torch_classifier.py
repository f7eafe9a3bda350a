"""Sequence classifiers by transformers and torch: any folder, or any model of the hub that is on this machine."""

import hashlib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from infra.errors import UserError
from schemas.records import SentimentScore

from .hub import SMALL_FILES, pulled
from .scorer import MAX_TOKENS, from_logits, label_order

MISSING = "transformers and torch are not installed; run: pip install moodtape[finbert]"


def torch_installed() -> bool:
    """Whether transformers and torch can be imported."""
    return find_spec("transformers") is not None and find_spec("torch") is not None


def available_here(model: str) -> bool:
    """Whether a model needs no download: a folder, or a name whose weights are in the hub's local cache."""
    if Path(model).is_dir():
        return (Path(model) / "config.json").is_file()
    return pulled(model) is not None


def model_folder(model: str) -> Path:
    """The folder of a model: itself, or that of a name of the hub.

    Raises:
        UserError: it is neither. Nothing is fetched here: a scorer that starts again must not come back with another
            revision, nor with files that nobody checked.
    """
    folder = Path(model) if Path(model).is_dir() else pulled(model)
    if folder is None:
        raise UserError(f"{model} is no folder and not on this machine; run: moodtape models pull {model}")
    return folder


class TorchScorer:
    """Scores by torch in single precision on the CPU, one thread, each text alone and without padding."""

    def __init__(self, model: str) -> None:
        """Load the model.

        Raises:
            UserError: the packages are missing, the model is not on this machine, or it cannot be loaded.
        """
        if not torch_installed():
            raise UserError(MISSING)
        import torch
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        torch.set_num_threads(1)
        self._torch = torch
        folder = model_folder(model)
        here = {"pretrained_model_name_or_path": folder, "local_files_only": True}
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(**here)
            self._model = AutoModelForSequenceClassification.from_pretrained(**here).float().eval()
        except (OSError, ValueError, RuntimeError) as error:
            reason = str(error).strip().partition("\n")[0]
            raise UserError(f"{model}: transformers cannot load it: {reason}") from None
        self.name = Path(model).resolve().name if Path(model).is_dir() else model
        self._order = label_order(self._model.config.id2label, model)
        self.version = f"{_digest(self._model, folder)}-torch"

    def score(self, text: str) -> SentimentScore:
        """Score one text: its first 64 tokens."""
        encoded = self._tokenizer(text, truncation=True, max_length=MAX_TOKENS, padding=False, return_tensors="pt")
        with self._torch.inference_mode():
            logits = self._model(**encoded).logits[0]
        return from_logits([float(value) for value in logits], self._order, self.name, self.version)

    def write(self, folder: Path) -> None:
        """Write configuration and tokenizer where the ONNX runtime looks for them."""
        self._model.config.save_pretrained(folder)
        self._tokenizer.save_pretrained(folder)

    def traceable(self, text: str) -> tuple[Any, dict[str, Any]]:
        """The torch module, and its inputs for a text by name, of shape (1, tokens).

        A text alone needs no mask, and attention without one is the fewest steps of a graph.
        """
        self._model.set_attn_implementation("eager")
        inputs = dict(self._tokenizer(text, return_tensors="pt"))
        return self._model, {name: values for name, values in inputs.items() if name != "attention_mask"}


def _digest(model: Any, folder: Path) -> str:
    """First 12 hexadecimal digits of a digest of all weights by name, of configuration and tokenizer."""
    digest = hashlib.blake2b()
    for path in sorted({path for pattern in SMALL_FILES for path in folder.glob(pattern)}):
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()[:12]
