"""Regularised softmax regression over what the light model counts, and its weights as the file that ships."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.sparse import csr_matrix

from streams.scoring.light.features import FAMILIES, MEASURES, Key, dampening, keys, measures
from streams.scoring.light.reading import Reader
from streams.scoring.light.weights import Weights

Floats = npt.NDArray[np.float64]
CLASSES = 3


@dataclass(frozen=True, slots=True)
class Choice:
    """What can be chosen: strength of the penalty, rows a key must be in, keys kept."""

    penalty: float = 3.0
    rows: int = 2
    keep: int = 60_000


@dataclass(frozen=True, slots=True)
class Counted:
    """A text as counted."""

    keys: Mapping[tuple[str, Key], int]
    factor: float
    measures: Sequence[float]


@dataclass(frozen=True, slots=True)
class Model:
    """A fitted head: ``weights`` (keys + measures, 3), ``bias`` (3)."""

    vocabulary: dict[tuple[str, Key], int]
    weights: Floats
    bias: Floats

    def logits(self, counted: Sequence[Counted]) -> Floats:
        """Logits (n, 3) in the order of ``LABELS``."""
        return np.asarray(matrix(counted, self.vocabulary) @ self.weights + self.bias)


def count(texts: Sequence[str]) -> list[Counted]:
    """Count every text."""
    reader = Reader()
    return [_counted(reader, text) for text in texts]


def _counted(reader: Reader, text: str) -> Counted:
    tokens = reader.read(text)
    return Counted(Counter(keys(tokens)), dampening(tokens), measures(text, tokens))


def vocabulary_of(counted: Sequence[Counted], rows: int) -> dict[tuple[str, Key], int]:
    """Keys that are in enough rows, in a fixed order."""
    seen = Counter(key for one in counted for key in one.keys)
    kept = sorted((key for key, times in seen.items() if times >= rows), key=repr)
    return {key: place for place, key in enumerate(kept)}


def matrix(counted: Sequence[Counted], vocabulary: dict[tuple[str, Key], int]) -> csr_matrix:
    """Rows of counts and measures (n, keys + measures)."""
    values: list[float] = []
    columns: list[int] = []
    ends = [0]
    for one in counted:
        places = sorted((vocabulary[key], times) for key, times in one.keys.items() if key in vocabulary)
        columns += [*(place for place, _ in places), *range(len(vocabulary), len(vocabulary) + len(MEASURES))]
        values += [*(one.factor * times for _, times in places), *one.measures]
        ends.append(len(columns))
    return csr_matrix((values, columns, ends), shape=(len(counted), len(vocabulary) + len(MEASURES)))


def fit(counted: Sequence[Counted], shares: Floats, weight: Floats, choice: Choice) -> Model:
    """Fit by L-BFGS; ``shares`` (n, 3) may be split between labels, ``weight`` (n) is brought to a mean of 1."""
    vocabulary = vocabulary_of(counted, choice.rows)
    x = matrix(counted, vocabulary)
    weights, bias = _descend(x, shares, weight / weight.mean(), choice.penalty)
    return Model(vocabulary, weights, bias)


def _descend(x: csr_matrix, shares: Floats, weight: Floats, penalty: float) -> tuple[Floats, Floats]:
    width, turned = x.shape[1], x.T.tocsr()

    def loss(flat: Floats) -> tuple[float, Floats]:
        head, bias = flat[:-CLASSES].reshape(width, CLASSES), flat[-CLASSES:]
        logs = log_softmax(x @ head + bias)
        off = (np.exp(logs) - shares) * weight[:, None]
        value = -float((weight[:, None] * shares * logs).sum()) + 0.5 * penalty * float((head * head).sum())
        return value, np.concatenate([(turned @ off + penalty * head).ravel(), off.sum(axis=0)])

    options = {"maxiter": 300, "maxcor": 8}
    found = minimize(loss, np.zeros((width + 1) * CLASSES), jac=True, method="L-BFGS-B", options=options).x
    return found[:-CLASSES].reshape(width, CLASSES), found[-CLASSES:]


def log_softmax(logits: Floats) -> Floats:
    """Logarithms of the probabilities (n, 3)."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))


def exported(model: Model, temperature: float, keep: int) -> Weights:
    """The model as it ships: two columns against neutral, the smallest keys dropped, the others as int8."""
    against = (model.weights[:, :2] - model.weights[:, 2:]) / temperature
    bias = (model.bias[:2] - model.bias[2]) / temperature
    counted = against[: len(model.vocabulary)]
    step = np.abs(counted).max(axis=0) / 127
    units = np.rint(counted / step).astype(int)
    order = np.argsort(-np.abs(counted).max(axis=1), kind="stable")[:keep]
    kept = {int(place) for place in order if units[place].any()}
    families: dict[str, dict[Key, tuple[int, int]]] = {name: {} for name in FAMILIES}
    for (name, key), place in model.vocabulary.items():
        if place in kept:
            families[name][key] = (int(units[place, 0]), int(units[place, 1]))
    rest = [(float(up), float(down)) for up, down in against[len(model.vocabulary) :]]
    return Weights(families, (float(step[0]), float(step[1])), (float(bias[0]), float(bias[1])), rest)
