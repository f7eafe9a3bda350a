"""A regularised logistic regression: le Cessie, van Houwelingen, *J. R. Stat. Soc. C* 41 (1992)."""

from dataclasses import dataclass

import numpy as np
from scipy import special

from .series import Array

PENALTY = 100.0
"""Half of it times the sum of squared weights is added to the log loss: a prior deviation of .1 for each."""

FARTHEST = 4.0
_STEPS = 25
_SMALL = 1e-10


@dataclass(frozen=True, slots=True)
class Model:
    """A fitted regression: ``mean`` and ``scale`` of the features, then weights with the constant first."""

    mean: Array
    scale: Array
    weights: Array

    def chances(self, features: Array) -> Array:
        """Chance of an up for each row, shape (n,)."""
        answer: Array = special.expit(_standard(features, self.mean, self.scale) @ self.weights)
        return answer


def fit(rows: Array, target: Array) -> Model:
    """Weights of least penalised log loss, by Newton's method; the constant is not penalised.

    Args:
        rows: shape (n, k); NaN = unknown, which counts as the mean.
        target: shape (n,), 1 where it went up, else 0; both occur.
    """
    there = ~np.isnan(rows)
    n = np.maximum(there.sum(axis=0), 1)
    mean = np.where(there, rows, 0.0).sum(axis=0) / n
    scale = np.sqrt((np.where(there, rows - mean, 0.0) ** 2).sum(axis=0) / n)
    design = _standard(rows, mean, scale)
    penalty = np.full(design.shape[1], PENALTY)
    penalty[0] = 0.0
    weights = np.zeros(design.shape[1])
    for _ in range(_STEPS):
        chances = special.expit(design @ weights)
        slope = design.T @ (target - chances) - penalty * weights
        curve = (design.T * (chances * (1.0 - chances))) @ design + np.diag(penalty)
        step = np.linalg.solve(curve, slope)
        weights = weights + step
        if float(np.abs(step).max()) < _SMALL:
            break
    return Model(mean, scale, weights)


def _standard(rows: Array, mean: Array, scale: Array) -> Array:
    """A constant, then each feature in deviations from its mean, held within four; 0 where unknown or constant."""
    away = np.divide(rows - mean, scale, out=np.zeros_like(rows), where=scale > 0)
    away = np.clip(np.where(np.isnan(away), 0.0, away), -FARTHEST, FARTHEST)
    return np.column_stack([np.ones(len(rows)), away])
