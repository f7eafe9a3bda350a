"""Labelled sets, and the measuring of a scorer on them."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from infra.errors import UserError
from schemas.records import SentimentScore
from streams.scoring.evaluate import Agreement, evaluate_scorer
from streams.scoring.lexicon import LexiconScorer
from streams.scoring.scorer import Label, make_score
from streams.scoring.sets import PUBLIC, headlines, labelled, read_labelled, read_texts
from streams.scoring.vader import vader_labels

LEXICON = LexiconScorer()


class Told:
    """A scorer that says of each text what it was told to."""

    name, version = "told", "1"

    def __init__(self, probabilities: Mapping[str, tuple[float, float, float]]) -> None:
        self._probabilities = probabilities

    def score(self, text: str) -> SentimentScore:
        positive, negative, neutral = self._probabilities[text]
        return make_score({"positive": positive, "negative": negative, "neutral": neutral}, self.name, self.version)


def test_a_scorer_is_measured_beside_the_majority(tmp_path: Path) -> None:
    """Accuracy, macro-F1 and the table of labels are those counted by hand."""
    path = tmp_path / "set.csv"
    path.write_text("text,label\nshares surge,bullish\nshares plunge,Bearish\nthe sky,neutral\nshares surge,neutral\n")
    result = evaluate_scorer(LEXICON, read_labelled(path))
    assert (result.rows, result.accuracy, result.majority_label) == (4, 0.75, "neutral")
    assert result.macro_f1 == pytest.approx((2 / 3 + 1 + 2 / 3) / 3)
    assert result.majority == Agreement(0.5, pytest.approx((2 / 3) / 3))
    assert result.confusion["neutral"] == {"positive": 1, "negative": 0, "neutral": 1}
    assert result.of_its_labels is None
    assert result.vader is None
    assert len(read_labelled(path, 2)) == 2


def test_probabilities_are_measured_as_by_hand() -> None:
    """Calibration error and Brier score of four texts, three of them in one bin, and of a set without neutral."""
    rows: list[tuple[str, Label]] = [("a", "positive"), ("b", "positive"), ("c", "negative"), ("d", "negative")]
    sure = (0.7, 0.2, 0.1)
    result = evaluate_scorer(Told({"a": sure, "b": sure, "c": sure, "d": (0.0, 0.1, 0.9)}), rows)
    assert result.calibration_error == pytest.approx((abs(3 * 0.7 - 2) + 0.9) / 4)
    assert result.brier == pytest.approx((2 * (0.09 + 0.04 + 0.01) + (0.49 + 0.64 + 0.01) + (0.81 + 0.81)) / 4)
    assert result.accuracy == 0.5
    assert result.of_its_labels == Agreement(0.75, pytest.approx((4 / 5 + 2 / 3) / 2))


def test_vader_is_measured_on_the_same_texts() -> None:
    """Its figures are those of its own labels."""
    rows: list[tuple[str, Label]] = [
        ("what a great day", "positive"),
        ("a horrible loss", "negative"),
        ("ok so", "negative"),
    ]
    said = vader_labels()
    assert said is not None
    vader = evaluate_scorer(LEXICON, rows, said).vader
    assert vader is not None
    right = sum(said(text) == label for text, label in rows)
    assert right >= 2
    assert vader.accuracy == right / 3


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no rows"),
        (b"text,label\n", "no rows"),
        (b"a,b\n1,2\n", "none of the columns"),
        (b"text,b\n1,2\n", "none of the columns"),
        (b"text,label\nup,maybe\n", "row 1: label 'maybe'"),
        (b"text,label\nup,positive\nup\n", "row 2: label None"),
        (b"text,label\n ,positive\n", "row 1 has no text"),
        (b"text,label\n\xff\xfe\n", "UTF-8"),
        (b"text,label\n" + b"x" * 200_000 + b",positive\n", "field larger"),
    ],
)
def test_a_set_that_cannot_be_read_is_a_users_mistake(tmp_path: Path, content: bytes, said: str) -> None:
    """The sentence names the file and what is wrong with it."""
    path = tmp_path / "set.csv"
    path.write_bytes(content)
    with pytest.raises(UserError, match=rf"set\.csv.*{said}"):
        read_labelled(path)


def test_texts_alone_need_no_labels(tmp_path: Path) -> None:
    """A column of texts is enough; a row without one is told."""
    path = tmp_path / "posts.csv"
    path.write_text("id,Text\n1,shares surge\n2,shares plunge\n")
    assert read_texts(path) == ["shares surge", "shares plunge"]
    path.write_text("id,text\n1,shares surge\n2,\n")
    with pytest.raises(UserError, match="row 2 has no text"):
        read_texts(path)


def test_an_absent_file_names_the_public_sets(tmp_path: Path) -> None:
    """Whoever mistypes a set's name sees the names; a folder is no file."""
    for name in ("phrasebnk", str(tmp_path)):
        with pytest.raises(UserError, match="phrasebank, fiqa-headlines"):
            labelled(name, tmp_path)


def test_a_public_set_that_is_not_there_names_the_setting(tmp_path: Path) -> None:
    """Also one that is in another form than its public one."""
    for name in PUBLIC:
        with pytest.raises(UserError, match="MOODTAPE_SETS_DIR"):
            labelled(name, tmp_path)
    (tmp_path / "twitter_fin_news").mkdir()
    for content in ("text,label\nup,7\n", "a,b\n1,2\n"):
        (tmp_path / "twitter_fin_news" / "sent_train.csv").write_text(content)
        with pytest.raises(UserError, match=r"'twitter'.*public form"):
            labelled("twitter", tmp_path)


def test_public_forms_are_understood(tmp_path: Path) -> None:
    """Labels by number, by entity (also in a cell that is no Python), by mean score and by rating."""
    files = {
        "twitter_fin_news/sent_train.csv": "text,label\nup,1\ndown,0\n",
        "sentfin/SEntFiN.csv": "Title,Decisions\none,{'A': 'positive'}\ntwo,\"{'A': 'positive', 'B': 'negative'}\"\n"
        "bad,\"{'A's: 'negative'}\"\n",
        "fiqa_2018/task1_headline_ABSA_train.json": json.dumps(
            {"1": {"sentence": "h", "info": [{"sentiment_score": "0.5"}, {"sentiment_score": "-0.75"}]}}
        ),
        "vader_tweets/tweets_GroundTruth.txt": "1\t-2.5\tbad &amp; worse\n2\t0.2\tso so\n",
    }
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    assert labelled("twitter", tmp_path) == [("up", "positive"), ("down", "negative")]
    assert labelled("twitter", tmp_path, 1) == [("up", "positive")]
    assert labelled("sentfin", tmp_path) == [("one", "positive"), ("bad", "negative")]
    assert dict(headlines(tmp_path))["two"] == {"A": "positive", "B": "negative"}
    assert labelled("fiqa-headlines", tmp_path) == [("h", "negative")]
    assert labelled("vader-tweets", tmp_path) == [("bad & worse", "negative"), ("so so", "neutral")]
