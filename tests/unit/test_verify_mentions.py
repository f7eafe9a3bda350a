"""Mentions against posts, and the ledger against rows: what fits is accepted, what does not is named."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from moodtape.verify.account import Edge
from moodtape.verify.ledger import Entry, judge
from moodtape.verify.mentions_again import SLACK_MS, MentionsAgain
from moodtape.verify.reading import Fact, Span
from schemas.deadletters import redriven_headers
from schemas.records import Mention, PostMention, ScoredPost, SentimentScore
from schemas.topics import QUOTES
from tests.unit.test_verify import T0, facts
from tests.unit.test_verify_redriven import letter

SCORE = SentimentScore(score=0.5, positive=0.6, negative=0.1, neutral=0.3, label="positive", model="m")
POST = ScoredPost(
    source="x", post_id="1", event_time=T0, ingest_time=T0, author="a", url="u", spam=0.25, sentiment=SCORE,
    mentions=(PostMention(symbol="GME", rule="tag", confidence=0.9), PostMention(symbol="AMC", rule="bare")),
)  # fmt: skip


def mention(post: ScoredPost, symbol: str, **more: Any) -> Mention:
    """The mention of a post, written out by hand."""
    (named,) = [m for m in post.mentions if m.symbol == symbol] or [PostMention()]
    shared = ("source", "post_id", "revision", "event_time", "ingest_time", "author", "url", "spam")
    scored = ("score", "positive", "negative", "neutral", "label", "model", "model_version")
    said = {name: getattr(post, name) for name in shared}
    said |= {name: getattr(post.sentiment, name) for name in scored if post.sentiment}
    return Mention(symbol=symbol, **{**said, "rule": named.rule, "confidence": named.confidence, **more})


def judged(
    posts: Sequence[ScoredPost], mentions: Sequence[Mention], since: int = 0, later: Sequence[ScoredPost] = ()
) -> Edge:
    """The edge between posts and mentions; ``since``: the posts before it are removed; ``later`` came meanwhile."""
    edge = Edge("posts.v1 -> mentions.v1")
    again = MentionsAgain(edge, dict.fromkeys(range(12), since), {})
    for sure, some in ((True, posts), (False, later)):
        for fact in facts(some):
            again.post(fact, sure)
    for fact in facts(mentions):
        again.mention(fact)
    again.settle()
    return edge


def both(post: ScoredPost = POST) -> list[Mention]:
    """The two mentions of a post."""
    return [mention(post, "GME"), mention(post, "AMC")]


def test_each_instrument_of_a_post_has_its_mention() -> None:
    """All of them and nothing else add up; one too few, too many or of nobody does not."""
    edge = judged([POST], both())
    assert edge.ok, edge.problems
    assert (edge.facts_in, edge.facts_out) == (2, 2)
    assert judged([POST], both()[:1]).missing == 1
    assert judged([POST], [*both(), both()[0]]).extra == 1
    assert judged([POST], [*both(), mention(POST, "TSLA")]).extra == 1
    assert judged([POST], [*both(), replace(both()[0], revision=1)]).extra == 1


@pytest.mark.parametrize("field", ["confidence", "score", "positive", "spam", "event_time", "ingest_time"])
def test_a_mention_says_what_its_post_says(field: str) -> None:
    """Another number in one field of a mention is found and named."""
    post = replace(POST, mentions=POST.mentions[:1])
    one = mention(post, "GME")
    edge = judged([post], [replace(one, **{field: getattr(one, field) + 1})])
    assert (edge.altered, edge.missing, edge.extra) == (1, 0, 0)
    assert edge.problems[0].endswith(f": {field}")


OWN = {"score": -0.5, "positive": 0.25, "negative": 0.75, "neutral": 0.0, "label": "negative"}


@pytest.mark.parametrize(
    "wrong", [{"score": -0.25}, {"label": "neutral"}, {"positive": None}, {"score": None}, {"model": "other"}]
)
def test_of_several_each_may_have_its_own_score(wrong: dict[str, Any]) -> None:
    """A mention beside others may say another mood than its post, of the same model, if its numbers agree."""
    first, second = both()
    assert judged([POST], [replace(first, **OWN), second]).ok
    assert judged([POST], [replace(first, **{**OWN, **wrong}), second]).altered == 1
    silent = replace(POST, sentiment=None)
    assert judged([silent], both(silent)).ok
    assert judged([silent], [replace(mention(silent, "GME"), **OWN), mention(silent, "AMC")]).altered == 1


def test_a_revision_takes_back_what_it_names_no_more() -> None:
    """Each instrument that the last revision named and this one does not has a mention that is deleted."""
    gone = replace(POST, revision=1, deleted=True, mentions=(), author=None, url=None, sentiment=None)
    back = [mention(gone, symbol, spam=0.0, deleted=True) for symbol in ("GME", "AMC")]
    assert judged([POST, gone], [*both(), *back]).ok
    assert judged([POST, gone], [*both(), back[0]]).missing == 1
    assert judged([POST, gone], [*both(), back[0], replace(back[1], deleted=False)]).altered == 1


def test_what_came_meanwhile_may_be_there_or_not() -> None:
    """A post that was written while the account was drawn up needs no mention yet, and excuses one."""
    assert judged([], [], later=[POST]).ok
    assert judged([], both(), later=[POST]).ok
    assert judged([], both()).extra == 2


def test_mentions_of_removed_posts_are_not_judged() -> None:
    """Where the log of the posts begins later than a mention, or than what it takes back, nothing can be said."""
    edge = judged([], both(), since=SLACK_MS)
    assert (edge.ok, edge.unjudged) == (True, 2)
    gone = replace(POST, revision=1, deleted=True, mentions=(), sentiment=None)
    edge = judged([gone], [mention(gone, "GME", deleted=True)], since=1)
    assert (edge.ok, edge.unjudged) == (True, 1)


@pytest.mark.parametrize(
    ("entry", "trouble"),
    [
        (Entry(10, 9), None),
        (Entry(10, None), None),
        (Entry(None, None), None),
        (Entry(None, 3), "missing"),
        (Entry(9, 9), "extra"),
        (Entry(21, 9), "altered"),
        (Entry(4, 3), "missing"),
    ],
)
def test_the_ledger_stands_behind_its_rows(entry: Entry, trouble: str | None) -> None:
    """It is behind the last row, within the log, and not below what was removed before it was stored."""
    edge = Edge("sink_offset")
    judge(edge, Span(QUOTES, 0, 5, 20), entry)
    assert {name for name in ("missing", "extra", "altered") if getattr(edge, name)} == ({trouble} - {None})


def test_copies_for_other_readers_count_nothing() -> None:
    """A post or a mention that was sent back for another stage is neither."""
    headers = redriven_headers(letter(0, 1, "moodtape.moods", "mentions.v1"))
    edge = Edge("posts.v1 -> mentions.v1")
    again = MentionsAgain(edge, {}, {})
    again.post(Fact(0, POST, None, None, headers), True)
    again.mention(Fact(0, both()[0], None, None, headers))
    again.settle()
    assert (edge.ok, edge.facts_in, edge.facts_out) == (True, 0, 0)
