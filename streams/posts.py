"""Posts: validated, freed of duplicates, matched with instruments and scored."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import lru_cache, partial
from hashlib import blake2b
from typing import Any, NamedTuple

from infra.clock import LATEST
from infra.errors import PoisonError
from infra.metrics import MENTIONS_UNSURE, POSTS_FLAGGED
from schemas.clocks import Clock
from schemas.records import Mention, PostMention, RawPost, ScoredPost, SentimentScore
from schemas.topics import MENTIONS, POSTS, post_key

from .clauses import clauses, own_texts
from .matching import NOTHING, Judged, Matcher
from .seen import Notes, Seen, SeenPosts
from .stage import Emit, Fold
from .text import fingerprint, is_scored_language, keywords, language_of, normalise, spam_score, words_of

SECOND = 1_000_000
LATE = 2 * 3600 * SECOND
AHEAD = 300 * SECOND
SCORED_CHARACTERS = 2000
READ_CHARACTERS = 50_000  # longer than the longest post of any source
_KEPT_TEXTS = 1024


class Finding(NamedTuple):
    """What one text says, whatever the post's state."""

    language: str | None
    spam: float
    fingerprint: int | None
    words: tuple[str, ...]


class PostsFold(Fold):
    """Raw posts of one partition -> a ScoredPost each, and a Mention for each instrument.

    A post is scored when it names an instrument, is not deleted and not in another language than English. Where it
    names several instruments and its clauses tell them apart, each Mention has the score of its own clauses; the
    post's is that of the whole text. Duplicates leave no trace: an older revision than the highest seen in 30 days of
    event time, or one with the same text, symbols and ``deleted``. A symbol that the last revision named and this one
    does not gets a Mention with ``deleted``.

    Flags: ``late``; ``foreign`` (not scored for its language), ``long`` (scored by the first 2,000 characters,
    only 50,000 read), ``crowded`` (of more than 64 instruments the surest were kept), ``unsure_mention`` (it names
    another, but not surely enough).
    """

    def __init__(self, matcher: Matcher, without_posts: Collection[str] = ("yahoo", "finnhub")) -> None:
        """Make an empty fold.

        Args:
            matcher: finds the instruments; may be shared.
            without_posts: origins whose clocks are in the topic but that never carry posts; not in coverage.
        """
        self._matcher = matcher
        self._without_posts = frozenset(without_posts)
        self._seen = SeenPosts()
        self._notes = Notes()
        # Of the matcher alone: what points back to the fold would keep it, and a month of posts, when it is given up.
        self._apart: Callable[[str, tuple[str, ...], int, str | None], Mapping[str, str]] = lru_cache(_KEPT_TEXTS)(
            partial(_tell_apart, matcher)
        )

    def questions(self, records: Sequence[RawPost]) -> Sequence[str]:
        """Texts to be scored, each once: of posts that name an instrument, and of what they say of each apart."""
        texts: dict[str, None] = {}
        for record in records:
            mentions = self._judged(record).mentions
            if mentions and is_scored_language(language_of(_plain(record), record.language)):
                texts[scored_text(record)] = None
                texts.update(dict.fromkeys(self._own(record, mentions).values()))
        return [text for text in texts if text]

    def fact(self, topic: str, record: RawPost, watermark: int | None, answers: Mapping[str, Any]) -> Sequence[Emit]:
        """Fold one raw post.

        Raises:
            PoisonError: no identity, an impossible time or a negative revision.
        """
        check(record)
        key, digest = post_key(record), content(record)
        last = self._seen.get(key)
        if last is not None and (record.revision <= last.revision or digest == last.digest):
            if record.revision > last.revision:
                self._seen.put(key, last._replace(revision=record.revision))
            return ()
        judged = self._judged(record)
        named = tuple(mention.symbol for mention in judged.mentions)
        time = record.event_time if last is None else max(record.event_time, last.time)
        self._seen.put(key, Seen(record.revision, digest, time, named))
        gone = () if last is None else tuple(symbol for symbol in last.symbols if symbol not in named)
        return self._emits(record, judged, gone, watermark, answers)

    def _judged(self, record: RawPost) -> Judged:
        if record.deleted:
            return NOTHING
        text = record.text[:READ_CHARACTERS]
        return self._matcher.judge(text, record.symbols, record.event_time, record.community)

    def _own(self, record: RawPost, mentions: Sequence[PostMention]) -> Mapping[str, str]:
        """What the post says of each instrument apart; without those that it does not tell apart."""
        if len(mentions) < 2:
            return {}
        return self._apart(record.text[:READ_CHARACTERS], record.symbols, record.event_time, record.community)

    def _emits(
        self,
        record: RawPost,
        judged: Judged,
        gone: Sequence[str],
        watermark: int | None,
        answers: Mapping[str, Any],
    ) -> list[Emit]:
        finding, mentions = find_out(record), judged.mentions
        scored = bool(mentions) and is_scored_language(finding.language)
        whole, own = (scored_text(record), self._own(record, mentions)) if scored else ("", {})
        post = scored_post(record, finding, mentions, answers.get(whole), flags_of(record, finding, judged, watermark))
        emits = [Emit(POSTS, post_key(record), post)]
        for mention in mentions:
            score = answers.get(own.get(mention.symbol, whole))
            emits.append(Emit(MENTIONS, mention.symbol, mention_of(post, mention, finding, score)))
        emits += [Emit(MENTIONS, symbol, gone_mention(post, symbol)) for symbol in gone]
        return emits

    def heard(self, clock: Clock) -> None:
        """Note the clock's source, and the span that it was blind in."""
        if clock.kind == "time" and clock.source not in self._without_posts:
            self._notes.hear(clock)

    def clock_notes(self) -> tuple[Sequence[str], Sequence[Any]]:
        """All sources ever heard, and the blind spans heard since the last call."""
        return self._notes.take()

    def advance(self, watermark: int) -> Sequence[Emit]:
        """Forget the posts of more than 30 days ago."""
        self._seen.forget(watermark)
        return ()

    def dump(self) -> Iterable[tuple[str, bytes | None]]:
        """The slices of seen posts that changed, and the notes."""
        yield from self._seen.dump()
        yield from self._notes.dump()

    def load(self, key: str, value: bytes) -> None:
        """Take back one entry of :meth:`dump`."""
        if key == Notes.KEY:
            self._notes.load(value)
        else:
            self._seen.load(key, value)

    def describe(self, symbol: str) -> Mapping[str, Any]:
        """The remembered posts that name the symbol: how many, and the newest."""
        return self._seen.describe(symbol)


