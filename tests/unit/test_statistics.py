"""The statistics against scipy, statsmodels and the plain oracle."""

from math import nan
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.tsa.stattools import acf

from bench.correlation.series import autoregressive
from streams.statistics import (
    Array,
    Lagged,
    autocorrelations,
    best,
    correlate,
    effective_number,
    findings,
    fisher_interval,
    fisher_p,
    mid_ranks,
    rank_correlation,
    sidak,
)
from tests.helpers.mood_oracle import effective_number as by_matrices
from tests.helpers.mood_oracle import finding

FIELDS = ("n", "n_effective", "r", "p_value", "ci_low", "ci_high", "lags", "r_by_lag", "best_lag", "p_best", "status")


def series(seed: int, length: int, memory: float = 0.0, missing: float = 0.0) -> Array:
    """An autoregressive series with gaps."""
    random = np.random.default_rng(seed)
    values = random.normal(size=length)
    for i in range(1, length):
        values[i] += memory * values[i - 1]
    values[random.random(length) < missing] = nan
    return values


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 10**6),
    length=st.integers(0, 120),
    memory=st.sampled_from([0.0, 0.6, 0.95]),
    gaps=st.tuples(st.sampled_from([0.0, 0.1, 0.8]), st.sampled_from([0.0, 0.0, 0.2])),
    levels=st.sampled_from([None, 1, 2]),
)
def test_findings_equal_the_plain_computation(
    seed: int, length: int, memory: float, gaps: tuple[float, float], levels: int | None
) -> None:
    """Every figure of any two series with gaps, ties and memory equals numpy's and scipy's to 1e-9."""
    x, y = series(seed, length, memory, gaps[0]), series(seed + 1, length, memory, gaps[1])
    if levels is not None:
        x = np.clip(np.round(x), -levels, 0.0)
    for method, found in zip(("PEARSON", "SPEARMAN"), findings(x, y, 12), strict=True):
        wanted = {"best_lag": None, "p_best": None, "r": None, "p_value": None, "ci_low": None, "ci_high": None}
        wanted |= finding(x, y, 12, method)
        for name in FIELDS:
            got, want = getattr(found, name), wanted[name]
            if name == "r_by_lag":
                assert [v is None for v in got] == [v is None for v in want]
                got, want = [v or 0.0 for v in got], [v or 0.0 for v in want]
            assert got == want or got == pytest.approx(want, rel=1e-9, abs=1e-12), (method, name)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**6), st.integers(8, 60))
def test_pearson_and_spearman_are_scipys(seed: int, length: int) -> None:
    """At lag 0 without gaps, r is scipy's pearsonr and the rank correlation is spearmanr, ties included."""
    x, y = series(seed, length), np.round(series(seed + 1, length), 1)
    assert correlate(x, y, 0).r[0] == pytest.approx(stats.pearsonr(x, y).statistic, rel=1e-12, abs=1e-14)
    assert rank_correlation(x, y) == pytest.approx(stats.spearmanr(x, y).statistic, rel=1e-12, abs=1e-14)


@given(st.lists(st.integers(-3, 3), max_size=30))
def test_mid_ranks_are_scipys(values: list[int]) -> None:
    """Equal values share the mean of their ranks, as in scipy."""
    assert mid_ranks(np.array(values, dtype=float)).tolist() == stats.rankdata(values).tolist()


@given(st.integers(0, 10**6), st.integers(10, 200), st.sampled_from([0.0, 0.5, 0.9]))
def test_autocorrelations_are_those_of_statsmodels(seed: int, length: int, memory: float) -> None:
    """They equal statsmodels' acf without adjustment, as far as they go: to the first that says nothing."""
    values = series(seed, length, memory)
    found, _ = autocorrelations(values, values)
    wanted = acf(values, nlags=len(found), adjusted=False, fft=False)[1:]
    assert found == pytest.approx(wanted, rel=1e-10, abs=1e-14)
    band = 1.96 / np.sqrt(length)
    assert [abs(a) >= band for a in wanted] == [True] * (len(found) - 1) + [False]


@settings(deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 150), st.sampled_from([0.0, 0.5, 0.9, -0.7]))
def test_effective_number_is_that_of_the_matrices(seed: int, length: int, memory: float) -> None:
    """It equals the traces of whole matrices, and is at most n."""
    x, y = series(seed, length, memory), series(seed + 1, length, abs(memory))
    effective = effective_number(x, y)
    assert effective == pytest.approx(by_matrices(x, y), rel=1e-9)
    assert 0 < effective <= length


def test_memory_on_both_sides_lowers_the_effective_number() -> None:
    """Two series of long memory say less than their length; one with memory beside one without says all."""
    x, y, z = series(1, 390, 0.9), series(2, 390, 0.9), series(3, 390)
    assert effective_number(x, y) < 100
    assert effective_number(x, z) > 300


@pytest.mark.parametrize(("length", "memory"), [(60, 0.3), (60, 0.6), (390, 0.6)])
def test_the_variance_of_r_is_what_the_effective_number_says(length: int, memory: float) -> None:
    """Over independent pairs, r varies as 1 / (n_effective - 1), to the noise of 2,000 pairs."""
    random = np.random.default_rng(length)
    pairs = autoregressive(random, 4000, length, memory).reshape(2000, 2, length)
    told = np.median([effective_number(x, y) for x, y in pairs])
    varied = np.var([np.corrcoef(x, y)[0, 1] for x, y in pairs])
    assert 1 / varied + 1 == pytest.approx(told, rel=0.12)


