"""VADER, the usual baseline for the mood of social texts; measured beside a scorer, never part of the pipeline."""

from collections.abc import Callable
from importlib.util import find_spec

from .scorer import Label

MISSING = "VADER is not installed; for its figures run: pip install moodtape[vader]"
_NEUTRAL = 0.05


def vader_labels() -> Callable[[str], Label] | None:
    """What VADER says of a text, by its authors' own bounds of ±0.05; None where it is not installed."""
    if find_spec("vaderSentiment") is None:
        return None
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    analyzer = SentimentIntensityAnalyzer()

    def label(text: str) -> Label:
        compound = float(analyzer.polarity_scores(text)["compound"])
        return "positive" if compound >= _NEUTRAL else "negative" if compound <= -_NEUTRAL else "neutral"

    return label
