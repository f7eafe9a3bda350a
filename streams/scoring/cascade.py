"""A cheap scorer, and a better one where the cheap one is unsure."""

from dataclasses import replace

from schemas.records import SentimentScore

from .scorer import Scorer


class CascadeScorer:
    """Asks ``first``; where its likeliest label has less than ``confidence``, asks ``second`` instead.

    Which one answers is a function of the text alone. All scores bear the name ``cascade`` and one version, so that a
    mood's mean is of one model; the version names both models and the confidence.
    """

    name = "cascade"

    def __init__(self, first: Scorer, second: Scorer, confidence: float) -> None:
        """Take two loaded scorers, and a confidence from 0 (``first`` alone) to 1 (``second``, but for certainty)."""
        self._first, self._second, self._confidence = first, second, confidence

    @property
    def version(self) -> str:
        """Versions of both, and the confidence."""
        return f"{self._first.version}+{self._second.version}@{self._confidence:g}"

    def score(self, text: str) -> SentimentScore:
        """Score one text.

        Raises:
            PoisonError: the scorer whose turn it is failed on it.
        """
        found = self._first.score(text)
        if max(found.positive, found.negative, found.neutral) < self._confidence:
            found = self._second.score(text)
        return replace(found, model=self.name, model_version=self.version)
