"""What the light model says of texts that it did not see: a held-back fold, and each set from the other."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar

from streams.scoring.evaluate import calibration_error

from .fit import CLASSES, Choice, Floats, Model, Rows, fit, log_softmax, together
from .sets import Texts

HELD = 0
"""The fold that is held back; the teacher of the aids must not have seen it either."""
NEUTRAL = 2
_OFFSETS = np.arange(0.0, 1.5, 0.05)
_EQUAL = np.full(CLASSES, -np.log(CLASSES))


@dataclass(frozen=True, slots=True)
class Material:
    """A set and its rows as counted."""

    texts: Texts
    rows: Rows

    def chosen(self, kept: npt.NDArray[np.bool_]) -> "Material":
        """Some of its rows."""
        return Material(self.texts.rows(kept), self.rows.chosen(np.flatnonzero(kept)))

    @property
    def held(self) -> "Material":
        """The fold that is held back."""
        return self.chosen(self.texts.folds == HELD)

    @property
    def seen(self) -> "Material":
        """All others."""
        return self.chosen(self.texts.folds != HELD)

    @property
    def common(self) -> Floats:
        """Logarithm of how common each label is among the set's rows with a link, and among those without (n, 3)."""
        return common_of(self.texts, self.rows.links)


@dataclass(frozen=True, slots=True)
class Study:
    """What follows from the sets.

    Attributes:
        sets: the labelled sets.
        model: one that did not see the held-back fold.
        temperature: what to divide logits by for the best log-likelihood of the held-back rows.
        away: of each set, logits of its rows by a model of the other set alone.
        common: logarithm of how common the labels are taken to be, with a link (True) and without (False).
    """

    sets: Sequence[Material]
    model: Model
    temperature: float
    away: Sequence[Floats]
    common: Mapping[bool, Floats]

    def deployed(self, logits: Floats, rows: Rows) -> Floats:
        """Logits as the shipped model has them."""
        return logits / self.temperature + np.where(rows.links[:, None], self.common[True], self.common[False])

    def figures(self) -> Iterator[str]:
        """Lines of text, for people."""
        for one, away in zip(self.sets, self.away, strict=True):
            held = one.held
            logits = self.model.logits(held.rows)
            yield f"{one.texts.name:<9} held back               {_figures(held, self.deployed(logits, held.rows))}"
            own = logits / self.temperature + one.common[one.texts.folds == HELD]
            yield f"{one.texts.name:<9} held back, its own prior {_figures(held, own)}"
            yield f"{one.texts.name:<9} from the other set       {_figures(one, self.deployed(away, one.rows))}"
        without = np.exp(log_softmax(self.common[False][None]))[0]
        yield f"temperature {self.temperature:.3f}  taken as common without a link {without.round(3).tolist()}"


def study(sets: Sequence[Material], aids: Sequence[Material], choice: Choice) -> Study:
    """Fit all models that the figures need: one without the held-back fold, and one a set."""
    model = fitted([*(one.seen for one in sets), *aids], choice)
    held = [one.held for one in sets]
    warmth = temperature(
        np.concatenate([model.logits(one.rows) for one in held]),
        np.concatenate([one.texts.shares for one in held]),
        np.concatenate([one.common[one.texts.folds == HELD] for one in sets]),
        np.concatenate([np.full(len(one.texts.texts), 1 / len(one.texts.texts)) for one in held]),
    )
    away = [fitted([sets[1 - place]], choice).logits(one.rows) for place, one in enumerate(sets)]
    linked = sets[0].common[sets[0].rows.links][0]
    neutral = _EQUAL - np.eye(CLASSES)[NEUTRAL] * _offset(sets, [logits / warmth for logits in away])
    return Study(sets, model, warmth, away, {True: linked, False: neutral})


def fitted(material: Sequence[Material], choice: Choice) -> Model:
    """A model of some sets, each with its weight."""
    weight = np.concatenate(
        [np.full(len(one.texts.texts), one.texts.weight / len(one.texts.texts)) for one in material]
    )
    common = np.concatenate([one.common for one in material])
    shares = np.concatenate([one.texts.shares for one in material])
    return fit(together([one.rows for one in material]), shares, common, weight, choice)


def common_of(one: Texts, links: npt.NDArray[np.bool_]) -> Floats:
    """As :attr:`Material.common`, for whoever reads links another way."""
    common = np.zeros((len(one.texts), CLASSES))
    for group in (links, ~links):
        if group.any():
            common[group] = np.log(one.shares[group].mean(axis=0))
    return common


def temperature(logits: Floats, shares: Floats, common: Floats, weight: Floats) -> float:
    """What to divide logits (n, 3) by for the best log-likelihood of rows that a model did not see.

    Args:
        logits: what the model says.
        shares: of the labels (n, 3).
        common: logarithm of how common each label is where the row comes from (n, 3).
        weight: of each row (n).
    """

    def loss(log_temperature: float) -> float:
        return -float((weight[:, None] * shares * log_softmax(logits / np.exp(log_temperature) + common)).sum())

    return float(np.exp(minimize_scalar(loss, bounds=(-2, 2), method="bounded").x))


def _offset(sets: Sequence[Material], away: Sequence[Floats]) -> float:
    """What to take from neutral away from home: the best mean recall of the labels, each set by the other's model.

    A mean of recalls does not depend on how common the labels are, which nobody knows of texts to come.
    """
    recalls = []
    for offset in _OFFSETS:
        shift = np.eye(CLASSES)[NEUTRAL] * offset
        recalls.append(np.mean([_recall(one, z - shift) for one, z in zip(sets, away, strict=True)]))
    return float(_OFFSETS[int(np.argmax(recalls))])


def _recall(one: Material, logits: Floats) -> float:
    true, said = one.texts.labels[one.texts.single], logits[one.texts.single].argmax(axis=1)
    return float(np.mean([(said[true == label] == label).mean() for label in range(CLASSES)]))


def _figures(one: Material, logits: Floats) -> str:
    true, said = one.texts.labels[one.texts.single], logits[one.texts.single].argmax(axis=1)
    f1 = [
        2 * int(((true == k) & (said == k)).sum()) / max(1, int((true == k).sum() + (said == k).sum()))
        for k in range(CLASSES)
    ]
    sure = np.exp(log_softmax(logits[one.texts.single])).max(axis=1)
    off = calibration_error(list(zip((true == said).tolist(), sure.tolist(), strict=True)))
    right = (true == said).mean()
    return f"accuracy {right:.4f}  macro-F1 {np.mean(f1):.4f}  calibration error {off:.4f}  n {len(true)}"
