"""How well a scorer does on labelled texts, beside the answer that is always the commonest label."""

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from infra.errors import UserError

from .cache import plain_text
from .scorer import LABELS, Label, Scorer

_TEXT_COLUMNS = ("text", "sentence", "title", "tweet", "original", "content")
_LABEL_COLUMNS = ("label", "sentiment", "senti_label")
_MEANINGS: Mapping[str, Label] = {
    "positive": "positive",
    "bullish": "positive",
    "negative": "negative",
    "bearish": "negative",
    "neutral": "neutral",
}

Labelled = tuple[str, Label]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Figures of one scorer on one set; ``confusion[true][said]`` counts rows. F1 is meant over the set's labels."""

    rows: int
    labels: tuple[Label, ...]
    accuracy: float
    macro_f1: float
    majority_label: Label
    majority_accuracy: float
    majority_f1: float
    confusion: Mapping[Label, Mapping[Label, int]]

    def as_dict(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


def read_labelled(path: Path, limit: int | None = None) -> list[Labelled]:
    """Texts and labels of a CSV file: a column text, sentence, title or tweet, and label or sentiment.

    Labels are positive, negative, neutral, or bullish and bearish.

    Raises:
        UserError: the file cannot be read, or a column or a label is missing.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))[:limit]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: {error}; a CSV file in UTF-8 is needed") from None
    if not rows:
        raise UserError(f"{path}: no rows")
    text, label = _column(path, rows[0], _TEXT_COLUMNS), _column(path, rows[0], _LABEL_COLUMNS)
    return [(row[text] or "", _meaning(path, row[label])) for row in rows]


def _column(path: Path, row: Mapping[str, str], names: Sequence[str]) -> str:
    by_name = {str(column).strip().lower(): column for column in row}
    found = next((by_name[name] for name in names if name in by_name), None)
    if found is None:
        raise UserError(f"{path}: none of the columns {', '.join(names)}; it has {', '.join(map(str, row))}")
    return found


def _meaning(path: Path, label: str | None) -> Label:
    meaning = _MEANINGS.get((label or "").strip().lower())
    if meaning is None:
        raise UserError(f"{path}: label {label!r} is none of {', '.join(_MEANINGS)}")
    return meaning


def evaluate_scorer(scorer: Scorer, rows: Sequence[Labelled]) -> Evaluation:
    """Score every text as the pipeline does and count."""
    pairs: Counter[tuple[Label, str]] = Counter((label, scorer.score(plain_text(text)).label) for text, label in rows)
    true = Counter(label for _, label in rows)
    majority = max(LABELS, key=lambda label: true[label])
    labels = tuple(label for label in LABELS if true[label])
    return Evaluation(
        rows=len(rows),
        labels=LABELS,
        accuracy=sum(pairs[label, label] for label in LABELS) / len(rows),
        macro_f1=_macro_f1(pairs, labels),
        majority_label=majority,
        majority_accuracy=true[majority] / len(rows),
        majority_f1=_macro_f1(Counter({(label, majority): true[label] for label in labels}), labels),
        confusion={label: {said: pairs[label, said] for said in LABELS} for label in LABELS},
    )


def _macro_f1(pairs: Mapping[tuple[Label, str], int], labels: Sequence[Label]) -> float:
    scores = []
    for label in labels:
        right = pairs.get((label, label), 0)
        said = sum(n for (_, s), n in pairs.items() if s == label)
        true = sum(n for (t, _), n in pairs.items() if t == label)
        scores.append(2 * right / (said + true) if said + true else 0.0)
    return sum(scores) / len(scores)
