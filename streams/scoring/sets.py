"""Labelled texts: a CSV file of the user's, or one of the public sets that the figures are measured on.

====================== ============================================== ==================================================
name                   files under the folder of sets                 what
====================== ============================================== ==================================================
``twitter``            twitter_fin_news/sent_train.csv                posts with financial news (MIT)
``sentfin``            sentfin/SEntFiN.csv                            headlines of one mood (MIT)
``phrasebank``         financial_phrasebank/phrasebank.csv            sentences of company news (CC BY-NC-SA)
``fiqa-headlines``     fiqa_2018/task1_headline_ABSA_train.json       headlines, by the sign of the mean score
``fiqa-posts``         fiqa_2018/task1_post_ABSA_train.json           posts of investors, likewise
``stockemotions``      stockemotions_2020/*_stockemo.csv              StockTwits, bullish or bearish
``vader-tweets``       vader_tweets/tweets_GroundTruth.txt            any tweets; neutral within 0.5 of 0 (MIT)
====================== ============================================== ==================================================
"""

import ast
import csv
import html
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from infra.errors import UserError

from .scorer import LABELS, Label

Labelled = tuple[str, Label]

_TEXT_COLUMNS = ("text", "sentence", "title", "tweet", "original", "content")
_LABEL_COLUMNS = ("label", "sentiment", "senti_label")
_MEANINGS: Mapping[str, Label] = {
    "positive": "positive",
    "bullish": "positive",
    "negative": "negative",
    "bearish": "negative",
    "neutral": "neutral",
}
_TWITTER: Mapping[str, Label] = {"0": "negative", "1": "positive", "2": "neutral"}
_NEUTRAL_RATING = 0.5


def labelled(name: str, folder: Path, limit: int | None = None) -> list[Labelled]:
    """Texts and labels of a public set by its name, or of a CSV file by its path; the first ``limit``.

    Raises:
        UserError: it is neither, cannot be read, or has no rows.
    """
    read = PUBLIC.get(name)
    if read is None:
        return read_labelled(Path(name), limit)
    try:
        rows = [row for row, _ in zip(read(folder), range(limit or 10**9), strict=False)]
    except OSError as error:
        wanted = f"set {name!r} is read from the folder of sets, {folder} (MOODTAPE_SETS_DIR)"
        raise UserError(f"{wanted}: {error.strerror or error}") from None
    except (ValueError, KeyError, TypeError, AttributeError, csv.Error) as error:
        raise UserError(f"set {name!r} in {folder} is not in its public form: {error!r}") from None
    if not rows:
        raise UserError(f"set {name!r} in {folder}: no rows")
    return rows


def read_labelled(path: Path, limit: int | None = None) -> list[Labelled]:
    """Texts and labels of a CSV file: a column text, sentence, title or tweet, and label or sentiment.

    Labels are positive, negative, neutral, or bullish and bearish.

    Raises:
        UserError: the file cannot be read, or a column, a text or a label is missing; says in which row.
    """
    rows = _rows(path, f"or one of the sets {', '.join(PUBLIC)}")[:limit]
    text, label = _column(path, rows[0], _TEXT_COLUMNS), _column(path, rows[0], _LABEL_COLUMNS)
    return [(_text(path, number, row[text]), _meaning(path, number, row[label])) for number, row in enumerate(rows, 1)]


def read_texts(path: Path) -> list[str]:
    """Texts of a CSV file, found as by :func:`read_labelled`; labels are not needed.

    Raises:
        UserError: the file cannot be read, or the column or a text is missing.
    """
    rows = _rows(path, "with a column of texts")
    column = _column(path, rows[0], _TEXT_COLUMNS)
    return [_text(path, number, row[column]) for number, row in enumerate(rows, 1)]


def _rows(path: Path, else_wanted: str) -> list[dict[str, str]]:
    try:
        rows = list(_csv(path))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: {error}; a CSV file in UTF-8 is needed, {else_wanted}") from None
    if not rows:
        raise UserError(f"{path}: no rows")
    return rows


