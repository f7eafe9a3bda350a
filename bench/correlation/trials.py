"""What is tried, and how often it came out."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from scipy import special

from streams.statistics import LEAST_EFFECTIVE, NORMAL_975, Finding, effective_number, findings

from .series import Array, autoregressive, leading, noisy, related

LENGTHS = (60, 390)
MEMORIES = (0.0, 0.3, 0.6, 0.9)
ALPHA = 0.05


@dataclass(frozen=True, slots=True)
class Result:
    """One line: shares are of the pairs whose status was OK."""

    what: str
    n: int
    memory: float
    pairs: int
    ok: float
    share: float
    goal: str
    met: bool | None

    def row(self) -> dict[str, object]:
        """As JSON values."""
        return asdict(self)


def size(random: np.random.Generator, pairs: int) -> Iterator[Result]:
    """Share of independent pairs with p below 0.05, for series with memory."""
    for n in LENGTHS:
        for memory in MEMORIES:
            x, y = (autoregressive(random, pairs, n, memory) for _ in range(2))
            ok, share = _share([f.p_value for f in _pearson(x, y, 0)])
            low = 0.045 if memory == 0 else 0.04
            yield Result("size", n, memory, pairs, ok, share, f"{low} to 0.06", low <= share <= 0.06)


def size_elsewhere(random: np.random.Generator, pairs: int) -> Iterator[Result]:
    """The same for series that are not autoregressive of the first order; no goal, to be read."""
    for n in LENGTHS:
        for memory in (0.6, 0.9):
            x, y = (noisy(random, pairs, n, memory) for _ in range(2))
            yield Result("size, memory under noise", n, memory, pairs, *_share(_ps(x, y)), "", None)
            x, y = (autoregressive(random, pairs, n, 1.2 * memory, -0.4 * memory) for _ in range(2))
            yield Result("size, second order", n, memory, pairs, *_share(_ps(x, y)), "", None)


def size_of_search(random: np.random.Generator, pairs: int) -> Iterator[Result]:
    """Share of independent pairs whose best lag has a corrected p below 0.05."""
    for n, reach in ((60, 12), (390, 30)):
        for memory in MEMORIES:
            x, y = (autoregressive(random, pairs, n, memory) for _ in range(2))
            ok, share = _share([f.p_best for f in _pearson(x, y, reach)])
            yield Result("size of the search over lags", n, memory, pairs, ok, share, "at most 0.06", share <= 0.06)


def coverage(random: np.random.Generator, pairs: int) -> Iterator[Result]:
    """Share of 95 % intervals that hold the true correlation."""
    for n in LENGTHS:
        for memory in MEMORIES:
            for r in (0.3, 0.6):
                x, y = related(random, pairs, n, memory, r)
                found = [f for f in _pearson(x, y, 0) if f.ci_low is not None and f.ci_high is not None]
                share = float(np.mean([f.ci_low <= r <= f.ci_high for f in found]))  # type: ignore[operator]
                name = f"coverage at r = {r}"
                yield Result(name, n, memory, pairs, len(found) / pairs, share, "0.94 to 0.96", 0.94 <= share <= 0.96)


def behind_coverage(random: np.random.Generator, pairs: int) -> Iterator[Result]:
    """What the coverage of 60 slow bars is made of, and what wider intervals would do to it.

    The mean error of z in its own deviations among those that are OK; coverage if all were OK; and coverage of
    those that are by Student's t with n_effective - 2 degrees of freedom instead of the normal law.
    """
    for memory in (0.6, 0.9):
        for r in (0.0, 0.3, 0.6):
            x, y = related(random, pairs, 60, memory, r)
            effective = np.array([effective_number(first, second) for first, second in zip(x, y, strict=True)])
            z = np.arctanh([f.r for f in _pearson(x, y, 0)])
            errors = (z - np.arctanh(r)) * np.sqrt(np.maximum(effective - 3.0, 1.0))
            sure = effective >= LEAST_EFFECTIVE
            wide = np.abs(errors[sure]) < special.stdtrit(effective[sure] - 2.0, 0.975)
            for what, share in (
                ("mean error of z", errors[sure].mean()),
                ("coverage", np.mean(np.abs(errors[sure]) < NORMAL_975)),
                ("coverage, were all OK", np.mean(np.abs(errors) < NORMAL_975)),
                ("coverage by Student's t", wide.mean()),
            ):
                ok = float(sure.mean())
                yield Result(f"{what}, r = {r}", 60, memory, pairs, ok, float(share), "", None)


def lead(random: np.random.Generator, pairs: int) -> Iterator[Result]:
    """Share of pairs with a planted lead of 7 (r = 0.3) whose best lag is within one of it; and the power."""
    for memory in (0.0, 0.3, 0.6):
        x, y = leading(random, pairs, 390, memory, 0.3, 7)
        found = _pearson(x, y, 30)
        share = float(np.mean([f.best_lag is not None and abs(f.best_lag - 7) <= 1 for f in found]))
        goal, met = ("at least 0.99", share >= 0.99) if memory == 0 else ("", None)
        yield Result("lag within one of the planted", 390, memory, pairs, 1.0, share, goal, met)
        yield Result("power of the search at r = 0.3", 390, memory, pairs, *_share([f.p_best for f in found]), "", None)


def _pearson(x: Array, y: Array, reach: int) -> list[Finding]:
    return [findings(first, second, reach)[0] for first, second in zip(x, y, strict=True)]


def _ps(x: Array, y: Array) -> list[float | None]:
    return [f.p_value for f in _pearson(x, y, 0)]


def _share(ps: Sequence[float | None]) -> tuple[float, float]:
    """Share of pairs with a p, and of those the share below 0.05."""
    known = [p for p in ps if p is not None]
    return len(known) / len(ps), float(np.mean([p < ALPHA for p in known])) if known else 0.0
