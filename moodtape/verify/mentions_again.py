"""Mentions against posts: each post has a mention for every instrument that it names, and no mention is without one.

Where a post names several instruments, each mention may have the score of its own clauses, which no post holds:
then only the model is compared, and the score with itself.

Both are written in one transaction, to partitions of different keys. So the posts are read first, then the mentions
that were there by then, then the posts that came meanwhile. Memory holds some posts at a time, told apart by a hash.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from schemas.deadletters import parse_redriven
from schemas.records import Mention, PostMention, ScoredPost
from schemas.topics import MENTIONS, POSTS, TOPICS, partition_of, post_key

from .account import Edge
from .reading import Fact, Span, TopicReader, facts_only, require
from .rows import same, spoken

AT_ONCE = 500_000
SLACK_MS = 60_000
"""A mention and its post are appended within one transaction, and none lasts longer."""
OF_THE_MODEL = ("model", "model_version")
OF_THE_TEXT = ("score", "positive", "negative", "neutral", "label")
LABELS = ("positive", "negative", "neutral")
PostId = tuple[str, str]
Key = tuple[str, str, int, str]
"""source, post_id, revision, symbol"""
Since = Mapping[int, int]
"""By partition since when its log is held, the broker's milliseconds; 0 = from its first record."""


class _Due(NamedTuple):
    """A mention that must be there: its fields, when its post was appended, and whether it is there by now."""

    fields: Mapping[str, Any]
    append_ms: int
    sure: bool


@dataclass(slots=True)
class MentionsAgain:
    """Compares posts with mentions.

    Args:
        edge: what the findings go to.
        posts: since when each partition of the posts is held.
        mentions: since when each partition of the mentions is held.
        ours: which posts count.
    """

    edge: Edge
    posts: Since
    mentions: Since
    ours: Callable[[PostId], bool] = lambda _: True
    _named: dict[PostId, tuple[str, ...]] = field(default_factory=dict)
    _due: dict[Key, list[_Due]] = field(default_factory=dict)
    _found: dict[Key, list[Fact]] = field(default_factory=dict)

    def post(self, fact: Fact, sure: bool) -> None:
        """Take the next post; ``sure`` where all its mentions are there, too."""
        post: ScoredPost | None = fact.record
        if post is None or not self.ours((post.source, post.post_id)) or parse_redriven(fact.headers) is not None:
            return
        for symbol, fields in self._told(post).items():
            self.edge.facts_in += sure
            key = (post.source, post.post_id, post.revision, symbol)
            self._due.setdefault(key, []).append(_Due(fields, fact.append_ms, sure))

    def mention(self, fact: Fact) -> None:
        """Take the next mention."""
        one: Mention | None = fact.record
        if one is None or not self.ours((one.source, one.post_id)) or parse_redriven(fact.headers) is not None:
            return
        self.edge.facts_out += 1
        self._found.setdefault((one.source, one.post_id, one.revision, one.symbol), []).append(fact)

    def settle(self) -> None:
        """Blame what does not add up."""
        for key, due in self._due.items():
            found = self._found.pop(key, [])
            for each, fact in zip(due, found, strict=False):
                self._compare(key, each.fields, fact.record)
            for each in due[len(found) :]:
                if each.sure:
                    self._miss(key, each)
            for fact in found[len(due) :]:
                self.edge.blame("extra", f"{_spoken(key)} (offset {fact.offset}) is one too many")
        for key, found in self._found.items():
            for fact in found:
                self._stray(key, fact)

    def _told(self, post: ScoredPost) -> dict[str, dict[str, Any]]:
        """Fields of the mentions of a post by symbol: those that it names, and those that it names no more."""
        before = self._named.get((post.source, post.post_id), ())
        named = tuple(mention.symbol for mention in post.mentions)
        self._named[post.source, post.post_id] = named
        told = {mention.symbol: _fields(post, mention) for mention in post.mentions}
        return told | {symbol: _gone(post) for symbol in before if symbol not in named}

    def _compare(self, key: Key, fields: Mapping[str, Any], mention: Mention) -> None:
        wrong = [name for name, value in fields.items() if not same(getattr(mention, name), value)]
        if "score" not in fields and not _coherent(mention):
            wrong.append("score")
        if wrong:
            self.edge.blame("altered", f"{_spoken(key)} is not what its post says: {', '.join(wrong)}")

    def _miss(self, key: Key, due: _Due) -> None:
        since = self.mentions.get(partition_of(key[3], TOPICS[MENTIONS].partitions), 0)
        if since and due.append_ms < since + SLACK_MS:
            self.edge.unjudged += 1
        else:
            self.edge.blame("missing", f"{_spoken(key)} must be there and is not")

    def _stray(self, key: Key, fact: Fact) -> None:
        since = self.posts.get(partition_of(post_key(fact.record), TOPICS[POSTS].partitions), 0)
        # What a removed revision of a post named is not known: a later one takes it back.
        if since and (fact.append_ms < since + SLACK_MS or fact.record.deleted):
            self.edge.unjudged += 1
        else:
            self.edge.blame("extra", f"{_spoken(key)} (offset {fact.offset}): no post names it")