def _column(path: Path, row: Mapping[str, str], names: Sequence[str]) -> str:
    by_name = {str(column).strip().lower(): column for column in row}
    found = next((by_name[name] for name in names if name in by_name), None)
    if found is None:
        raise UserError(f"{path}: none of the columns {', '.join(names)}; it has {', '.join(map(str, row))[:200]}")
    return found


def _text(path: Path, number: int, text: str | None) -> str:
    if not text or not text.strip():
        raise UserError(f"{path}: row {number} has no text")
    return text


def _meaning(path: Path, number: int, label: str | None) -> Label:
    meaning = _MEANINGS.get((label or "").strip().lower())
    if meaning is None:
        shown = repr(label if label is None else label[:40])
        raise UserError(f"{path}: row {number}: label {shown} is none of {', '.join(_MEANINGS)}")
    return meaning


def _csv(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        yield from csv.DictReader(file)


def _twitter(folder: Path) -> Iterator[Labelled]:
    for row in _csv(folder / "twitter_fin_news" / "sent_train.csv"):
        yield row["text"], _TWITTER[row["label"]]


def headlines(folder: Path) -> Iterator[tuple[str, Mapping[str, Label]]]:
    """SEntFiN's headlines with the label of each entity that they name.

    Of the 13 cells that are no Python, the labels in order under the names ``0``, ``1`` ...
    """
    for row in _csv(folder / "sentfin" / "SEntFiN.csv"):
        yield row["Title"], _decisions(row["Decisions"])


def _decisions(cell: str) -> Mapping[str, Label]:
    try:
        found = {str(entity): str(label) for entity, label in ast.literal_eval(cell).items()}
    except (SyntaxError, ValueError):
        found = {str(place): label for place, label in enumerate(re.findall("|".join(LABELS), cell))}
    return {entity: _MEANINGS[label] for entity, label in found.items()}


def _sentfin(folder: Path) -> Iterator[Labelled]:
    for title, entities in headlines(folder):
        if len(set(entities.values())) == 1:
            yield title, next(iter(entities.values()))


def _phrasebank(folder: Path) -> Iterator[Labelled]:
    for row in _csv(folder / "financial_phrasebank" / "phrasebank.csv"):
        yield row["sentence"], _MEANINGS[row["label"]]


def _fiqa(kind: str) -> Callable[[Path], Iterator[Labelled]]:
    def read(folder: Path) -> Iterator[Labelled]:
        entries: Mapping[str, Any] = json.loads(
            (folder / "fiqa_2018" / f"task1_{kind}_ABSA_train.json").read_text("utf-8")
        )
        for entry in entries.values():
            total = sum(float(aspect["sentiment_score"]) for aspect in entry["info"])
            yield entry["sentence"], "positive" if total > 0 else "negative" if total < 0 else "neutral"

    return read


def _stockemotions(folder: Path) -> Iterator[Labelled]:
    for part in ("train", "val"):
        for row in _csv(folder / "stockemotions_2020" / f"{part}_stockemo.csv"):
            yield row["original"], _MEANINGS[row["senti_label"]]


def _vader_tweets(folder: Path) -> Iterator[Labelled]:
    path = folder / "vader_tweets" / "tweets_GroundTruth.txt"
    for line in path.read_text("utf-8", errors="replace").splitlines():
        _, rating, text = line.split("\t", 2)
        mean = float(rating)
        label: Label = "neutral" if abs(mean) <= _NEUTRAL_RATING else "positive" if mean > 0 else "negative"
        yield html.unescape(text), label


PUBLIC: Mapping[str, Callable[[Path], Iterator[Labelled]]] = {
    "twitter": _twitter,
    "sentfin": _sentfin,
    "phrasebank": _phrasebank,
    "fiqa-headlines": _fiqa("headline"),
    "fiqa-posts": _fiqa("post"),
    "stockemotions": _stockemotions,
    "vader-tweets": _vader_tweets,
}
