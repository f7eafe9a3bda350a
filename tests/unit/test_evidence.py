"""Intervals and tests of counts against scipy, statsmodels and what they must be."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from api.evidence import clark_west, false_discovery, fisher_exact, mean_interval, wilson


@given(st.integers(1, 2000), st.data())
def test_wilsons_interval_is_statsmodels(n: int, data: st.DataObject) -> None:
    """It equals statsmodels' and lies within 0 and 1 around the share, none and all of the trials included."""
    hits = data.draw(st.integers(0, n))
    low, high = wilson(hits, n)
    assert (low, high) == pytest.approx(proportion_confint(hits, n, method="wilson"), abs=1e-12)
    assert 0.0 <= low <= hits / n + 1e-12
    assert hits / n - 1e-12 <= high <= 1.0


@given(st.integers(1, 300), st.data())
def test_fishers_test_is_scipys(total: int, data: st.DataObject) -> None:
    """Drawn against the rest, the two-sided p equals that of scipy's table of two by two."""
    all_hits, n = data.draw(st.integers(0, total)), data.draw(st.integers(0, total))
    hits = data.draw(st.integers(max(0, n + all_hits - total), min(n, all_hits)))
    table = [[hits, n - hits], [all_hits - hits, total - n - all_hits + hits]]
    assert fisher_exact(hits, n, all_hits, total) == pytest.approx(stats.fisher_exact(table).pvalue, rel=1e-6)


@given(st.lists(st.none() | st.floats(0, 1), max_size=30))
def test_q_is_that_of_benjamini_and_hochberg(p_values: list[float | None]) -> None:
    """It equals statsmodels' over the p that there are; where there is no p there is no q and no test."""
    q_values = false_discovery(p_values)
    assert [q is None for q in q_values] == [p is None for p in p_values]
    known = [p for p in p_values if p is not None]
    if known:
        wanted = multipletests(known, method="fdr_bh")[1]
        assert [q for q in q_values if q is not None] == pytest.approx(wanted, rel=1e-9, abs=1e-300)


def test_a_larger_model_is_judged_by_clark_and_west() -> None:
    """The p is scipy's one-sided t of the corrected gains; forecasts that are the same prove nothing."""
    random = np.random.default_rng(1)
    ups = (random.random(200) < 0.5).astype(float)
    theirs, ours = np.full(200, 0.5), np.clip(0.5 + 0.1 * (ups - 0.5) + 0.1 * random.standard_normal(200), 0.0, 1.0)
    gains = (ups - theirs) ** 2 - ((ups - ours) ** 2 - (ours - theirs) ** 2)
    wanted = stats.ttest_1samp(gains, 0.0, alternative="greater").pvalue
    assert clark_west(ours, theirs, ups) == pytest.approx(wanted, rel=1e-9)
    assert clark_west(theirs, theirs, ups) == clark_west(ours[:1], theirs[:1], ups[:1]) == 1.0


def test_a_mean_lies_in_the_middle_of_its_interval() -> None:
    """1.96 standard errors to each side."""
    values = np.random.default_rng(2).normal(size=400)
    mean, low, high = mean_interval(values)
    assert (low + high) / 2 == pytest.approx(mean) == pytest.approx(values.mean())
    assert high - mean == pytest.approx(1.959964 * stats.sem(values), rel=1e-6)
