"""What the light model says of texts that it did not see: held-back folds, and each set from the other."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar

from .fit import CLASSES, Choice, Floats, Model, Rows, fit, log_softmax, together
from .sets import FOLDS, Texts

NEUTRAL = 2
_OFFSETS = np.arange(0.0, 1.5, 0.05)
_EQUAL = np.full(CLASSES, -np.log(CLASSES))


@dataclass(frozen=True, slots=True)
class Study:
    """The folds' models and what follows from them.

    Attributes:
        sets: the training sets.
        rows: of each, as counted.
        choice: of the fit.
        models: one a fold, which did not see that fold.
        held: of each set, logits (n, 3) of every row by the model that saw neither the row nor its like.
        temperature: what to divide logits by for the best log-likelihood of the held-back rows.
        away: of each set, logits of its rows by a model of the other set.
        common: logarithm of how common the labels are taken to be, with a link (True) and without (False).
    """

    sets: Sequence[Texts]
    rows: Sequence[Rows]
    choice: Choice
    models: Sequence[Model]
    held: Sequence[Floats]
    temperature: float
    away: Sequence[Floats]
    common: Mapping[bool, Floats]

    def whole(self) -> Model:
        """The model of all rows."""
        return _fitted(self.sets, self.rows, self.choice)

    def deployed(self, logits: Floats, rows: Rows) -> Floats:
        """Logits as the shipped model has them."""
        return logits / self.temperature + np.where(rows.links[:, None], self.common[True], self.common[False])

    def figures(self) -> Iterator[str]:
        """Lines of text, for people."""
        for one, rows, held, away in zip(self.sets, self.rows, self.held, self.away, strict=True):
            yield f"{one.name:<9} held back               {_figures(one, self.deployed(held, rows))}"
            own = held / self.temperature + common_of(one, rows)
            yield f"{one.name:<9} held back, its own prior {_figures(one, own)}"
            yield f"{one.name:<9} from the other set       {_figures(one, self.deployed(away, rows))}"
        without = np.exp(log_softmax(self.common[False][None]))[0]
        yield f"temperature {self.temperature:.3f}  taken as common without a link {without.round(3).tolist()}"


def study(sets: Sequence[Texts], rows: Sequence[Rows], choice: Choice) -> Study:
    """Fit all models that the figures need: one a fold, and one a set."""
    models = [_fitted(*_but(sets, rows, fold), choice) for fold in range(FOLDS)]
    held = [_held(one, mine, models) for one, mine in zip(sets, rows, strict=True)]
    warmth = _temperature(sets, rows, held)
    away = [_fitted([sets[1 - place]], [rows[1 - place]], choice).logits(rows[place]) for place in range(len(sets))]
    linked = common_of(sets[0], rows[0])[rows[0].links][0]
    neutral = _EQUAL - np.eye(CLASSES)[NEUTRAL] * _offset(sets, [logits / warmth for logits in away])
    return Study(sets, rows, choice, models, held, warmth, away, {True: linked, False: neutral})


def common_of(one: Texts, rows: Rows) -> Floats:
    """Logarithm of how common each label is among the set's rows with a link, and among those without (n, 3)."""
    common = np.zeros((len(one.texts), CLASSES))
    for group in (rows.links, ~rows.links):
        if group.any():
            common[group] = np.log(one.shares[group].mean(axis=0))
    return common


def _but(sets: Sequence[Texts], rows: Sequence[Rows], fold: int) -> tuple[list[Texts], list[Rows]]:
    seen = [np.flatnonzero(one.folds != fold) for one in sets]
    return [one.rows(one.folds != fold) for one in sets], [mine.chosen(at) for mine, at in zip(rows, seen, strict=True)]


def _fitted(sets: Sequence[Texts], rows: Sequence[Rows], choice: Choice) -> Model:
    """A model of some sets, each with the same weight."""
    weight = np.concatenate([np.full(len(one.texts), 1 / len(one.texts)) for one in sets])
    common = np.concatenate([common_of(one, mine) for one, mine in zip(sets, rows, strict=True)])
    return fit(together(rows), np.concatenate([one.shares for one in sets]), common, weight, choice)


def _held(one: Texts, rows: Rows, models: Sequence[Model]) -> Floats:
    logits = np.zeros((len(one.texts), CLASSES))
    for fold, model in enumerate(models):
        places = np.flatnonzero(one.folds == fold)
        logits[places] = model.logits(rows.chosen(places))
    return logits


def _temperature(sets: Sequence[Texts], rows: Sequence[Rows], logits: Sequence[Floats]) -> float:
    shares = np.concatenate([one.shares for one in sets])
    weight = np.concatenate([np.full(len(one.texts), 1 / len(one.texts)) for one in sets])[:, None]
    common = np.concatenate([common_of(one, mine) for one, mine in zip(sets, rows, strict=True)])
    all_ = np.concatenate(logits)

    def loss(log_temperature: float) -> float:
        return -float((weight * shares * log_softmax(all_ / np.exp(log_temperature) + common)).sum())

    return float(np.exp(minimize_scalar(loss, bounds=(-2, 2), method="bounded").x))


def _offset(sets: Sequence[Texts], away: Sequence[Floats]) -> float:
    """What to take from neutral away from home: the best mean recall of the labels, each set by the other's model.

    A mean of recalls does not depend on how common the labels are, which nobody knows of texts to come.
    """
    recalls = []
    for offset in _OFFSETS:
        shift = np.eye(CLASSES)[NEUTRAL] * offset
        found = [_recall(one.labels[one.single], (z - shift)[one.single]) for one, z in zip(sets, away, strict=True)]
        recalls.append(np.mean(found))
    return float(_OFFSETS[int(np.argmax(recalls))])


def _recall(true: npt.NDArray[np.int64], logits: Floats) -> float:
    said = logits.argmax(axis=1)
    return float(np.mean([(said[true == label] == label).mean() for label in range(CLASSES)]))


def _figures(one: Texts, logits: Floats) -> str:
    true, said = one.labels[one.single], logits[one.single].argmax(axis=1)
    f1 = [
        2 * int(((true == k) & (said == k)).sum()) / max(1, int((true == k).sum() + (said == k).sum()))
        for k in range(CLASSES)
    ]
    return f"accuracy {(true == said).mean():.4f}  macro-F1 {np.mean(f1):.4f}  n {len(true)}"
