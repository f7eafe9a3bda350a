"""How two series go together, for many windows at once: the contract's formulas over whole arrays.

All windows of one call have the same length and reach; a shorter one is filled up with NaN on its left, which
changes nothing, because what is NaN is in no pair. A lag L pairs ``x[i]`` with ``y[i + L]``.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special, stats

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

LEAST = 12.0
BAND = 1.96
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
    n, r, effective = lagged(x, y, reach)
    both = ~(np.isnan(x) | np.isnan(y))
    ranked = _rank_correlation(x, y, both)
    ranked[np.isnan(r[:, reach])] = np.nan
    p = _p(r, effective)
    p[~(effective >= LEAST)] = np.nan
    lags = tuple(range(-reach, reach + 1))
    answers = []
    for i in range(len(x)):
        at_zero = int(n[i, reach]), float(effective[i, reach])
        pearson = _figures(*at_zero, float(r[i, reach]))
        table = tuple(None if np.isnan(each) else each for each in r[i].tolist())
        best, p_best = _best(p[i], lags) if pearson["status"] == "OK" else (None, None)
        answers.append(
            (
                Told(**pearson, lags=lags, r_by_lag=table, best_lag=best, p_best=p_best, p_by_lag=tuple(p[i].tolist())),
                Told(
                    **_figures(*at_zero, float(ranked[i])),
                    lags=(),
                    r_by_lag=(),
                    best_lag=None,
                    p_best=None,
                    p_by_lag=(),
                ),
            )
        )
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


def _p(r: Floats, effective: Floats) -> Floats:
    """2 (1 - Phi(|atanh r| sqrt(n_effective - 3)))."""
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.abs(np.arctanh(r)) * np.sqrt(effective - 3)
        p: Floats = 2 * special.ndtr(-z)
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


def lagged(x: Floats, y: Floats, reach: int) -> tuple[npt.NDArray[np.int64], Floats, Floats]:
    """Number of pairs, r and effective number for each window and each lag from -reach to reach.

    r and effective number are NaN where there are fewer than two pairs or a side is constant.
    """
    first, second, there = _pairs(x, y, reach)
    n = there.sum(axis=1)
    first, square_first = _centred(first, there)
    second, square_second = _centred(second, there)
    r, effective = np.full(len(n), np.nan), np.full(len(n), np.nan)
    good = np.flatnonzero((n > 1) & (square_first > 0) & (square_second > 0))
    if len(good):
        first, second = first[good], second[good]
        squares = square_first[good], square_second[good]
        dots = np.einsum("ij,ij->i", first, second)
        r[good] = np.clip(dots / np.sqrt(squares[0]) / np.sqrt(squares[1]), -1.0, 1.0)
        effective[good] = _effective(first, second, squares, n[good])
    shape = (len(x), 2 * reach + 1)
    return n.reshape(shape), r.reshape(shape), effective.reshape(shape)


def _pairs(x: Floats, y: Floats, reach: int) -> tuple[Floats, Floats, Bools]:
    """A row for each window and lag: the pairs in order, side by side, zeros around them, and where they are."""
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
    torn = np.flatnonzero(np.count_nonzero(there[:, 1:] > there[:, :-1], axis=1) + there[:, :1].sum(axis=1) > 1)
    if len(torn):
        order = np.argsort(~there[torn], axis=1, kind="stable")
        first[torn], second[torn], there[torn] = (
            np.take_along_axis(each[torn], order, axis=1) for each in (first, second, there)
        )
    return np.where(there, first, 0.0), np.where(there, second, 0.0), there


def _centred(values: Floats, there: Bools) -> tuple[Floats, Floats]:
    """Rows less their means, and their sums of squares, 0 where a row is constant but for rounding."""
    n = there.sum(axis=1)
    mean = values.sum(axis=1) / np.maximum(n, 1)
    centred: Floats = values - mean[:, None]
    centred *= there
    square = np.einsum("ij,ij->i", centred, centred)
    return centred, np.where(square > n * (CONSTANT * mean) ** 2, square, 0.0)


def _effective(first: Floats, second: Floats, squares: tuple[Floats, Floats], n: npt.NDArray[np.int64]) -> Floats:
    """min(n, n / (1 + 2 sum_{k<K} (1 - k/n) a_x(k) a_y(k))), K the first lag with |a_x| or |a_y| in the band."""
    total = np.zeros(len(n))
    rows, (square_x, square_y) = np.arange(len(n)), squares
    for k in range(1, first.shape[1]):
        a_x = np.einsum("ij,ij->i", first[:, :-k], first[:, k:]) / square_x
        a_y = np.einsum("ij,ij->i", second[:, :-k], second[:, k:]) / square_y
        on = (np.minimum(np.abs(a_x), np.abs(a_y)) >= BAND / np.sqrt(n[rows])) & (k < n[rows])
        if not on.all():
            rows, first, second, a_x, a_y = rows[on], first[on], second[on], a_x[on], a_y[on]
            square_x, square_y = square_x[on], square_y[on]
        if not len(rows):
            break
        total[rows] += (1 - k / n[rows]) * a_x * a_y
    spread = 1 + 2 * total
    return np.where(spread > 0, np.minimum(n, n / np.where(spread > 0, spread, 1.0)), n)
