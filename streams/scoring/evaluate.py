"""How well a scorer does on labelled texts, beside the commonest label and beside VADER."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from schemas.records import SentimentScore

from .cache import plain_text
from .scorer import LABELS, Label, Scorer
from .sets import Labelled

BINS = 15
_Pairs = Counter[tuple[Label, str]]


@dataclass(frozen=True, slots=True)
class Agreement:
    """Accuracy, and F1 meant over the labels that the set has."""

    accuracy: float
    macro_f1: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Figures of one scorer on one set.

    Attributes:
        rows: texts in the set.
        labels: all labels, in the order of ``confusion``.
        accuracy: share of texts whose likeliest label is the true one.
        macro_f1: F1 meant over the labels that the set has.
        of_its_labels: the same when the scorer may only say labels that the set has; None where it has all.
        calibration_error: expected calibration error of the likeliest label's probability, 15 bins of equal width.
        brier: mean over the texts of the sum over the labels of (probability - truth) squared, in [0, 2].
        majority_label: the set's commonest label.
        majority: figures of always saying it.
        vader: VADER's figures; None where it is not installed.
        confusion: ``confusion[true][said]`` counts texts.
    """

    rows: int
    labels: tuple[Label, ...]
    accuracy: float
    macro_f1: float
    of_its_labels: Agreement | None
    calibration_error: float
    brier: float
    majority_label: Label
    majority: Agreement
    vader: Agreement | None
    confusion: Mapping[Label, Mapping[Label, int]]

    def as_dict(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


def evaluate_scorer(
    scorer: Scorer, rows: Sequence[Labelled], vader: Callable[[str], Label] | None = None
) -> Evaluation:
    """Score every text as the pipeline does, and count.

    Args:
        scorer: what is measured.
        rows: texts and their true labels; at least one.
        vader: what VADER says of a text, to measure it too.
    """
    true = [label for _, label in rows]
    scores = [scorer.score(plain_text(text)) for text, _ in rows]
    pairs = Counter(zip(true, (score.label for score in scores), strict=True))
    counts = Counter(true)
    majority = max(LABELS, key=lambda label: counts[label])
    own = [label for label in LABELS if counts[label]]
    narrowed = [max(own, key=lambda label: probability(score, label)) for score in scores]
    overall = _agreement(pairs)
    return Evaluation(
        rows=len(rows),
        labels=LABELS,
        accuracy=overall.accuracy,
        macro_f1=overall.macro_f1,
        of_its_labels=None if len(own) == len(LABELS) else _agreement(Counter(zip(true, narrowed, strict=True))),
        calibration_error=calibration_error(
            [(s.label == label, max(s.positive, s.negative, s.neutral)) for label, s in zip(true, scores, strict=True)]
        ),
        brier=_brier(true, scores),
        majority_label=majority,
        majority=_agreement(Counter({(label, majority): counts[label] for label in own})),
        vader=None if vader is None else _agreement(Counter((label, vader(text)) for text, label in rows)),
        confusion={label: {said: pairs[label, said] for said in LABELS} for label in LABELS},
    )


def probability(score: SentimentScore, label: Label) -> float:
    """What a score says of one label."""
    return {"positive": score.positive, "negative": score.negative, "neutral": score.neutral}[label]


def _agreement(pairs: _Pairs) -> Agreement:
    right = sum(n for (true, said), n in pairs.items() if true == said)
    labels = sorted({true for true, _ in pairs})
    return Agreement(right / pairs.total(), sum(_f1(pairs, label) for label in labels) / len(labels))


def _f1(pairs: _Pairs, label: Label) -> float:
    said = sum(n for (_, s), n in pairs.items() if s == label)
    true = sum(n for (t, _), n in pairs.items() if t == label)
    return 2 * pairs[label, label] / (said + true)


def calibration_error(said: Sequence[tuple[bool, float]]) -> float:
    """Mean over the bins, weighted by their texts, of |share right - mean probability of the label said|.

    Args:
        said: of each text whether the label said was right, and its probability.
    """
    off = [0.0] * BINS
    for right, sure in said:
        off[min(BINS - 1, int(sure * BINS))] += right - sure
    return sum(map(abs, off)) / len(said)


def _brier(true: Sequence[Label], scores: Sequence[SentimentScore]) -> float:
    total = sum(
        (probability(score, label) - float(label == truth)) ** 2
        for truth, score in zip(true, scores, strict=True)
        for label in LABELS
    )
    return total / len(true)
