"""Regularised softmax regression over what the light model counts, and its weights as the file that ships.

The logits are ``counts W + vectors V + bias``, to which training adds the logarithm of how common each label is in the
row's group (its set, with or without a link): so what is learned is free of that, and the file that ships adds what
is right away from home (see :func:`exported`). ``vectors`` are sums over words, so V ends up in the words' weights.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.sparse import csr_matrix, vstack

from streams.scoring.light.features import FAMILIES, MEASURES, Key, dampening, has_link, keys, measures
from streams.scoring.light.reading import Reader
from streams.scoring.light.weights import Weights

from .vectors import WordVectors

Floats = npt.NDArray[np.float64]
CLASSES = 3
LARGEST = 2047  # of the integer weights


@dataclass(frozen=True, slots=True)
class Choice:
    """What can be chosen: strength of the penalties, rows a key must be in, keys kept beside the vectors' words."""

    penalty: float = 20.0
    vector_penalty: float = 20.0
    rows: int = 2
    keep: int = 80_000


@dataclass(frozen=True, slots=True)
class Rows:
    """Texts as counted: keys and measures (n, keys + measures), sums of vectors (n, 384), which have a link (n)."""

    counts: csr_matrix
    bags: npt.NDArray[np.float32]
    links: npt.NDArray[np.bool_]

    def chosen(self, places: npt.NDArray[np.int64]) -> "Rows":
        """Some of them."""
        return Rows(self.counts[places], self.bags[places], self.links[places])


def together(parts: Sequence[Rows]) -> Rows:
    """One after the other."""
    counts = vstack([part.counts for part in parts]).tocsr()
    return Rows(counts, np.concatenate([p.bags for p in parts]), np.concatenate([p.links for p in parts]))


class TextCounter:
    """Counts texts over one list of keys: those that are in enough of the texts it was made from."""

    def __init__(self, texts: Sequence[str], vectors: WordVectors, choice: Choice) -> None:
        self._reader, self._vectors = Reader(), vectors
        seen = Counter(key for text in texts for key in set(keys(self._reader.read(text))))
        kept = sorted((key for key, times in seen.items() if times >= choice.rows), key=repr)
        self.vocabulary = {key: place for place, key in enumerate(kept)}

    def rows(self, texts: Sequence[str]) -> Rows:
        """Count every text."""
        values: list[float] = []
        columns: list[int] = []
        ends, bags, links = [0], [], []
        for text in texts:
            tokens = self._reader.read(text)
            factor, found = dampening(tokens), Counter(keys(tokens))
            places = sorted((self.vocabulary[key], times) for key, times in found.items() if key in self.vocabulary)
            columns += [*(place for place, _ in places), *self._measures()]
            values += [*(factor * times for _, times in places), *measures(text, tokens)]
            ends.append(len(columns))
            bags.append(factor * self._vectors.bag([token.word for token in tokens]))
            links.append(has_link(tokens))
        shape = (len(texts), len(self.vocabulary) + len(MEASURES))
        return Rows(csr_matrix((values, columns, ends), shape=shape), np.array(bags, np.float32), np.array(links, bool))

    def _measures(self) -> range:
        return range(len(self.vocabulary), len(self.vocabulary) + len(MEASURES))


@dataclass(frozen=True, slots=True)
class Model:
    """A fitted head: ``weights`` (keys + measures, 3), ``vectors`` (384, 3), ``bias`` (3)."""

    weights: Floats
    vectors: Floats
    bias: Floats

    def logits(self, rows: Rows) -> Floats:
        """Logits (n, 3) in the order of ``LABELS``, as if all labels were equally common."""
        return np.asarray(rows.counts @ self.weights + rows.bags @ self.vectors + self.bias)


def fit(rows: Rows, shares: Floats, common: Floats, weight: Floats, choice: Choice) -> Model:
    """Fit by L-BFGS.

    Args:
        rows: what is learned from.
        shares: of the labels (n, 3); a row may be split between them.
        common: logarithm of how common each label is where the row comes from (n, 3).
        weight: of each row (n), brought to a mean of 1.
        choice: penalties, and which keys count.
    """
    columns = np.flatnonzero(rows.counts.getnnz(axis=0) >= choice.rows)
    x = rows.counts[:, columns]
    width, deep = x.shape[1], rows.bags.shape[1]
    turned, scale = x.T.tocsr(), (weight / weight.mean())[:, None]

    def loss(flat: Floats) -> tuple[float, Floats]:
        head, inner, bias = _parts(flat, width, deep)
        logs = log_softmax(x @ head + rows.bags @ inner + bias + common)
        off = (np.exp(logs) - shares) * scale
        value = -float((scale * shares * logs).sum())
        value += 0.5 * choice.penalty * float((head * head).sum())
        value += 0.5 * choice.vector_penalty * float((inner * inner).sum())
        slopes = (
            turned @ off + choice.penalty * head,
            rows.bags.T @ off + choice.vector_penalty * inner,
            off.sum(axis=0),
        )
        return value, np.concatenate([slope.ravel() for slope in slopes])

    start = np.zeros((width + deep + 1) * CLASSES)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 60, "maxcor": 8}).x
    weights = np.zeros((rows.counts.shape[1], CLASSES))
    weights[columns], vectors, bias = _parts(found, width, deep)
    return Model(weights, vectors, bias)


def _parts(flat: Floats, width: int, deep: int) -> tuple[Floats, Floats, Floats]:
    head, inner, bias = np.split(flat, [width * CLASSES, (width + deep) * CLASSES])
    return head.reshape(width, CLASSES), inner.reshape(deep, CLASSES), bias


def log_softmax(logits: Floats) -> Floats:
    """Logarithms of the probabilities (n, 3)."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))


def exported(
    model: Model,
    vocabulary: Mapping[tuple[str, Key], int],
    vectors: WordVectors,
    temperature: float,
    common: Mapping[bool, Floats],
    keep: int,
) -> Weights:
    """The model as it ships: two columns against neutral, the smallest keys dropped, the others as integers.

    Args:
        model: what was fitted.
        vocabulary: its keys, with their rows in the weights.
        vectors: whose words all get a weight, those of no labelled text too.
        temperature: of the calibration.
        common: logarithm of how common each label is taken to be, in texts with a link (True) and without (False).
        keep: number of keys.
    """
    against = _against(model.weights) / temperature
    table = {key: against[place] for key, place in vocabulary.items()}
    inner = _against(model.vectors) / temperature
    for word in vectors.words:
        table["word", word] = table.get(("word", word), np.zeros(2)) + vectors.of(word) @ inner
    step = np.abs(list(table.values())).max(axis=0) / LARGEST
    units = {key: np.rint(value / step).astype(int) for key, value in table.items()}
    order = sorted(table, key=lambda key: (-float(np.abs(table[key]).max()), repr(key)))[:keep]
    families: dict[str, dict[Key, tuple[int, int]]] = {name: {} for name in FAMILIES}
    for name, key in order:
        if units[name, key].any():
            families[name][key] = (int(units[name, key][0]), int(units[name, key][1]))
    bias = {link: _against(model.bias / temperature + known) for link, known in common.items()}
    rest = [(float(up), float(down)) for up, down in against[len(vocabulary) :]]
    return Weights(families, _two(step), _two(bias[False]), _two(bias[True]), rest)


def _against(logits: Floats) -> Floats:
    """Positive and negative against neutral."""
    return np.asarray(logits[..., :2] - logits[..., 2:])


def _two(values: Floats) -> tuple[float, float]:
    return float(values[0]), float(values[1])
