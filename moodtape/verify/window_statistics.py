"""How two series go together, for many windows at once: the formulas of decision 3, ``method_version`` 2.

All windows of one call have the same length and reach; a shorter one is filled up with NaN on its left, which
changes nothing, because what is NaN is in no pair. A lag L pairs ``x[i]`` with ``y[i + L]``.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special, stats

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

METHOD_VERSION = 2
LEAST = 12.0
BAND = 1.96
BIAS_SHARE = 0.75
STEEPEST = 0.99
CONSTANT = 1e-13
NORMAL_975 = float(special.ndtri(0.975))
_CELLS = 400_000  # of one array: a few megabytes, which stay in the processor's cache


class Told(NamedTuple):
    """The statistical fields of a Correlation. ``p_by_lag`` is NaN where a lag is not usable."""

    n: int
    n_effective: float | None
    r: float | None
    p_value: float | None
    ci_low: float | None
    ci_high: float | None
    lags: tuple[int, ...]
    r_by_lag: tuple[float | None, ...]
    best_lag: int | None
    p_best: float | None
    status: str
    p_by_lag: tuple[float, ...]


def tell(x: Floats, y: Floats, reach: int) -> list[tuple[Told, Told]]:
    """PEARSON and SPEARMAN of each window.

    Args:
        x: leading series, shape (windows, length), NaN = missing.
        y: following series, same shape.
        reach: greatest lag.
    """
    at_once = max(1, _CELLS // (x.shape[1] * (2 * reach + 1)))
    answers: list[tuple[Told, Told]] = []
    for begin in range(0, len(x), at_once):
        answers += _tell(x[begin : begin + at_once], y[begin : begin + at_once], reach)
    return answers


def _tell(x: Floats, y: Floats, reach: int) -> list[tuple[Told, Told]]:
    n, r = lagged(x, y, reach)
    both = ~(np.isnan(x) | np.isnan(y))
    ranked = _rank_correlation(x, y, both)
    ranked[np.isnan(r[:, reach])] = np.nan
    lags = tuple(range(-reach, reach + 1))
    answers = []
    for i in range(len(x)):
        pairs, at_zero = int(n[i, reach]), float(r[i, reach])
        effective = np.nan if np.isnan(at_zero) else effective_number(x[i, both[i]], y[i, both[i]])
        pearson = _figures(pairs, effective, at_zero)
        table = tuple(None if np.isnan(each) else each for each in r[i].tolist())
        p = np.full(len(lags), np.nan) if pearson["status"] != "OK" else _p_by_lag(r[i], n[i] * effective / pairs)
        best, p_best = _best(p, lags)
        whole: dict[str, Any] = {
            "lags": lags,
            "r_by_lag": table,
            "best_lag": best,
            "p_best": p_best,
            "p_by_lag": tuple(p.tolist()),
        }
        none: dict[str, Any] = {"lags": (), "r_by_lag": (), "best_lag": None, "p_best": None, "p_by_lag": ()}
        answers.append((Told(**pearson, **whole), Told(**_figures(pairs, effective, float(ranked[i])), **none)))
    return answers


def _figures(n: int, effective: float, r: float) -> dict[str, Any]:
    """Status, p and interval at lag 0; NaN: there is no such coefficient."""
    none = dict.fromkeys(("n_effective", "r", "p_value", "ci_low", "ci_high"))
    if n < 2:
        return {**none, "n": n, "n_effective": float(n), "status": "INSUFFICIENT"}
    if np.isnan(r):
        return {**none, "n": n, "status": "DEGENERATE"}
    if effective < LEAST:
        return {**none, "n": n, "n_effective": effective, "r": r, "status": "INSUFFICIENT"}
    low = high = r
    if abs(r) < 1:
        half = NORMAL_975 / np.sqrt(effective - 3)
        low, high = (float(np.tanh(np.arctanh(r) + side)) for side in (-half, half))
    p = float(_p(np.array(r), np.array(effective)))
    return {
        "n": n, "n_effective": effective, "r": r, "p_value": p, "ci_low": low, "ci_high": high, "status": "OK"
    }  # fmt: skip


def _p_by_lag(r: Floats, effective: Floats) -> Floats:
    """The p of each lag; NaN where it is not usable."""
    return np.where(effective >= LEAST, _p(r, np.maximum(effective, LEAST)), np.nan)


def _p(r: Floats, effective: Floats) -> Floats:
    """2 (1 - Phi(|atanh r| sqrt(n_effective - 3)))."""
    with np.errstate(divide="ignore"):
        p: Floats = 2 * special.ndtr(-np.abs(np.arctanh(r)) * np.sqrt(effective - 3))
    return p


def _best(p: Floats, lags: tuple[int, ...]) -> tuple[int | None, float | None]:
    """The usable lag of the least p, and that p for the whole search."""
    usable = [(float(each), abs(lag), -lag) for each, lag in zip(p, lags, strict=True) if not np.isnan(each)]
    if not usable:
        return None, None
    least, _, lag = min(usable)
    return -lag, 1.0 if least >= 1 else float(-np.expm1(len(usable) * np.log1p(-least)))


def _rank_correlation(x: Floats, y: Floats, both: Bools) -> Floats:
    """Pearson's r of the mid-ranks of the pairs at lag 0; NaN where a side is constant."""
    sides = []
    for values in (x, y):
        ranks = stats.rankdata(np.where(both, values, np.inf), axis=1)  # what is no pair ranks behind all pairs
        sides.append(_centred(np.where(both, ranks, 0.0), both)[0])
    norm = np.sqrt((sides[0] ** 2).sum(axis=1) * (sides[1] ** 2).sum(axis=1))
    with np.errstate(invalid="ignore", divide="ignore"):
        r: Floats = np.clip((sides[0] * sides[1]).sum(axis=1) / norm, -1.0, 1.0)
    return r


