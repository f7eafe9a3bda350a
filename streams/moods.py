"""Moods: the mentions of each instrument, summed up in buckets of four lengths."""

from collections.abc import Iterator, Mapping, Sequence
from heapq import heappop, heappush
from math import log
from typing import Any

from infra.grid import INTERVALS, Grid
from schemas.clocks import Clock
from schemas.records import Mention, Record, Sentiment
from schemas.topics import SENTIMENT

from .coverage import Coverage
from .mood_entries import describe_shelf, pack, pack_bucket, pack_leaf, unpack, unpack_leaf
from .shelf import Bucket, Leaf, Shelf, leaf_end
from .stage import Emit, Fold
from .summary import Entry, make_entry, sample_deviation, sum_in_order, summarise

SECOND = 1_000_000
KEEP = 2 * 3600 * SECOND
LONGEST = 26 * 3600 * SECOND
HISTORY = 30

Change = tuple[str, str, int, int]
"""What a snapshot must write again: (kind, symbol, end, interval or 0)."""


class MoodsFold(Fold):
    """Mentions of one partition -> a Sentiment for each touched bucket.

    The highest revision of a post counts, where it lies now. A bucket is emitted when the watermark reaches its
    end, and again with the next revision whenever it changed since; it is kept for two hours behind the
    watermark, and what comes for a bucket that is no longer kept is left out of it. What a bucket says of
    earlier ones (``buzz_z``) is what was known of them when it was emitted.
    """

    def __init__(self, grid: Grid, post_sources: tuple[str, ...]) -> None:
        """Make an empty fold; ``post_sources`` count for coverage, empty = all that are heard of."""
        self._grid = grid
        self._coverage = Coverage(post_sources)
        self._shelves: dict[str, Shelf] = {}
        self._pending: list[tuple[int, int, str]] = []
        self._expiry: list[tuple[int, str, str, int, int]] = []
        self._changed: dict[Change, None] = {}
        self._parts: dict[tuple[str, int], int] = {}
        self._ends: tuple[int, int, list[int]] = (0, 0, [])

    def fact(self, topic: str, record: Mention, watermark: int | None, answers: object) -> Sequence[Emit]:
        """Fold a mention; emits nothing."""
        if "late" in record.flags:
            return ()
        shelf = self._shelves.setdefault(record.symbol, Shelf())
        entry, old = make_entry(record), shelf.find((record.source, record.post_id))
        if old is not None:
            if not _supersedes(entry, old):
                return ()
            self._remove(record.symbol, shelf, old)
        horizon = None if watermark is None else watermark - KEEP
        if self._buckets(entry.event_time, horizon):
            self._place(record.symbol, shelf, entry)
        if old is not None and not old.deleted:
            self._touch(record.symbol, shelf, old.event_time, entry.ingest_time, horizon)
        if not entry.deleted:
            self._touch(record.symbol, shelf, entry.event_time, entry.ingest_time, horizon)
        return ()

    def _buckets(self, event_time: int, horizon: int | None) -> list[tuple[int, int, int]]:
        """(interval, start, end) of the buckets around a moment that are still kept."""
        spans = [(interval, *self._grid.bucket(event_time, interval)) for interval in INTERVALS]
        return spans if horizon is None else [span for span in spans if span[2] >= horizon]

    def _remove(self, symbol: str, shelf: Shelf, old: Entry) -> None:
        self._note("leaf", symbol, leaf_end(old.event_time))
        shelf.take(old)

    def _place(self, symbol: str, shelf: Shelf, entry: Entry) -> None:
        end = leaf_end(entry.event_time)
        if end not in shelf.leaves:
            self._watch_leaf(symbol, end)
        shelf.put(entry)
        self._note("leaf", symbol, end)
        if not entry.deleted and (shelf.first is None or entry.event_time < shelf.first):
            shelf.first = entry.event_time
            self._note("first", symbol, 0)

    def _touch(self, symbol: str, shelf: Shelf, event_time: int, known: int, horizon: int | None) -> None:
        """Mark the kept buckets around a moment as changed by something first seen at ``known``."""
        leaf = shelf.leaves.get(leaf_end(event_time))
        if leaf is None:
            return
        leaf.known = max(leaf.known, known)
        for interval, start, end in self._buckets(event_time, horizon):
            bucket = shelf.buckets.get((interval, end))
            if bucket is None:
                bucket = shelf.buckets[interval, end] = Bucket(start)
                self._watch_bucket(symbol, interval, end)
            if not bucket.dirty:
                bucket.dirty = True
                heappush(self._pending, (end, interval, symbol))
                self._note("bucket", symbol, end, interval)

    def heard(self, clock: Clock) -> None:
        """Note which sources feed the partition and when they were blind."""
        if self._coverage.hear(clock):
            self._note("coverage", "", 0)

    def advance(self, watermark: int) -> Sequence[Emit]:
        """Emit the changed buckets that end by the watermark, then forget what is no longer needed."""
        emits = self._emit(watermark)
        self._forget(watermark - KEEP)
        return emits

    def flush(self) -> Sequence[Emit]:
        """Emit every changed bucket, however far it reaches."""
        return self._emit(None)

    def _emit(self, until: int | None) -> list[Emit]:
        """The changed buckets in the order (event_time, interval, symbol); until None = all."""
        emits = []
        while self._pending and (until is None or self._pending[0][0] <= until):
            end, interval, symbol = heappop(self._pending)
            record = self._close(symbol, interval, end)
            if record is not None:
                emits.append(Emit(SENTIMENT, symbol, record))
        return emits

    def _close(self, symbol: str, interval: int, end: int) -> Record | None:
        shelf = self._shelves[symbol]
        bucket = shelf.buckets[interval, end]
        bucket.dirty = False
        self._note("bucket", symbol, end, interval)
        entries, bucket.known = shelf.look(bucket.start, end)
        bucket.mentions = len(entries)
        if not entries and not bucket.revision:
            return None
        buzz_z, known = self._buzz(shelf, bucket, interval)
        bucket.revision += 1
        return Sentiment(
            symbol=symbol,
            interval=interval,
            start=bucket.start,
            event_time=end,
            known_time=max(end, bucket.known, known),
            revision=bucket.revision - 1,
            buzz_z=buzz_z,
            coverage=self._coverage.share(bucket.start, end),
            **summarise(entries),
        )

    def _buzz(self, shelf: Shelf, bucket: Bucket, interval: int) -> tuple[float | None, int]:
        """ln(1 + mentions) in sample deviations from the mean of the previous 30 buckets; when the last became known.

        None before the symbol's first bucket of this interval is 30 back, and where nothing varied: that too is
        known from the previous buckets, so that a later revision is never known earlier.
        """
        ends = self._previous_ends(bucket.start, interval)
        if shelf.first is None or shelf.first > ends[0]:
            return None, 0
        before = [shelf.buckets.get((interval, end)) for end in ends]
        known = max([b.known for b in before if b is not None], default=0)
        counts = [0 if b is None else b.mentions for b in before]
        if min(counts) == max(counts):
            return None, known
        past = [log(1 + count) for count in counts]
        mean = sum_in_order(past) / HISTORY
        deviation = sample_deviation(past, mean)
        return (log(1 + bucket.mentions) - mean) / deviation if deviation else None, known

    def _previous_ends(self, start: int, interval: int) -> list[int]:
        """Ends of the 30 buckets before ``start``, earliest first; one search serves all symbols of a bucket."""
        if self._ends[:2] != (interval, start):
            ends = [start]
            while len(ends) < HISTORY:
                ends.append(self._grid.previous(ends[-1], interval)[0])
            self._ends = interval, start, ends[::-1]
        return self._ends[2]

    def _watch_leaf(self, symbol: str, end: int) -> None:
        last = max(self._grid.bucket(end, interval)[1] for interval in INTERVALS)
        heappush(self._expiry, (last, "leaf", symbol, end, 0))

    def _watch_bucket(self, symbol: str, interval: int, end: int) -> None:
        reach = end + (HISTORY + 2) * interval * SECOND
        heappush(self._expiry, (reach, "bucket", symbol, end, interval))

    def _forget(self, horizon: int) -> None:
        """Drop the leaves of which no bucket is kept, and the buckets that no kept one looks back on."""
        while self._expiry and self._expiry[0][0] < horizon:
            _, kind, symbol, end, interval = heappop(self._expiry)
            self._note(kind, symbol, end, interval)
            if kind == "leaf":
                self._shelves[symbol].drop_leaf(end)
            else:
                del self._shelves[symbol].buckets[interval, end]
        if self._coverage.forget(horizon - LONGEST):
            self._note("coverage", "", 0)

    def _note(self, kind: str, symbol: str, end: int, interval: int = 0) -> None:
        self._changed[kind, symbol, end, interval] = None

    def dump(self) -> Sequence[tuple[str, bytes | None]]:
        """What changed: leaves in parts, buckets, the first mention of a symbol, the coverage."""
        changed, self._changed = self._changed, {}
        return [item for change in changed for item in self._dump_one(*change)]

    def _dump_one(self, kind: str, symbol: str, end: int, interval: int) -> Iterator[tuple[str, bytes | None]]:
        if kind == "leaf":
            yield from self._dump_leaf(symbol, end)
        elif kind == "bucket":
            bucket = self._shelves[symbol].buckets.get((interval, end))
            yield f"bucket|{interval}|{end}|{symbol}", None if bucket is None else pack_bucket(bucket)
        elif kind == "first":
            yield f"first|0|0|{symbol}", pack(self._shelves[symbol].first)
        else:
            yield "coverage|0|0|", pack(self._coverage.state())

    def _dump_leaf(self, symbol: str, end: int) -> Iterator[tuple[str, bytes | None]]:
        leaf = self._shelves[symbol].leaves.get(end)
        parts = [] if leaf is None else pack_leaf(leaf)
        for number, part in enumerate(parts):
            yield f"leaf|{number}|{end}|{symbol}", part
        for number in range(len(parts), self._parts.pop((symbol, end), 0)):
            yield f"leaf|{number}|{end}|{symbol}", None
        if parts:
            self._parts[symbol, end] = len(parts)

    def load(self, key: str, value: bytes) -> None:
        """Take back one entry, in any order."""
        kind, number, end, symbol = key.split("|", 3)
        if kind == "coverage":
            self._coverage.restore(*unpack(value))
            return
        shelf = self._shelves.setdefault(symbol, Shelf())
        if kind == "leaf":
            self._load_leaf(symbol, shelf, int(end), int(number), value)
        elif kind == "bucket":
            self._load_bucket(symbol, shelf, int(number), int(end), value)
        else:
            shelf.first = unpack(value)

    def describe(self, symbol: str) -> Mapping[str, Any]:
        """How many mentions are kept, since when there are any, and by interval the buckets."""
        shelf = self._shelves.get(symbol)
        return {} if shelf is None else describe_shelf(shelf)

    def _load_leaf(self, symbol: str, shelf: Shelf, end: int, number: int, value: bytes) -> None:
        known, entries = unpack_leaf(value)
        if end not in shelf.leaves:
            shelf.leaves[end] = Leaf()
            self._watch_leaf(symbol, end)
        shelf.leaves[end].known = known
        for entry in entries:
            shelf.put(entry)
        self._parts[symbol, end] = max(number + 1, self._parts.get((symbol, end), 0))

    def _load_bucket(self, symbol: str, shelf: Shelf, interval: int, end: int, value: bytes) -> None:
        bucket = shelf.buckets[interval, end] = Bucket(*unpack(value))
        self._watch_bucket(symbol, interval, end)
        if bucket.dirty:
            heappush(self._pending, (end, interval, symbol))


def _supersedes(new: Entry, old: Entry) -> bool:
    """Whether a mention replaces the kept one: by revision; equal ones by a rule that ignores their order."""
    if new.revision != old.revision:
        return new.revision > old.revision
    return new != old and (new.ingest_time, repr(new)) > (old.ingest_time, repr(old))
