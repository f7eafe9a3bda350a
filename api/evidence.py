"""How much counts say: intervals and tests for shares and scores, exact where they are small.

- Wilson's interval of a share: Wilson, *J. Am. Stat. Assoc.* 22 (1927).
- Fisher's exact test, two-sided: the sum over all tables that are no likelier than the one seen, as scipy's
  ``fisher_exact``.
- Benjamini, Hochberg, *J. R. Stat. Soc. B* 57 (1995): the share of false finds among those of at most this q.
- Clark, West, *J. Econometrics* 138 (2007): whether a model that holds a smaller one within it forecasts better. The
  gain in squared error is corrected for what the larger one loses by estimating weights that may be 0; without
  that (Diebold, Mariano) the test of unrelated series errs far less often than it says, and finds little.
"""

from collections.abc import Sequence
from math import nan, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy import special

Array = NDArray[np.float64]
NORMAL_975 = 1.959963984540054
_ROUNDING = 1.0 + 1e-7  # tables as likely as the one seen, but for rounding


def wilson(hits: int, n: int) -> tuple[float, float]:
    """95 % interval of a share of ``hits`` in ``n`` trials, ``n`` at least 1."""
    share, square = hits / n, NORMAL_975**2
    middle = (share + square / (2 * n)) / (1 + square / n)
    half = NORMAL_975 * sqrt(share * (1 - share) / n + square / (4 * n * n)) / (1 + square / n)
    return max(0.0, middle - half), min(1.0, middle + half)


def fisher_exact(hits: int, n: int, all_hits: int, total: int) -> float:
    """Two-sided p of ``hits`` in ``n`` draws out of ``total`` that hold ``all_hits``, were the draws blind."""
    k = np.arange(max(0, n + all_hits - total), min(n, all_hits) + 1)
    logs = _log_choose(all_hits, k) + _log_choose(total - all_hits, n - k) - _log_choose(total, np.array([n]))
    chances = np.exp(logs)
    seen = chances[hits - k[0]]
    return min(1.0, float(chances[chances <= seen * _ROUNDING].sum()))


def _log_choose(n: int, k: NDArray[np.int64]) -> Array:
    answer: Array = special.gammaln(n + 1) - special.gammaln(k + 1) - special.gammaln(n - k + 1)
    return answer


def false_discovery(p_values: Sequence[float | None]) -> list[float | None]:
    """Benjamini's and Hochberg's q of each p; of no p there is no q, and it is not counted as a test."""
    known = [(p, place) for place, p in enumerate(p_values) if p is not None]
    answer: list[float | None] = [None] * len(p_values)
    least = 1.0
    for rank, (p, place) in reversed(list(enumerate(sorted(known), start=1))):
        least = min(least, p * len(known) / rank)
        answer[place] = least
    return answer


def mean_interval(values: Array) -> tuple[float, float, float]:
    """Mean of at least two values with its 95 % interval by the normal law."""
    mean = float(values.mean())
    half = NORMAL_975 * float(values.std(ddof=1)) / sqrt(len(values))
    return mean, mean - half, mean + half


def clark_west(ours: Array, theirs: Array, outcomes: Array) -> float:
    """One-sided p that our chances, shape (n,), are not truly better than those of a model within ours.

    By Student's t with n - 1 degrees of freedom. Forecasts of one step have no overlapping outcomes, so that the
    gains are taken as uncorrelated. 1 where all gains are the same; ``outcomes`` are 0 or 1.
    """
    gains = (theirs - outcomes) ** 2 - (ours - outcomes) ** 2 + (theirs - ours) ** 2
    deviation = float(gains.std(ddof=1)) if len(gains) > 1 else nan
    if not deviation > 0.0:
        return 1.0
    return float(special.stdtr(len(gains) - 1, -gains.mean() / deviation * sqrt(len(gains))))