def _tell_apart(
    matcher: Matcher, text: str, tagged: tuple[str, ...], at: int, community: str | None
) -> Mapping[str, str]:
    parts = clauses(text[:SCORED_CHARACTERS].strip())
    return own_texts(parts, matcher.reader(text, tagged, at, community)) if len(parts) > 1 else {}


def check(record: RawPost) -> None:
    """Refuse what can never be a post.

    Raises:
        PoisonError: no source or identity, a source that would break a key or a header, a time before 1970, after
            2199 or more than five minutes past its own ``ingest_time`` (0 = unknown), or a negative revision.
    """
    if not record.source or not record.post_id or any(c in record.source for c in ":, \t\r\n\0"):
        raise PoisonError("invalid", "a post needs a source (without ':', ',' and spaces) and a post_id")
    if not 0 < record.event_time < LATEST or (record.ingest_time and record.event_time > record.ingest_time + AHEAD):
        raise PoisonError("invalid", f"event_time {record.event_time} against ingest_time {record.ingest_time}")
    if record.revision < 0:
        raise PoisonError("invalid", f"revision {record.revision} is negative")


def content(record: RawPost) -> bytes:
    """Digest of what makes a revision differ from the one before: text, symbols and ``deleted``."""
    digest = blake2b(record.text.encode("utf-8", "surrogatepass"), digest_size=8)
    for part in (*record.symbols, str(record.deleted)):
        digest.update(b"\0" + part.encode("utf-8", "surrogatepass"))
    return digest.digest()


