"""How strongly two series go together, and how sure one can be of it.

A series is a float array in the order of time, NaN where nothing is known. A lag L pairs ``x[i]`` with
``y[i + L]``, so a positive lag means that x leads. Everything is computed for all lags at once; array lengths
depend on the series only.

Formulas and where they come from:

- Autocorrelation ``a(k) = sum c[t] c[t+k] / sum c[t]^2`` with c the values less their mean: Box, Jenkins,
  Reinsel, *Time Series Analysis*, 2.1.5 (statsmodels ``acf`` with ``adjusted=False``).
- Effective number of pairs ``1 + tr(M S_x) tr(M S_y) / tr(M S_x M S_y)``, at most n: Clifford, Richardson, Hemon,
  *Biometrics* 45 (1989), and Dutilleul, *Biometrics* 49 (1993). M takes the mean away, S holds a series'
  autocorrelations. Those are estimated by :func:`profile`: corrected for their bias (Marriott, Pope, *Biometrika* 41
  (1954)) up to the lag K at which either series' is within 1.96 / sqrt(n), the band of no correlation, geometric
  beyond. ``bench/correlation`` shows the size and the coverage that this gives, decision 3 why.
- ``atanh r`` is about normal with deviation ``1 / sqrt(n - 3)``: Fisher, *Metron* 1 (1921), with the effective
  number for n.
- ``1 - (1 - p)^m`` for the smallest of m p-values: Šidák, *J. Am. Stat. Assoc.* 62 (1967).
- Mid-ranks: Kendall, *Biometrika* 33 (1945); as scipy's ``rankdata``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import atanh, erfc, expm1, isnan, log1p, nan, sqrt, tanh

import numpy as np
from numpy.typing import NDArray
from scipy import special

from schemas.records import Status

Array = NDArray[np.float64]
Bools = NDArray[np.bool_]
Counts = NDArray[np.int64]

# Version of the inference, in every record; 1 was Bartlett's sum of the raw autocorrelations.
METHOD_VERSION = 2
LEAST_EFFECTIVE = 12.0
# The whole bias would be 1. The effective number is convex in it, so that taking all of it away goes too far.
BIAS_SHARE = 0.75
STEEPEST = 0.99
BAND = 1.96
NORMAL_975 = 1.959963984540054
CONSTANT = 1e-13
# What must be left of a side's squares when its mean is taken away, and how far from one value it must be, for the
# quick way to keep its digits.
CANCELLED = 0.01
CLOSE = 1e-9
SQRT_2 = sqrt(2.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a Correlation says, without its place; meanings and nulls as there."""

    n: int
    n_effective: float | None = None
    r: float | None = None
    p_value: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    lags: tuple[int, ...] = ()
    r_by_lag: tuple[float | None, ...] = ()
    best_lag: int | None = None
    p_best: float | None = None
    status: Status


@dataclass(frozen=True, slots=True)
class Lagged:
    """Pairs at each lag ``-reach .. reach``; arrays of ``2 reach + 1``.

    ``r`` is NaN where a side is constant or there are fewer than two pairs.
    """

    reach: int
    n: Counts
    r: Array


def findings(x: Array, y: Array, reach: int) -> tuple[Finding, Finding]:
    """Pearson over the lags ``-reach .. reach``, and Spearman at lag 0, of two series of equal length.

    Both use the effective number of the pairs at lag 0, which is that of their values, not of their ranks; the
    pairs of another lag count as much each as those of lag 0.
    """
    lagged = correlate(x, y, reach)
    both = ~(np.isnan(x) | np.isnan(y))
    n, r = int(lagged.n[reach]), float(lagged.r[reach])
    x, y = x[both], y[both]
    effective = nan if isnan(r) else effective_number(x, y)
    pearson = _judge(n, effective, r)
    lags = tuple(range(-reach, reach + 1))
    r_by_lag = tuple(None if isnan(r) else r for r in lagged.r.tolist())
    best_lag, p_best = best(lagged, effective / n) if pearson.status == "OK" else (None, None)
    ranked = nan if isnan(r) else rank_correlation(x, y)
    return (
        Finding(
            n=n,
            n_effective=pearson.n_effective,
            r=pearson.r,
            p_value=pearson.p_value,
            ci_low=pearson.ci_low,
            ci_high=pearson.ci_high,
            lags=lags,
            r_by_lag=r_by_lag,
            best_lag=best_lag,
            p_best=p_best,
            status=pearson.status,
        ),
        _judge(n, effective, ranked),
    )


def _judge(n: int, effective: float, r: float) -> Finding:
    """Status, p and interval of one coefficient; NaN means that it does not exist."""
    if n < 2:
        return Finding(n=n, n_effective=float(n), status="INSUFFICIENT")
    if isnan(r):
        return Finding(n=n, status="DEGENERATE")
    if effective < LEAST_EFFECTIVE:
        return Finding(n=n, n_effective=effective, r=r, status="INSUFFICIENT")
    low, high = fisher_interval(r, effective)
    return Finding(
        n=n,
        n_effective=effective,
        r=r,
        p_value=fisher_p(r, effective),
        ci_low=low,
        ci_high=high,
        status="OK",
    )


