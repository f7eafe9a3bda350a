"""The posts on which a model and its copy are compared where the user gives none."""

from collections.abc import Sequence
from random import Random

from producers.simulated_texts import STYLES, about
from streams.scoring.cache import plain_text
from streams.scoring.invented import invented_posts
from streams.scoring.light import LightScorer
from streams.scoring.scorer import LABELS


def unsure(texts: Sequence[str]) -> float:
    """Share of texts of whose likeliest label the light model is less sure than .6."""
    scorer = LightScorer()
    scores = [scorer.score(text) for text in texts]
    return sum(max(score.positive, score.negative, score.neutral) < 0.6 for score in scores) / len(texts)


def test_they_are_many_and_each_another() -> None:
    """Enough that two of them do not decide a gate of 99 %; some of one word, some longer than a model reads."""
    posts = invented_posts()
    assert len(posts) > 200
    assert len({plain_text(post).lower() for post in posts}) == len(posts)
    lengths = [len(post.split()) for post in posts]
    assert min(lengths) == 1
    assert max(lengths) > 80


def test_they_are_as_hard_as_real_posts() -> None:
    """The light model is unsure of three in ten, as of StockTwits; of the simulator's of one in eight."""
    choose = Random(1).randrange
    simulated = [about(style, mood, "TSLA", "Tesla", choose) for style in STYLES for mood in LABELS for _ in range(40)]
    assert unsure(invented_posts()) > 0.27 > 2 * unsure(simulated)