def mentions_edge(reader: TopicReader) -> Edge:
    """Account for the mentions of all posts."""
    edge = Edge(f"{POSTS} -> {MENTIONS}")
    spans = require(reader.spans(POSTS), POSTS)
    counted = [*spans, *require(reader.spans(MENTIONS), MENTIONS)]
    shards = max(1, -(-sum(span.high - span.low for span in counted) // AT_ONCE))
    posts, mentions = (_since(reader, topic) for topic in (POSTS, MENTIONS))
    for shard in range(shards):
        again = MentionsAgain(edge, posts, mentions, lambda post, shard=shard: hash(post) % shards == shard)  # type: ignore[misc]
        _walk(reader, again, spans)
    return edge


def _since(reader: TopicReader, topic: str) -> Since:
    return {span.partition: reader.held_since(span) for span in reader.spans(topic)}


def _walk(reader: TopicReader, again: MentionsAgain, spans: list[Span]) -> None:
    for span in spans:
        for fact in facts_only(reader.facts(span)):
            again.post(fact, True)
    for span in reader.spans(MENTIONS):
        for fact in facts_only(reader.facts(span)):
            again.mention(fact)
    highs = {span.partition: span.high for span in spans}
    for span in reader.spans(POSTS):
        for fact in facts_only(reader.facts(Span(POSTS, span.partition, highs[span.partition], span.high))):
            again.post(fact, False)
    again.settle()


def _fields(post: ScoredPost, mention: PostMention) -> dict[str, Any]:
    return {
        **_shared(post),
        "author": post.author,
        "url": post.url,
        "rule": mention.rule,
        "confidence": mention.confidence,
        "spam": post.spam,
        "deleted": False,
        **_score(post),
    }


def _score(post: ScoredPost) -> dict[str, Any]:
    """What is known of the score of a post's mentions."""
    if post.sentiment is None:
        return dict.fromkeys((*OF_THE_MODEL, *OF_THE_TEXT))
    names = OF_THE_MODEL if len(post.mentions) > 1 else (*OF_THE_MODEL, *OF_THE_TEXT)
    return {name: getattr(post.sentiment, name) for name in names}


def _coherent(mention: Mention) -> bool:
    """Whether a score is the difference of its own probabilities, and its label the likeliest; neutral at a tie."""
    parts = mention.positive, mention.negative, mention.neutral
    if mention.score is None or any(part is None for part in parts):
        return False
    positive, negative, neutral = (part or 0.0 for part in parts)
    first = max(positive, negative, neutral)
    likeliest = [name for name, part in zip(LABELS, (positive, negative, neutral), strict=True) if part == first]
    label = likeliest[0] if len(likeliest) == 1 else "neutral"
    return same(mention.score, positive - negative) and mention.label == label


def _gone(post: ScoredPost) -> dict[str, Any]:
    """What takes a mention back says who wrote it no more."""
    return {**_shared(post), "author": None, "url": None, "score": None, "deleted": True}


def _shared(post: ScoredPost) -> dict[str, Any]:
    return {name: getattr(post, name) for name in ("event_time", "ingest_time", "community", "flags")}


def _spoken(key: Key) -> str:
    source, post_id, revision, symbol = key
    return f"mention of {spoken((symbol,))} by {source} {post_id} revision {revision}"
