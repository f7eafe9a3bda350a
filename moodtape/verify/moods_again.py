"""Moods told again from the mentions: what the log of one partition of ``mentions.v1`` makes of ``sentiment.v1``.

All revisions follow from that log, clocks included. What a mood says of the 30 buckets before it is what was known
of them when it was emitted, so the account is drawn up in the order of the log too.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Any

from schemas.clocks import Clock
from schemas.records import Mention, Sentiment
from schemas.topics import MENTIONS, PARTITIONS, RAW_POSTS

from .account import Edge
from .buckets import INTERVALS, KEPT, MICROS, Bucket, Calendar
from .clockwork import Clockwork
from .matching import Key, Matching
from .mood_figures import HISTORY, Sight, differing, tell, tell_buzz
from .reading import Fact, Heard
from .rows import spoken

TWO_DAYS = 2 * 86_400 * MICROS
Post = tuple[str, str]
OR = "or"
"""Other values that some fields of a mood may have."""
Place = tuple[int, int]
"""Interval and end of a bucket of one symbol."""


@dataclass(slots=True)
class _Open:
    """A bucket: its mentions while it may change, and what was said of it last.

    ``known`` is the latest ingest_time that changed it, ``told_*`` are as of its last emission.
    """

    start: int
    inside: dict[Post, Mention] = field(default_factory=dict)
    known: int = 0
    revision: int = 0
    touched: bool = False
    told_mentions: int = 0
    told_known: int = 0


@dataclass(slots=True)
class _Symbol:
    """One instrument. ``first`` is the event_time of its earliest mention that was not a deletion."""

    posts: dict[Post, Mention] = field(default_factory=dict)
    buckets: dict[Place, _Open] = field(default_factory=dict)
    first: int | None = None


class MoodsAgain:
    """The account of one partition between ``mentions.v1`` and ``sentiment.v1``.

    Args:
        edge: what the findings go to.
        calendar: the buckets.
        sources: the post sources that count for coverage; empty = all that were heard of.
        whole: whether the log of the mentions still begins with its first record. If not, moods are not judged
            until 30 buckets and two days after its first clock.
        partitions: how many partitions of posts feed it.
        matching: how what must be there is compared with what is there.
    """

    def __init__(
        self,
        edge: Edge,
        calendar: Calendar,
        sources: Sequence[str],
        whole: bool,
        *,
        partitions: int = PARTITIONS,
        matching: Callable[..., Matching[dict[str, Any]]] = Matching,
    ) -> None:
        self._calendar, self._whole = calendar, whole
        self._matching = matching(edge, _differing, _spoken)
        self._clockwork = Clockwork((MENTIONS, f"{RAW_POSTS}/{number}") for number in range(partitions))
        self._sight = Sight(sources)
        self._first: int | None = None
        self._symbols: dict[str, _Symbol] = {}
        self._due: list[tuple[int, int, str]] = []
        self._gone: list[tuple[int, str, str, Any]] = []

    def take(self, topic: str, entry: Fact | Heard, sure: bool) -> None:
        """Take the next mention or clock of the log."""
        if isinstance(entry, Heard):
            self._hear(topic, entry.clock, sure)
        elif entry.record is not None and "late" not in entry.record.flags:
            self._mention(entry.record)

    def find(self, fact: Fact, round_: int) -> None:
        """Take the next mood of the log."""
        mood: Sentiment | None = fact.record
        if mood is None:
            self._matching.edge.blame("altered", f"sentiment.v1 offset {fact.offset} cannot be decoded: {fact.error}")
        elif self._judged(mood.start, mood.interval):
            key = Bucket(mood.symbol, mood.interval, mood.start, mood.event_time)
            self._matching.find((*key, mood.revision), mood, round_)

    def proceed(self) -> None:
        """Nothing waits here."""

    def settle(self, round_: int, last: bool) -> None:
        """Blame what does not add up."""
        self._matching.settle(round_)

    def _judged(self, start: int, interval: int) -> bool:
        if self._whole or self._first is None:
            return self._whole
        return start >= self._first + TWO_DAYS + (HISTORY + 1) * interval * MICROS

    def _mention(self, mention: Mention) -> None:
        symbol = self._symbols.setdefault(mention.symbol, _Symbol())
        post = (mention.source, mention.post_id)
        before = symbol.posts.get(post)
        if before is not None:
            if mention.revision <= before.revision:
                return
            self._take_out(symbol, post, before)
        homes = self._homes(mention.event_time)
        if homes:
            symbol.posts[post] = mention
            heappush(self._gone, (max(end for (_, end), _ in homes), mention.symbol, "post", post))
        for changed in (before, mention):
            if changed is not None and not changed.deleted:
                self._touch(mention.symbol, changed.event_time, mention.ingest_time)
        if homes and not mention.deleted:
            symbol.first = min(mention.event_time, symbol.first or mention.event_time)
            for place, _ in homes:
                symbol.buckets[place].inside[post] = mention

    def _take_out(self, symbol: _Symbol, post: Post, mention: Mention) -> None:
        del symbol.posts[post]
        for place, _ in self._homes(mention.event_time):
            if place in symbol.buckets:
                symbol.buckets[place].inside.pop(post, None)

    def _homes(self, moment: int) -> list[tuple[Place, int]]:
        """Buckets around a moment that may still change, each with its start."""
        now = self._clockwork.time
        spans = [(interval, *self._calendar.bucket(moment, interval)) for interval in INTERVALS]
        return [((i, end), start) for i, start, end in spans if now is None or end >= now - KEPT]

    def _touch(self, name: str, moment: int, known: int) -> None:
        buckets = self._symbols[name].buckets
        for place, start in self._homes(moment):
            bucket = buckets.get(place)
            interval, end = place
            if bucket is None:
                bucket = buckets[place] = _Open(start)
                heappush(self._gone, (end + (HISTORY + 2) * interval * MICROS, name, "bucket", place))
            bucket.known = max(bucket.known, known)
            if not bucket.touched:
                bucket.touched = True
                heappush(self._due, (end, interval, name))

    def _hear(self, topic: str, clock: Clock, sure: bool) -> None:
        self._sight.hear(clock)
        step = self._clockwork.hear(topic, clock)
        now = self._clockwork.time
        if self._first is None:
            self._first = now
        while step is not None and self._due and (step == "flush" or (now is not None and self._due[0][0] <= now)):
            end, interval, name = heappop(self._due)
            self._emit(name, (interval, end), sure)
        if now is not None:
            self._forget(now - KEPT)

    def _forget(self, before: int) -> None:
        while self._gone and self._gone[0][0] < before:
            _, name, kind, what = heappop(self._gone)
            symbol = self._symbols[name]
            if kind == "bucket":
                del symbol.buckets[what]
            elif what in symbol.posts and not self._homes(symbol.posts[what].event_time):
                del symbol.posts[what]
        self._sight.forget(before - TWO_DAYS)

    def _emit(self, name: str, place: Place, sure: bool) -> None:
        interval, end = place
        symbol = self._symbols[name]
        bucket = symbol.buckets[place]
        bucket.touched = False
        bucket.told_mentions, bucket.told_known = len(bucket.inside), bucket.known
        if not bucket.inside and not bucket.revision:
            return
        revision, bucket.revision = bucket.revision, bucket.revision + 1
        if not self._judged(bucket.start, interval):
            return
        told = tell(bucket.inside.values())._asdict()
        told |= {"event_time": end, "coverage": self._sight.coverage(bucket.start, end)}
        buzz = [
            {"buzz_z": value, "known_time": max(end, bucket.known, known)}
            for value, known in self._buzz(symbol, bucket, interval)
        ]
        told |= {**buzz[0], OR: buzz[1:]}
        self._matching.expect((name, interval, bucket.start, end, revision), told, sure)

    def _buzz(self, symbol: _Symbol, bucket: _Open, interval: int) -> list[tuple[float | None, int]]:
        """buzz_z, and when the buckets that it looks back on became known.

        Both ways where the symbol's first mention may have been removed, and with it whether there is a buzz_z.
        """
        ends = self._calendar.previous(bucket.start, interval, HISTORY)
        new = symbol.first is None or symbol.first > ends[0]
        if new and self._whole:
            return [(None, 0)]
        before = [symbol.buckets.get((interval, end)) for end in ends]
        known = max((b.told_known for b in before if b is not None), default=0)
        buzz = tell_buzz(len(bucket.inside), [0 if b is None else b.told_mentions for b in before])
        return [(None, 0), (buzz, known)] if new else [(buzz, known)]


def _differing(told: Mapping[str, Any], mood: Sentiment) -> list[str]:
    """Names of the fields in which a mood is none of what it may be."""
    ways = [{name: value for name, value in {**told, **way}.items() if name != OR} for way in ({}, *told[OR])]
    return min((differing(way, mood) for way in ways), key=len)


def _spoken(key: Key) -> str:
    symbol, interval, start, _, revision = key
    return spoken(("mood", symbol, f"{interval} s", start, "revision", revision))