def scored_text(record: RawPost) -> str:
    """What the scorer is asked about a post: its text, the first 2,000 characters."""
    return record.text[:SCORED_CHARACTERS].strip()


def flags_of(record: RawPost, finding: Finding, judged: Judged, watermark: int | None) -> tuple[str, ...]:
    """What must be known to read a post's figures; each is counted. See :class:`PostsFold` for what they mean."""
    signs = {
        "late": watermark is not None and watermark - record.event_time > LATE,
        "foreign": not record.deleted and not is_scored_language(finding.language),
        "long": not record.deleted and len(record.text) > SCORED_CHARACTERS,
        "crowded": judged.crowded,
        "unsure_mention": bool(judged.unsure),
    }
    flags = tuple(flag for flag, holds in signs.items() if holds)
    for flag in flags:
        POSTS_FLAGGED.labels(flag).inc()
    for mention in judged.unsure:
        MENTIONS_UNSURE.labels(mention.rule).inc()
    return flags


def _plain(record: RawPost) -> str:
    return _normalised(record.text[:READ_CHARACTERS])


# A post's text is asked for when its questions are and when it is folded.
_normalised = lru_cache(_KEPT_TEXTS)(normalise)


def find_out(record: RawPost) -> Finding:
    """Language, likeness to spam, fingerprint and keywords of a post's text."""
    text = _plain(record)
    words = keywords(words_of(text))
    return Finding(language_of(text, record.language), spam_score(text, record), fingerprint(text), words)


def scored_post(
    record: RawPost,
    finding: Finding,
    mentions: tuple[PostMention, ...],
    score: SentimentScore | None,
    flags: tuple[str, ...],
) -> ScoredPost:
    """The post without its text; a deleted one also without author and address."""
    return ScoredPost(
        source=record.source,
        post_id=record.post_id,
        revision=record.revision,
        event_time=record.event_time,
        ingest_time=record.ingest_time,
        author=None if record.deleted else record.author,
        community=record.community,
        url=None if record.deleted else record.url,
        language=finding.language,
        spam=finding.spam,
        flags=flags,
        deleted=record.deleted,
        mentions=mentions,
        sentiment=score,
    )


def mention_of(post: ScoredPost, mention: PostMention, finding: Finding, score: SentimentScore | None) -> Mention:
    """One instrument of a scored post, with the score of what the post says of it."""
    own = mention.symbol.lower()
    return Mention(
        symbol=mention.symbol,
        source=post.source,
        post_id=post.post_id,
        revision=post.revision,
        event_time=post.event_time,
        ingest_time=post.ingest_time,
        author=post.author,
        community=post.community,
        url=post.url,
        rule=mention.rule,
        confidence=mention.confidence,
        spam=post.spam,
        flags=post.flags,
        score=None if score is None else score.score,
        positive=None if score is None else score.positive,
        negative=None if score is None else score.negative,
        neutral=None if score is None else score.neutral,
        label=None if score is None else score.label,
        model=None if score is None else score.model,
        model_version=None if score is None else score.model_version,
        fingerprint=finding.fingerprint,
        words=tuple(word for word in finding.words if word != own),
    )


def gone_mention(post: ScoredPost, symbol: str) -> Mention:
    """Takes back the mention of a symbol that this revision of the post no longer names."""
    return Mention(
        symbol=symbol,
        source=post.source,
        post_id=post.post_id,
        revision=post.revision,
        event_time=post.event_time,
        ingest_time=post.ingest_time,
        community=post.community,
        flags=post.flags,
        deleted=True,
    )
