"""The light model: what it reads, what it counts, that its quick sums are the plain ones, its file."""

import math
import os
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.scoring.light import LightScorer
from streams.scoring.light.features import FAMILIES, MEASURES, dampening, has_link, keys, measures
from streams.scoring.light.reading import Reader
from streams.scoring.light.weights import Weights, pack, unpack
from streams.scoring.scorer import LABELS

LIGHT = LightScorer()
READER = Reader()
WEIGHTS = unpack(LIGHT._content)
_SPOKEN = """profit rose to eur 13.1 mn from 8.7 loss widened not very good 🚀 ! $TSLA https://a.b/c +5% -3% shares
fell but may the zebra buy Buy ?"""
WORDS = st.lists(st.sampled_from(_SPOKEN.split()), max_size=60).map(" ".join)


def measured(text: str) -> dict[str, float]:
    """The measures of a text by name."""
    return dict(zip(MEASURES, measures(text, READER.read(text)), strict=True))


def test_a_text_is_read_as_words_and_kinds() -> None:
    """Links, handles, cashtags and figures are placeholders; case, repeats and curly quotes make no other word."""
    text = "RT @me $TSLA won’t fall 5% to $3.5bn +2 % -1 🚀🚀🚀 &amp; https://a.b/C?d !"
    tokens = READER.read(text)
    assert [token.word for token in tokens] == [
        "rt", "<user>", "<cash>", "won't", "fall", "<pct>", "to", "<money>", "<+pct>", "<-num>", "🚀", "<url>", "!",
    ]  # fmt: skip
    kinds = {token.word: token.kind for token in tokens}
    assert (kinds["won't"], kinds["fall"], kinds["to"], kinds["<money>"], kinds["rt"]) == (
        "not",
        "down",
        "toward",
        "#",
        None,
    )
    assert [token.figure for token in tokens if token.figure is not None] == [5.0, 3.5e9, 2.0, -1.0]


@pytest.mark.parametrize(
    ("text", "grew", "shrank"),
    [
        ("profit rose to EUR 13.1 mn from EUR 8.7 mn", 1.0, 0.0),
        ("profit of 8.7 mn compared with 13.1 mn", 0.0, 1.0),
        ("margin from 3 % to 2.5 %", 0.0, 1.0),
        ("loss of 13.1 mn versus 8.7 mn", 0.0, 1.0),
        ("sales 900 thousand vs 1.2 million", 0.0, 1.0),
        ("sales were 12 in 2007 and 14 in 2008", 0.0, 0.0),
        ("5 % from 8 mn", 0.0, 0.0),
    ],
)
def test_figures_that_are_compared_have_a_direction(text: str, grew: float, shrank: float) -> None:
    """Newer against older, with their units; a burden turns it; a share and an amount are not compared."""
    found = measured(text)
    assert (found["grew"], found["shrank"]) == (grew, shrank)


def test_the_lexicon_speaks_with_negation_strength_and_burdens() -> None:
    """The measures have the sign that the sentence has."""
    assert measured("not good")["difference"] < 0 < measured("good")["difference"] < measured("very good")["difference"]
    assert measured("costs rise")["difference"] < 0 < measured("costs fall")["difference"]
    assert measured("the zebra")["silent"] == 1.0


@settings(max_examples=200, deadline=None)
@given(st.one_of(WORDS, st.text(max_size=300)))
def test_the_quick_sum_is_the_plain_one(text: str) -> None:
    """Logits equal bias + step x the weights of every counted key + weighted measures, added up one by one."""
    weights, tokens = WEIGHTS, READER.read(text)
    for column, logit in enumerate(LIGHT.logits(text)):
        units = sum(weights.families[name].get(key, (0, 0))[column] for name, key in keys(tokens))
        bias = weights.linked if has_link(tokens) else weights.bias
        expected = bias[column] + dampening(tokens) * weights.step[column] * units
        rest = sum(m * w[column] for m, w in zip(measures(text, tokens), weights.measures, strict=True))
        assert logit == pytest.approx(expected + rest, abs=1e-9)


