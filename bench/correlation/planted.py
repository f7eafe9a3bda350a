"""Bars and moods of which the truth is known, as the series that patterns and forecasts are made of."""

import numpy as np

from api.series import Array, Series

MICROS = 1_000_000
BEGIN = 1_640_000_000 * MICROS // (300 * MICROS) * 300 * MICROS


def blank(bars: int, interval: int = 300) -> dict[str, Array]:
    """Fields of a series in which nothing is known but the ends of its bars."""
    unknown = ("change", "volatility", "outcome", "mood", "buzz_z", "lead", "lead_r", "lead_p")
    fields = {name: np.full(bars, np.nan) for name in unknown}
    fields |= {name: np.zeros(bars) for name in ("mentions", "positive", "negative", "neutral")}
    return fields | {"end": BEGIN + (np.arange(bars) + 1) * interval * MICROS}


def planted(random: np.random.Generator, bars: int, lag: int, r: float, memory: float = 0.3) -> Series:
    """Five-minute bars whose return follows the mood of ``lag`` bars before with correlation ``r``.

    Moods have a memory, and one bar in twenty or so has no posts; returns are 0.001 wide.
    """
    noise = random.standard_normal((2, bars + lag))
    mood = noise[0].copy()
    for t in range(1, len(mood)):
        mood[t] = memory * mood[t - 1] + np.sqrt(1 - memory**2) * noise[0, t]
    change = 0.001 * (r * mood[:bars] + np.sqrt(1 - r**2) * noise[1, :bars])
    posts = random.poisson(3.0, bars).astype(float)
    fields = blank(bars) | {
        "change": change,
        "outcome": np.append(change[1:], np.nan),
        "mood": np.where(posts > 0, mood[lag:] / 4, np.nan),
        "mentions": posts,
        "positive": posts,
        "volatility": _volatility(change),
    }
    return Series(**fields)


def _volatility(change: Array) -> Array:
    windows = np.lib.stride_tricks.sliding_window_view(change, 20)
    return np.concatenate([np.full(19, np.nan), windows.std(axis=1, ddof=1)])