def fisher_p(r: float, effective: float) -> float:
    """Two-sided p of ``r`` by Fisher's z, for an effective number above 3; 0 where r is 1 or -1."""
    if abs(r) >= 1.0:
        return 0.0
    return erfc(abs(atanh(r)) * sqrt(effective - 3.0) / SQRT_2)


def fisher_interval(r: float, effective: float) -> tuple[float, float]:
    """95 % interval of ``r`` by Fisher's z; ``(r, r)`` where r is 1 or -1."""
    if abs(r) >= 1.0:
        return r, r
    half = NORMAL_975 / sqrt(effective - 3.0)
    return tanh(atanh(r) - half), tanh(atanh(r) + half)


def best(lagged: Lagged, share: float) -> tuple[int | None, float | None]:
    """Lag of the smallest p, and that p corrected for the search; None where no lag is usable.

    The p of a lag is Fisher's, of its own pairs, of which ``share`` are effective. A lag is usable when its
    coefficient exists and at least 12 of its pairs are effective. Ties go to the smallest ``|lag|``, then to the
    positive.
    """
    effective = lagged.n * share
    usable = np.flatnonzero((effective >= LEAST_EFFECTIVE) & ~np.isnan(lagged.r))
    if not usable.size:
        return None, None
    r = np.abs(lagged.r[usable])
    with np.errstate(divide="ignore"):
        z = np.arctanh(r) * np.sqrt(effective[usable] - 3.0)
    p = special.erfc(z / SQRT_2)  # 0 where r is 1
    lags = (usable[p == p.min()] - lagged.reach).tolist()
    return min(lags, key=lambda lag: (abs(lag), -lag)), sidak(float(p.min()), usable.size)


def sidak(p: float, tests: int) -> float:
    """``1 - (1 - p)^tests``, exact for small p."""
    return 1.0 if p >= 1.0 else -expm1(tests * log1p(-p))


def rank_correlation(x: Array, y: Array) -> float:
    """Spearman's coefficient: Pearson's of the mid-ranks. NaN where a side is constant."""
    first, second = mid_ranks(x), mid_ranks(y)
    first, second = first - (len(x) + 1) / 2, second - (len(y) + 1) / 2
    norm = sqrt(np.einsum("i,i->", first, first)) * sqrt(np.einsum("i,i->", second, second))
    return max(-1.0, min(1.0, float(np.einsum("i,i->", first, second)) / norm)) if norm else nan


def mid_ranks(values: Array) -> Array:
    """Ranks from 1, equal values sharing the mean of theirs; as scipy's ``rankdata``, at a tenth of its cost."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    opens = np.ones(len(values), dtype=np.bool_)
    opens[1:] = ordered[1:] != ordered[:-1]
    starts = np.flatnonzero(opens)
    stops = np.append(starts[1:], len(values))
    ranks = np.empty(len(values))
    ranks[order] = np.repeat((starts + stops + 1) / 2, stops - starts)
    return ranks


def correlate(x: Array, y: Array, reach: int) -> Lagged:
    """Pearson's r and the number of pairs at each lag from ``-reach`` to ``reach``.

    Sums of products at all lags, of values less their mean over the series. At lags whose pairs leave hardly
    anything of a side once their own mean is taken away, r is worked out from the pairs themselves.

    Args:
        x: leading series, shape (w,), NaN = missing.
        y: following series, shape (w,), NaN = missing.
        reach: greatest lag, 0 or more.
    """
    if not len(x):
        return Lagged(reach, np.zeros(2 * reach + 1, dtype=np.int64), np.full(2 * reach + 1, nan))
    here, first, mean_x = _prepared(x)
    there, second, mean_y = _prepared(y)
    padded = np.zeros((3, len(y) + 2 * reach))
    padded[:, reach : reach + len(y)] = there, second, second * second
    n = np.correlate(padded[0], here)
    sum_x, sum_y = np.correlate(padded[0], first), np.correlate(padded[1], here)
    square_x, square_y = np.correlate(padded[0], first * first), np.correlate(padded[2], here)
    with np.errstate(invalid="ignore", divide="ignore"):
        left_x, left_y = square_x - sum_x * sum_x / n, square_y - sum_y * sum_y / n
        products = np.correlate(padded[1], first) - sum_x * sum_y / n
        r = np.clip(products / (np.sqrt(left_x) * np.sqrt(left_y)), -1.0, 1.0)
    sure = (n > 1.0) & (left_x > CANCELLED * square_x) & (left_y > CANCELLED * square_y)
    sure &= (left_x > n * (CLOSE * mean_x) ** 2) & (left_y > n * (CLOSE * mean_y) ** 2)
    unsure = np.flatnonzero(~sure)
    if unsure.size:
        r[unsure] = nan if _is_one_value(x) or _is_one_value(y) else _at_lags(x, y, unsure - reach)
    return Lagged(reach, n.astype(np.int64), r)


def _prepared(values: Array) -> tuple[Array, Array, float]:
    """Ones where something is known, the values there less their mean, zeros elsewhere; and the mean."""
    unknown = np.isnan(values)
    there = (~unknown).astype(np.float64)
    filled = np.where(unknown, 0.0, values)
    mean = float(filled.sum()) / max(float(there.sum()), 1.0)
    return there, (filled - mean) * there, mean


def _is_one_value(values: Array) -> bool:
    """Whether all that is known is the same; so is nothing known."""
    return not np.fmax.reduce(values) > np.fmin.reduce(values)


def _at_lags(x: Array, y: Array, lags: Counts) -> Array:
    """Pearson's r at each lag, NaN where there are fewer than two pairs or a side is constant but for rounding."""
    reach = int(np.abs(lags).max())
    padded = np.full(len(y) + 2 * reach, nan)
    padded[reach : reach + len(y)] = y
    shifted = padded[np.arange(len(x)) + reach + lags[:, None]]
    both = ~(np.isnan(x) | np.isnan(shifted))
    n = np.count_nonzero(both, axis=1)
    first, square_first = _centre(np.where(both, x, 0.0), both, n)
    second, square_second = _centre(np.where(both, shifted, 0.0), both, n)
    norm = np.sqrt(square_first) * np.sqrt(square_second)
    with np.errstate(invalid="ignore", divide="ignore"):
        r = np.clip(np.einsum("ij,ij->i", first, second) / norm, -1.0, 1.0)
    return np.where(norm > 0.0, r, nan)


