"""What a scorer is, and how probabilities become a score."""

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal, Protocol

from infra.errors import UserError
from schemas.records import SentimentScore

Label = Literal["positive", "negative", "neutral"]
LABELS: tuple[Label, ...] = ("positive", "negative", "neutral")
MAX_TOKENS = 64

_MEANINGS: Mapping[str, Label] = {
    "positive": "positive",
    "pos": "positive",
    "bullish": "positive",
    "negative": "negative",
    "neg": "negative",
    "bearish": "negative",
    "neutral": "neutral",
    "neu": "neutral",
}


class Scorer(Protocol):
    """Scores texts one at a time: the score of a text never depends on another text (contract, Sameness)."""

    @property
    def name(self) -> str:
        """Name of the model, as written into the records."""

    @property
    def version(self) -> str:
        """Digest of everything that decides a score, and the kind of runtime."""

    def score(self, text: str) -> SentimentScore:
        """Score one text of any length.

        Raises:
            PoisonError: the model failed on this text and would fail again.
        """


def make_score(probabilities: Mapping[Label, float], model: str, version: str) -> SentimentScore:
    """A score in [-1, 1] = positive - negative, and the likeliest label, neutral at a tie."""
    positive, negative, neutral = probabilities["positive"], probabilities["negative"], probabilities["neutral"]
    label: Label = "neutral"
    if max(negative, neutral) < positive:
        label = "positive"
    elif max(positive, neutral) < negative:
        label = "negative"
    return SentimentScore(
        score=positive - negative,
        positive=positive,
        negative=negative,
        neutral=neutral,
        label=label,
        model=model,
        model_version=version,
    )


def softmax(logits: Sequence[float]) -> list[float]:
    """Probabilities that sum to 1, in double precision."""
    top = max(logits)
    powers = [math.exp(value - top) for value in logits]
    total = sum(powers)
    return [power / total for power in powers]


def label_order(id2label: Mapping[object, str], folder: object) -> tuple[Label, ...]:
    """Our label of each output of a model, from its own configuration, never assumed.

    Raises:
        UserError: an output's label is not a sentiment.
    """
    names = [str(name).lower() for _, name in sorted((int(str(i)), name) for i, name in id2label.items())]
    unknown = [name for name in names if name not in _MEANINGS]
    if unknown or len(set(names)) != len(names) or not {"positive", "negative"} <= {_MEANINGS.get(n) for n in names}:
        raise UserError(f"{folder}: id2label in config.json names {names}; positive, negative (and neutral) are needed")
    return tuple(_MEANINGS[name] for name in names)


def from_logits(logits: Sequence[float], order: Sequence[Label], model: str, version: str) -> SentimentScore:
    """The score of a model's raw outputs; a label that the model lacks gets 0."""
    found = dict(zip(order, softmax(logits), strict=True))
    return make_score({label: found.get(label, 0.0) for label in LABELS}, model, version)


def digest_of(paths: Iterable[Path]) -> str:
    """First 12 hexadecimal digits of the SHA-256 of the files' contents in this order."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:12]
