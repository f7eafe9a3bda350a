"""What a cascade gains in accuracy for what it costs, by the confidence that it asks of the first scorer."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from schemas.records import SentimentScore
from streams.scoring.cache import plain_text
from streams.scoring.scorer import Label, Scorer

CONFIDENCES = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.01)


@dataclass(frozen=True, slots=True)
class Point:
    """One confidence: share of texts that the second is asked about; CPU-seconds a text, both scorers together."""

    confidence: float
    asked: float
    accuracy: float
    macro_f1: float
    cost: float


def curve_of(rows: Sequence[tuple[str, Label]], first: Scorer, second: Scorer) -> list[Point]:
    """Every text is scored by both once; a cascade's figures follow from that."""
    texts, truth = [plain_text(text) for text, _ in rows], [label for _, label in rows]
    cheap, cheap_cost = _scored(first, texts)
    dear, dear_cost = _scored(second, texts)
    points = []
    for confidence in CONFIDENCES:
        unsure = [max(s.positive, s.negative, s.neutral) < confidence for s in cheap]
        said = [(b if asked else a).label for a, b, asked in zip(cheap, dear, unsure, strict=True)]
        asked = sum(unsure) / len(texts)
        right = sum(one == two for one, two in zip(said, truth, strict=True)) / len(texts)
        points.append(Point(confidence, asked, right, _macro_f1(said, truth), cheap_cost + asked * dear_cost))
    return points


def _scored(scorer: Scorer, texts: Sequence[str]) -> tuple[list[SentimentScore], float]:
    start = time.process_time()
    scores = [scorer.score(text) for text in texts]
    return scores, (time.process_time() - start) / len(texts)


def _macro_f1(said: Sequence[str], truth: Sequence[str]) -> float:
    pairs = list(zip(said, truth, strict=True))
    f1 = [
        2 * sum(a == b == label for a, b in pairs) / sum((a == label) + (b == label) for a, b in pairs)
        for label in sorted(set(truth))
    ]
    return sum(f1) / len(f1)
