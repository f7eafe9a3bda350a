"""The two labelled sets that the light model is trained on, both MIT: Twitter financial news and SEntFiN.

Read from the folder of sets (``MOODTAPE_SETS_DIR``); nothing of them is kept but weights.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from streams.scoring.scorer import LABELS, Label
from streams.scoring.sets import headlines, labelled

FOLDS = 5
_SAME_WORDS = 8


@dataclass(frozen=True, slots=True)
class Texts:
    """A labelled set: texts, shares of the labels (n, 3; a headline of two moods has two), fold of each."""

    name: str
    texts: tuple[str, ...]
    shares: npt.NDArray[np.float64]
    folds: npt.NDArray[np.int64]

    def rows(self, chosen: npt.NDArray[np.bool_]) -> "Texts":
        """Some of its rows."""
        texts = tuple(text for text, kept in zip(self.texts, chosen, strict=True) if kept)
        return Texts(self.name, texts, self.shares[chosen], self.folds[chosen])

    @property
    def single(self) -> npt.NDArray[np.bool_]:
        """Which rows have one label."""
        return np.asarray(self.shares.max(axis=1) == 1.0)

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """Index into ``LABELS`` of each row's largest share."""
        return np.asarray(self.shares.argmax(axis=1))


def training_sets(folder: Path) -> list[Texts]:
    """Twitter financial news (9,543 posts) and SEntFiN (10,753 headlines)."""
    twitter = [(text, [label]) for text, label in labelled("twitter", folder)]
    sentfin = [(title, list(entities.values())) for title, entities in headlines(folder)]
    return [_texts("twitter", twitter), _texts("sentfin", sentfin)]


def _texts(name: str, rows: Sequence[tuple[str, Sequence[Label]]]) -> Texts:
    shares = np.array([[labels.count(label) / len(labels) for label in LABELS] for _, labels in rows])
    texts = tuple(text for text, _ in rows)
    return Texts(name, texts, shares, np.array([fold_of(text) for text in texts]))


def fold_of(text: str) -> int:
    """The same for texts that differ in links, figures or their ends only, so that no fold holds another's copy."""
    words = re.findall(r"[a-z]+", re.sub(r"https?://\S+", " ", text.lower()))
    return hashlib.sha256(" ".join(words[:_SAME_WORDS]).encode()).digest()[0] % FOLDS