@settings(max_examples=200, deadline=None)
@given(st.one_of(WORDS, st.text()))
def test_any_text_has_probabilities_and_the_same_again(text: str) -> None:
    """Three probabilities that sum to 1, a score in [-1, 1]; bit-equal to a scorer that never saw another text."""
    score = LIGHT.score(text)
    assert math.isclose(score.positive + score.negative + score.neutral, 1.0, abs_tol=1e-12)
    assert -1.0 <= score.score <= 1.0
    assert score.label in LABELS
    assert score == LIGHT.score(text)


def test_a_score_is_the_same_in_another_process() -> None:
    """Whatever the seed of Python's hashes: no sum depends on the order of a set."""
    texts = ["profit rose to EUR 13.1 mn from EUR 8.7 mn", "🚀 $GME not selling, diamond hands!", ""]
    code = f"from streams.scoring.light import LightScorer as L; print([L().score(t).score for t in {texts!r}])"
    for seed in ("1", "2"):
        env = {**os.environ, "PYTHONHASHSEED": seed}
        found = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
        assert found.stdout.strip() == str([LIGHT.score(text).score for text in texts])


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("Operating profit rose to EUR 13 mn from EUR 9 mn", "positive"),
        ("Shares jump 9% as the chip maker raises its outlook", "positive"),
        ("Net loss widened to 4 million on weak demand", "negative"),
        ("Downgraded to sell, the stock tumbles", "negative"),
        ("Annual general meeting to be held on 4 May", "neutral"),
    ],
)
def test_plain_sentences_have_their_plain_label(text: str, label: str) -> None:
    """What anyone would say of it."""
    assert LIGHT.score(text).label == label


@pytest.mark.parametrize("text", ["good " * 400_000, "$A " * 10_000, "1" * 1_000_000, "a" * 1_000_000, "🚀" * 100_000])
def test_only_the_beginning_of_a_long_text_counts(text: str) -> None:
    """A text of any length is scored as its first 4,000 characters."""
    assert LIGHT.score(text) == LIGHT.score(text[:4000])


def test_what_is_remembered_is_bounded() -> None:
    """Words never met again do not stay for ever, and long ones never enter."""
    reader = Reader()
    for number in range(60_000):
        reader.read(f"w{'abcdefghij'[number % 10]}{chr(97 + number % 26)} $ {number}")
    reader.read("x" * 3000)
    assert len(reader._kept) <= 50_000
    assert all(len(raw) <= 32 for raw in reader._kept)


def test_weights_come_back_from_their_file() -> None:
    """The same weights give the same bytes; the version is a digest of them."""
    families = {name: {} for name in FAMILIES}
    families["word"] = {"up": (100, -100), "größer": (5, -1)}
    families["pair"] = {("not", "up"): (-127, 127)}
    families["after"] = {("up", "#"): (3, 4)}
    families["before"] = {("not", "up"): (3, -4)}
    families["kinds"] = {"^": (1, 1), ("^", "up"): (2, 2), ("^", "up", "$"): (3, 3)}
    weights = Weights(
        families, (0.01, 0.02), (0.5, -0.5), (0.25, -0.25), [(float(i), -float(i)) for i in range(len(MEASURES))]
    )
    content = pack(weights)
    assert unpack(content) == weights
    assert pack(unpack(content)) == content
    other = LightScorer(content)
    assert other.version != LIGHT.version == LightScorer().version
    assert other.version.endswith("-light2")


def test_a_file_that_is_no_weights_is_told() -> None:
    """Neither another npz nor anything else is taken for weights."""
    for content in (b"", b"PK\x03\x04", LIGHT._content[:1000], b"\x93NUMPY"):
        with pytest.raises(ValueError):  # noqa: PT011  # numpy and zipfile have words of their own
            unpack(content)


def test_the_weights_are_small() -> None:
    """What ships is at most 2 MB."""
    assert len(LIGHT._content) <= 2_000_000
