"""What light and compact model learn from: two labelled sets, sentences of ours; the light one from a teacher, too.

Twitter financial news and SEntFiN, both MIT, are read from the folder of sets (``MOODTAPE_SETS_DIR``), and so are the
tweets that the teacher labels (StockNet, MIT). Nothing of them is kept but weights.
"""

import csv
import gzip
import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from streams.scoring.cache import plain_text
from streams.scoring.scorer import LABELS, Label
from streams.scoring.sets import headlines, labelled

from .reports import reports

FOLDS = 5
REPORTS, REPORTS_WEIGHT, TAUGHT_WEIGHT = 2500, 0.3, 2.0
_SAME_WORDS = 8


@dataclass(frozen=True, slots=True)
class Texts:
    """A set: texts, shares of the labels (n, 3; a headline of two moods has two), fold of each; weight of the whole."""

    name: str
    texts: tuple[str, ...]
    shares: npt.NDArray[np.float64]
    folds: npt.NDArray[np.int64]
    weight: float = 1.0

    def rows(self, chosen: npt.NDArray[np.bool_]) -> "Texts":
        """Some of its rows."""
        texts = tuple(text for text, kept in zip(self.texts, chosen, strict=True) if kept)
        return Texts(self.name, texts, self.shares[chosen], self.folds[chosen], self.weight)

    @property
    def single(self) -> npt.NDArray[np.bool_]:
        """Which rows have one label."""
        return np.asarray(self.shares.max(axis=1) == 1.0)

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """Index into ``LABELS`` of each row's largest share."""
        return np.asarray(self.shares.argmax(axis=1))


def training_sets(folder: Path) -> list[Texts]:
    """Twitter financial news (9,543 posts) and SEntFiN (10,753 headlines)."""
    twitter = [(text, [label]) for text, label in labelled("twitter", folder)]
    sentfin = [(title, list(entities.values())) for title, entities in headlines(folder)]
    return [_texts("twitter", twitter), _texts("sentfin", sentfin)]


def made_up() -> Texts:
    """Sentences of company reports, ours."""
    return replace(_texts("reports", [(text, [label]) for text, label in reports(REPORTS)]), weight=REPORTS_WEIGHT)


def unlabelled(folder: Path) -> list[str]:
    """StockNet's tweets in English, each once whatever its links and handles."""
    with gzip.open(folder / "stocknet_tweets_2014" / "tweets.csv.gz", "rt", encoding="utf-8", newline="") as file:
        texts = [plain_text(row["text"]) for row in csv.DictReader(file) if row["lang"] in ("en", "")]
    return list({re.sub(r"https?://\S+|@\w+|^RT", "", text).lower(): text for text in reversed(texts)}.values())[::-1]


def taught(file: Path) -> Texts:
    """Texts with what a teacher said of them: lines of a text and three shares, as ``bench.compact teach`` writes."""
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    shares = np.array([shares for _, shares in rows])
    return Texts("taught", tuple(text for text, _ in rows), shares, np.full(len(rows), -1), TAUGHT_WEIGHT)


def _texts(name: str, rows: Sequence[tuple[str, Sequence[Label]]]) -> Texts:
    shares = np.array([[labels.count(label) / len(labels) for label in LABELS] for _, labels in rows])
    texts = tuple(text for text, _ in rows)
    return Texts(name, texts, shares, np.array([fold_of(text) for text in texts]))


def fold_of(text: str) -> int:
    """The same for texts that differ in links, figures or their ends only, so that no fold holds another's copy."""
    words = re.findall(r"[a-z]+", re.sub(r"https?://\S+", " ", text.lower()))
    return hashlib.sha256(" ".join(words[:_SAME_WORDS]).encode()).digest()[0] % FOLDS