def lagged(x: Floats, y: Floats, reach: int) -> tuple[npt.NDArray[np.int64], Floats]:
    """Number of pairs and r for each window and each lag from -reach to reach.

    r is NaN where there are fewer than two pairs or a side is constant.
    """
    first, second, there = _pairs(x, y, reach)
    n = there.sum(axis=1)
    first, square_first = _centred(first, there)
    second, square_second = _centred(second, there)
    r = np.full(len(n), np.nan)
    good = np.flatnonzero((n > 1) & (square_first > 0) & (square_second > 0))
    dots = np.einsum("ij,ij->i", first, second)[good]
    r[good] = np.clip(dots / np.sqrt(square_first[good]) / np.sqrt(square_second[good]), -1.0, 1.0)
    shape = (len(x), 2 * reach + 1)
    return n.reshape(shape), r.reshape(shape)


def _pairs(x: Floats, y: Floats, reach: int) -> tuple[Floats, Floats, Bools]:
    """A row for each window and lag: the pairs in order, zeros among them where there is none, and where they are."""
    windows, length = x.shape
    known = ~np.isnan(x)
    width = int(known.sum(axis=1).max(initial=1))
    places = np.argsort(~known, axis=1, kind="stable")[:, :width]
    known = np.take_along_axis(known, places, axis=1)
    padded = np.full((windows, length + 2 * reach), np.nan)
    padded[:, reach : reach + length] = y
    shifted = places[:, None, :] + np.arange(2 * reach + 1)[:, None]
    second = padded[np.arange(windows)[:, None, None], shifted].reshape(-1, width)
    first = np.repeat(np.take_along_axis(x, places, axis=1), 2 * reach + 1, axis=0)
    there = np.repeat(known, 2 * reach + 1, axis=0) & ~np.isnan(second)
    return np.where(there, first, 0.0), np.where(there, second, 0.0), there


def _centred(values: Floats, there: Bools) -> tuple[Floats, Floats]:
    """Rows less their means, and their sums of squares, 0 where a row is constant but for rounding."""
    n = there.sum(axis=1)
    mean = values.sum(axis=1) / np.maximum(n, 1)
    centred: Floats = values - mean[:, None]
    centred *= there
    square = np.einsum("ij,ij->i", centred, centred)
    return centred, np.where(square > n * (CONSTANT * mean) ** 2, square, 0.0)


def effective_number(x: Floats, y: Floats) -> float:
    """1 + tr(M S_x) tr(M S_y) / tr(M S_x M S_y), at most n, of pairs without a gap, neither side constant.

    M takes the mean away, S has a series' autocorrelations on its diagonals. With s the row sums of S and S the sum
    of them all, tr(M S) = n - S / n and tr(M S_x M S_y) = sum of S_x S_y - 2 s_x s_y / n + S_x S_y / n^2.
    """
    n = len(x)
    first, second = (_memory(found, n) for found in _autocorrelations(x, y))
    weights = np.concatenate([[n], 2.0 * np.arange(n - 1, 0, -1)])
    rows = [np.cumsum(c) + np.cumsum(c)[::-1] - c[0] for c in (first, second)]
    sums = [float(each.sum()) for each in rows]
    spread = float(weights @ (first * second) - 2 * (rows[0] @ rows[1]) / n + sums[0] * sums[1] / n**2)
    if spread <= 0:
        return float(n)
    return min(float(n), 1 + (n - sums[0] / n) * (n - sums[1] / n) / spread)


def _autocorrelations(x: Floats, y: Floats) -> tuple[list[float], list[float]]:
    """Of both series at the lags 1 to K, the first at which one of them is within the band of noise."""
    n, sides = len(x), [x - x.mean(), y - y.mean()]
    squares = [float(side @ side) for side in sides]
    found: tuple[list[float], list[float]] = ([], [])
    for k in range(1, n):
        here = [float(side[:-k] @ side[k:]) / square for side, square in zip(sides, squares, strict=True)]
        for values, value in zip(found, here, strict=True):
            values.append(value)
        if min(map(abs, here)) < BAND / np.sqrt(n):
            break
    return found


def _memory(found: list[float], n: int) -> Floats:
    """Autocorrelations at the lags 0 to n - 1: corrected for their bias below K, geometric beyond."""
    *told, last = found
    if not told:
        decay = last + BIAS_SHARE * (1 + 3 * last) / n
        geometric: Floats = np.power(np.full(n, np.clip(decay, -STEEPEST, STEEPEST)), np.arange(n))
        return geometric
    a, k = np.array(told), np.arange(1, len(found))
    total = np.clip(1 + 2 * a.sum(), 0.2, n / 4)
    corrected = np.clip(a + BIAS_SHARE * (k * a + total * (1 - a)) / n, -1.0, 1.0)
    tail = np.zeros(n - len(found))
    if corrected[-1] > 0:
        decay = min(corrected[-1] ** (1 / len(a)), STEEPEST)
        tail = corrected[-1] * np.power(np.full(len(tail), decay), np.arange(1, len(tail) + 1))
    return np.concatenate([[1.0], corrected, tail])
