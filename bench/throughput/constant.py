"""``python -m bench.throughput.constant ARGUMENTS``: the command ``moodtape ARGUMENTS``, but every score is the same.

For the measurement alone: no setting of the product leads here, and what it writes says ``constant`` for its model.
"""

import sys

import streams.scoring.choose
from infra.settings import Settings
from moodtape.cli import main
from schemas.records import SentimentScore
from streams.scoring.scorer import Scorer, make_score


class ConstantScorer:
    """The same for every text."""

    name = "constant"
    version = "1"

    def __init__(self) -> None:
        """Make the one answer."""
        self._said = make_score({"positive": 0.5, "negative": 0.25, "neutral": 0.25}, self.name, self.version)

    def score(self, text: str) -> SentimentScore:
        return self._said


def make_constant(settings: Settings) -> Scorer:
    """In the place of the scorer that the settings choose."""
    return ConstantScorer()


if __name__ == "__main__":
    streams.scoring.choose.make_scorer = make_constant
    sys.exit(main())
