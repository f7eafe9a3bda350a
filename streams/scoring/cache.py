"""Scores of texts that were scored before: reposts are a quarter to a third of what comes in."""

from collections import OrderedDict

from schemas.records import SentimentScore


def plain_text(text: str) -> str:
    """What is scored of a text, and the key of its score: the text with single spaces."""
    return " ".join(text.split())


class ScoreCache:
    """The last scores of one version of a model, by plain text; the one that was not asked for longest goes first."""

    def __init__(self, size: int = 50_000) -> None:
        """Make an empty cache for at most ``size`` texts."""
        self._size = size
        self._kept: OrderedDict[str, SentimentScore] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, plain: str) -> SentimentScore | None:
        """The score of a plain text, None where it is not kept."""
        found = self._kept.get(plain)
        if found is not None:
            self._kept.move_to_end(plain)
        return found

    def put(self, plain: str, score: SentimentScore) -> None:
        """Keep a score."""
        self._kept[plain] = score
        if len(self._kept) > self._size:
            self._kept.popitem(last=False)