def _centre(values: Array, both: Bools, n: Counts) -> tuple[Array, Array]:
    """Rows less their means, and their sums of squares, 0 where constant but for rounding; zeros where no pair is."""
    mean = values.sum(axis=1) / np.maximum(n, 1)
    centred = np.where(both, values - mean[:, None], 0.0)
    square = np.einsum("ij,ij->i", centred, centred)
    return centred, np.where((n > 1) & (square > n * (CONSTANT * mean) ** 2), square, 0.0)


def effective_number(x: Array, y: Array) -> float:
    """Independent pairs that say as much as these, at most n; both of shape (n,), without gaps, not constant."""
    n = len(x)
    profile_x, profile_y = (profile(a, n) for a in autocorrelations(x, y))
    pairs = np.arange(n, 0, -1.0)
    shared = 2.0 * np.einsum("i,i,i->", pairs, profile_x, profile_y) - n
    rows_x, rows_y = _row_sums(profile_x), _row_sums(profile_y)
    sum_x, sum_y = float(rows_x.sum()), float(rows_y.sum())
    spread = shared - 2.0 * np.einsum("i,i->", rows_x, rows_y) / n + sum_x * sum_y / n**2
    if spread <= 0.0:
        return float(n)
    return min(float(n), float(1.0 + (n - sum_x / n) * (n - sum_y / n) / spread))


def profile(found: Sequence[float], n: int) -> Array:
    """Autocorrelations at the lags 0 .. n - 1 that a series of ``n`` values may have, shape (n,).

    Args:
        found: autocorrelations of the series at the lags 1 .. K; the last one, outside what can be told from
            noise, only serves as the decay of a series without memory (K = 1).
        n: length of the series, more than K.
    """
    told = np.array(found[:-1])
    lags = np.arange(1.0, len(found))
    answer = np.zeros(n)
    answer[0] = 1.0
    if not told.size:
        decay = found[0] + BIAS_SHARE * (1.0 + 3.0 * found[0]) / n
        answer[1:] = np.cumprod(np.full(n - 1, min(max(decay, -STEEPEST), STEEPEST)))
        return answer
    total = min(max(1.0 + 2.0 * float(told.sum()), 0.2), n / 4)
    told = np.clip(told + BIAS_SHARE * (lags * told + total * (1.0 - told)) / n, -1.0, 1.0)
    answer[1 : 1 + told.size] = told
    last = float(told[-1])
    if last > 0.0:
        decay = min(last ** (1.0 / told.size), STEEPEST)
        answer[1 + told.size :] = last * np.cumprod(np.full(n - 1 - told.size, decay))
    return answer


def _row_sums(values: Array) -> Array:
    """Sum of each row of the symmetric matrix whose diagonals hold the values."""
    sums: Array = np.cumsum(values)
    answer: Array = sums + sums[::-1] - values[0]
    return answer


def autocorrelations(x: Array, y: Array) -> tuple[list[float], list[float]]:
    """Those of both series at the lags 1 .. K, K the first at which either says nothing (or the last there is)."""
    n = len(x)
    sides = x - x.sum() / n, y - y.sum() / n
    squares = [float(np.einsum("i,i->", side, side)) for side in sides]
    found: tuple[list[float], list[float]] = ([], [])
    for k in range(1, n):
        for side, square, values in zip(sides, squares, found, strict=True):
            values.append(float(np.einsum("i,i->", side[:-k], side[k:])) / square)
        if min(abs(found[0][-1]), abs(found[1][-1])) < BAND / sqrt(n):
            break
    return found
