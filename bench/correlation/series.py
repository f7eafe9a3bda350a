"""Pairs of series whose truth is known."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
WARM_UP = 300


def autoregressive(random: np.random.Generator, pairs: int, n: int, *weights: float) -> Array:
    """Shape (pairs, n): each value is the weighted sum of those before it, the nearest first, plus noise."""
    values = random.standard_normal((pairs, n + WARM_UP))
    for t in range(len(weights), n + WARM_UP):
        for k, weight in enumerate(weights, start=1):
            values[:, t] += weight * values[:, t - k]
    return values[:, WARM_UP:]


def noisy(random: np.random.Generator, pairs: int, n: int, memory: float) -> Array:
    """A series with memory under as much noise again: what a mood measured from few posts looks like."""
    signal = autoregressive(random, pairs, n, memory)
    return signal + random.standard_normal((pairs, n)) / np.sqrt(1.0 - memory**2)


def related(random: np.random.Generator, pairs: int, n: int, memory: float, r: float) -> tuple[Array, Array]:
    """Two series of the same memory whose correlation at lag 0 is ``r``."""
    x, noise = autoregressive(random, pairs, n, memory), autoregressive(random, pairs, n, memory)
    return x, r * x + np.sqrt(1.0 - r**2) * noise


def leading(random: np.random.Generator, pairs: int, n: int, memory: float, r: float, lag: int) -> tuple[Array, Array]:
    """Two series of the same memory, the second following the first by ``lag`` steps with correlation ``r``."""
    x, y = related(random, pairs, n + lag, memory, r)
    return x[:, lag:], y[:, :n]