def test_a_positive_lag_means_that_x_leads() -> None:
    """When y repeats x three steps later, the best lag is +3, and it is found in the table at that place."""
    x = series(5, 390)
    y = np.concatenate([series(6, 3), x[:-3]])
    pearson, _ = findings(x, y, 30)
    assert pearson.best_lag == 3
    assert pearson.r_by_lag[pearson.lags.index(3)] == pytest.approx(1.0)
    assert pearson.p_best == 0.0


def test_false_positives_come_at_the_stated_rate() -> None:
    """Of pairs of independent series with memory, about 5 in 100 have a p below 0.05, and as few a corrected one."""
    found = [findings(series(2 * i, 390, 0.5), series(2 * i + 1, 390, 0.5), 30)[0] for i in range(300)]
    assert sum((f.p_value or 1) < 0.05 for f in found) / len(found) == pytest.approx(0.05, abs=0.03)
    assert sum((f.p_best or 1) < 0.05 for f in found) / len(found) < 0.08


@pytest.mark.parametrize("x", [np.ones(40), np.full(40, 0.1 + 0.2), np.zeros(40)])
def test_a_constant_side_is_degenerate(x: Array) -> None:
    """Nothing goes together with a constant: no coefficient, no p, no lag; and which side it is does not matter."""
    for left, right in ((x, series(1, 40)), (series(1, 40), x)):
        for found in findings(left, right, 12):
            assert (found.status, found.n) == ("DEGENERATE", 40)
            assert (found.r, found.n_effective, found.p_value, found.best_lag) == (None, None, None, None)


def test_a_side_constant_but_for_rounding_is_degenerate() -> None:
    """Values that differ in their last bit only are one value."""
    x = np.tile([0.1, np.nextafter(0.1, 1)], 20)
    assert findings(x, series(1, 40), 12)[0].status == "DEGENERATE"


@pytest.mark.parametrize("length", [0, 1, 2, 3, 11])
def test_few_pairs_are_insufficient(length: int) -> None:
    """Below an effective number of 12 r stays where there is one, and nothing is said about how sure it is."""
    for found in findings(series(1, length), series(2, length), 12):
        assert (found.status, found.n, found.p_value, found.p_best) == ("INSUFFICIENT", length, None, None)
        assert (found.r is None) == (length < 2)


def test_nothing_known_is_insufficient() -> None:
    """A window without a single mood has no pairs at any lag."""
    pearson, spearman = findings(np.full(60, nan), series(1, 60), 12)
    assert (pearson.n, pearson.n_effective, pearson.status, spearman.status) == (0, 0.0, "INSUFFICIENT", "INSUFFICIENT")
    assert pearson.r_by_lag == (None,) * 25


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_perfect_agreement_stays_finite(sign: float) -> None:
    """Where r is 1 or -1, p is 0 and the interval is r itself (or as near as floats come)."""
    x = np.arange(40.0) % 7
    for found in findings(x, sign * x, 3):
        assert found.r == pytest.approx(sign)
        assert found.p_value == pytest.approx(0.0, abs=1e-100)
        assert (found.ci_low, found.ci_high) == (pytest.approx(sign), pytest.approx(sign))
    assert (fisher_p(sign, 20.0), fisher_interval(sign, 20.0)) == (0.0, (sign, sign))


def test_fisher_figures_are_scipys() -> None:
    """The interval is that of scipy's pearsonr when the effective number is n; p is the normal tail of atanh r."""
    x, y = series(1, 50), series(2, 50)
    known = stats.pearsonr(x, y)
    low, high = known.confidence_interval(0.95)
    assert fisher_interval(float(known.statistic), 50.0) == pytest.approx((low, high), rel=1e-12)
    assert fisher_p(0.3, 50.0) == pytest.approx(2 * stats.norm.sf(np.arctanh(0.3) * np.sqrt(47)), rel=1e-12)


def test_ties_go_to_the_nearest_lag_then_the_positive() -> None:
    """Among lags of equal p the smallest |lag| wins, then the positive; lags with too little are not searched."""
    n = np.full(5, 50)
    few = np.array([11, 50, 50, 50, 11])
    assert best(Lagged(2, n, np.array([0.5, 0.4, 0.1, 0.4, 0.5])), 1.0)[0] == 2
    assert best(Lagged(2, n, np.array([1.0, -1.0, 0.1, 1.0, 1.0])), 1.0) == (1, 0.0)
    assert best(Lagged(2, few, np.array([0.5, nan, 0.1, 0.4, 0.5])), 1.0)[0] == 1
    assert best(Lagged(2, n, np.array([0.5, 0.4, 0.1, 0.4, 0.5])), 0.2) == (None, None)
    assert best(Lagged(0, n[:1], np.array([nan])), 1.0) == (None, None)


def test_sidak_is_exact_for_small_p() -> None:
    """The correction equals 1 - (1 - p)^m, without losing p far below the precision of 1 - p."""
    assert sidak(0.01, 61) == pytest.approx(1 - 0.99**61, rel=1e-12)
    assert sidak(1e-30, 61) == pytest.approx(6.1e-29, rel=1e-12)
    assert sidak(1.0, 3) == 1.0


def test_the_same_window_gives_the_same_bits() -> None:
    """Where the arrays lie in memory does not change a bit of any figure."""
    random = Random(3)
    x, y = series(1, 390, 0.6, 0.3), series(2, 390, 0.6)
    wanted = findings(x, y, 30)
    for _ in range(10):
        shift = random.randint(1, 9)
        room = np.empty((2, 400))
        room[0, shift : shift + 390], room[1, shift : shift + 390] = x, y
        assert findings(room[0, shift : shift + 390], room[1, shift : shift + 390], 30) == wanted
