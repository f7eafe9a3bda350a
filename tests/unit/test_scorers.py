"""Scores, the lexicon, the rule that chooses a scorer, the cache and the measuring of a scorer."""

import json
import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.errors import UserError
from infra.settings import Settings
from schemas.records import SentimentScore
from streams.scoring import choose, onnx, torch_classifier
from streams.scoring.cache import ScoreCache, plain_text
from streams.scoring.cascade import CascadeScorer
from streams.scoring.lexicon import LexiconScorer
from streams.scoring.light import LightScorer
from streams.scoring.scorer import LABELS, from_logits, label_order, make_score

LEXICON = LexiconScorer()


def test_score_is_positive_minus_negative_and_ties_are_neutral() -> None:
    """The label is the likeliest one; where two are equally likely it is neutral."""
    score = make_score({"positive": 0.5, "negative": 0.2, "neutral": 0.3}, "m", "1")
    assert (score.score, score.label) == (0.3, "positive")
    assert make_score({"positive": 0.4, "negative": 0.4, "neutral": 0.2}, "m", "1").label == "neutral"
    assert make_score({"positive": 0.4, "negative": 0.2, "neutral": 0.4}, "m", "1").label == "neutral"


def test_the_order_of_labels_is_the_models_own() -> None:
    """The same outputs mean what the configuration says, in any order and case."""
    one = label_order({"0": "positive", "1": "negative", "2": "neutral"}, "a")
    two = label_order({2: "Positive", 1: "NEUTRAL", 0: "bearish"}, "b")
    assert two == ("negative", "neutral", "positive")
    assert from_logits([3.0, 1.0, 2.0], one, "m", "1").label == "positive"
    assert from_logits([3.0, 1.0, 2.0], two, "m", "1").label == "negative"
    assert from_logits([3.0, 1.0], label_order({0: "NEG", 1: "POS"}, "c"), "m", "1").neutral == 0.0


@pytest.mark.parametrize(
    "labels", [{"0": "LABEL_0", "1": "LABEL_1"}, {"0": "positive"}, {"0": "joy", "1": "negative"}, {}]
)
def test_a_model_of_something_else_is_refused(labels: dict[object, str]) -> None:
    """Labels that are no sentiments are never guessed at."""
    with pytest.raises(UserError, match="id2label"):
        label_order(labels, "folder")


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("Tesla beats estimates and raises guidance", "positive"),
        ("shares surge 12% after strong quarter", "positive"),
        ("to the moon 🚀🚀", "positive"),
        ("shares plunge on weak demand", "negative"),
        ("this is not good at all", "negative"),
        ("they filed for bankruptcy 📉", "negative"),
        ("the stock moved -8% today", "negative"),
        ("net loss narrowed to 2 million", "positive"),
        ("costs rise again", "negative"),
        ("the company is based in the north", "neutral"),
        ("", "neutral"),
    ],
)
def test_lexicon_labels(text: str, label: str) -> None:
    """Words, negation, numbers with a sign, emoji and burdens are understood."""
    assert LEXICON.score(text).label == label


def test_lexicon_grades_strength() -> None:
    """Stronger and milder words move the score; a negation turns it and makes it smaller."""
    milder, plain, stronger, turned = (
        LEXICON.score(text).score for text in ("slightly strong", "strong", "very strong", "not strong")
    )
    assert 0 < milder < plain < stronger
    assert -plain < turned < 0


@settings(max_examples=300, deadline=None)
@given(st.text())
def test_lexicon_answers_any_text_with_probabilities(text: str) -> None:
    """Three probabilities that sum to 1, a score in [-1, 1], and the same again."""
    score = LEXICON.score(text)
    assert math.isclose(score.positive + score.negative + score.neutral, 1.0, abs_tol=1e-12)
    assert -1.0 <= score.score <= 1.0
    assert score.label in LABELS
    assert score == LEXICON.score(text)
    assert (score.model, score.model_version) == ("lexicon", LexiconScorer().version)


def test_lexicon_is_bounded_on_long_texts() -> None:
    """Only the beginning of a very long text counts."""
    assert LEXICON.score("good " * 400_000) == LEXICON.score("good " * 5000)


def test_auto_falls_back_to_the_light_model() -> None:
    """Where the model is neither a folder nor in the local cache, nothing is downloaded."""
    assert choose.chosen(Settings(model="nobody/nothing")) == "light"
    assert isinstance(choose.make_scorer(Settings(model="nobody/nothing")), LightScorer)
    assert isinstance(choose.make_scorer(Settings(scorer="lexicon")), LexiconScorer)


def test_auto_takes_a_folder_with_onnx(tmp_path: Path) -> None:
    """A local folder with a whole ONNX model goes first; half of one does not count."""
    pytest.importorskip("onnxruntime")
    for name in ("model.onnx", "config.json"):
        (tmp_path / name).touch()
    assert choose.chosen(Settings(model=str(tmp_path))) != f"onnx:{tmp_path}"
    (tmp_path / "tokenizer.json").touch()
    assert choose.chosen(Settings(model=str(tmp_path))) == f"onnx:{tmp_path}"


@pytest.mark.parametrize("scorer", ["finbert", "onnx", "onnx:", "transformers:", "lexicon:x", "light:x", ""])
def test_an_unknown_scorer_is_a_users_mistake(scorer: str) -> None:
    """The message says what can be given."""
    with pytest.raises(UserError, match="auto, light, lexicon"):
        choose.chosen(Settings(scorer=scorer))


def test_a_folder_that_is_no_model_is_a_users_mistake(tmp_path: Path) -> None:
    """A missing file, an unreadable configuration and a file that is no ONNX give one sentence each."""
    pytest.importorskip("onnxruntime")
    with pytest.raises(UserError, match="no model"):
        onnx.OnnxScorer(tmp_path)
    for name, content in (("model.onnx", "no model"), ("config.json", "{}"), ("tokenizer.json", "{}")):
        (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match="id2label"):
        onnx.OnnxScorer(tmp_path)
    (tmp_path / "config.json").write_text('{"id2label": {"0": "positive", "1": "negative"}}')
    with pytest.raises(UserError, match=r"tokenizer\.json"):
        onnx.OnnxScorer(tmp_path)
    tokenizer = {"version": "1.0", "model": {"type": "WordLevel", "vocab": {"[UNK]": 0}, "unk_token": "[UNK]"}}
    (tmp_path / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(UserError, match="onnxruntime cannot load"):
        onnx.OnnxScorer(tmp_path)


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """The user is told exactly what to install."""
    monkeypatch.setattr(torch_classifier, "find_spec", lambda _: None)
    with pytest.raises(UserError, match=r"pip install moodtape\[finbert\]"):
        choose.make_scorer(Settings(scorer="transformers:ProsusAI/finbert"))
    monkeypatch.setattr(onnx, "find_spec", lambda _: None)
    with pytest.raises(UserError, match=r"pip install moodtape\[onnx\]"):
        choose.make_scorer(Settings(scorer="onnx:folder"))


def test_the_cache_forgets_what_was_not_asked_for_longest() -> None:
    """It is bounded; a text that was asked for stays longer."""
    cache = ScoreCache(2)
    a, b, c = (SentimentScore(model=name) for name in "abc")
    cache.put("a", a)
    cache.put("b", b)
    assert cache.get("a") == a
    cache.put("c", c)
    assert (cache.get("a"), cache.get("b"), cache.get("c"), len(cache)) == (a, None, c, 2)


def test_texts_are_scored_with_single_spaces() -> None:
    """Spaces and line ends make no other text."""
    assert plain_text("  up \r\n and\tup ") == "up and up"


@pytest.mark.parametrize(
    ("confidence", "labels"), [(0.0, ["positive"] * 3), (0.8, ["positive", "negative", "negative"])]
)
def test_a_cascade_asks_the_second_where_the_first_is_unsure(confidence: float, labels: list[str]) -> None:
    """Who answers is a matter of the text; every score bears the cascade's name and both models' versions."""
    cascade = CascadeScorer(_Says({"sure": 0.9, "less": 0.7, "unsure": 0.6}), _Says({}), confidence)
    found = [cascade.score(text) for text in ("sure", "less", "unsure")]
    assert [score.label for score in found] == labels
    assert {(score.model, score.model_version) for score in found} == {("cascade", f"1+1@{confidence:g}")}


class _Says:
    """Positive with a probability by text, and else surely negative."""

    name, version = "says", "1"

    def __init__(self, positive: dict[str, float]) -> None:
        self._positive = positive

    def score(self, text: str) -> SentimentScore:
        positive = self._positive.get(text, 0.0)
        return make_score({"positive": positive, "negative": 1.0 - positive, "neutral": 0.0}, self.name, self.version)


def test_a_cascade_is_of_a_model_that_is_named(tmp_path: Path) -> None:
    """``cascade:`` stands before a model; before anything else it is refused, as is a model that is not there."""
    assert choose.chosen(Settings(scorer="cascade:onnx:folder")) == "cascade:onnx:folder"
    for wrong in ("cascade:", "cascade:light", "cascade:auto", "cascade:onnx:"):
        with pytest.raises(UserError, match="cascade"):
            choose.chosen(Settings(scorer=wrong))
    with pytest.raises(UserError, match=r"no model|not installed"):
        choose.make_scorer(Settings(scorer=f"cascade:onnx:{tmp_path}"))
