"""The mentions of one instrument as the moods fold keeps them: by post, and in leaves of 60 seconds.

A bucket of any interval is a row of leaves, so each mention is kept once, and a snapshot writes only the leaves
that changed.
"""

from dataclasses import dataclass, field

from .summary import Entry

Post = tuple[str, str]
LEAF = 60_000_000


def leaf_end(event_time: int) -> int:
    """End of the leaf (end - 60 s, end] that contains a moment, microseconds UTC."""
    return -(-event_time // LEAF) * LEAF


@dataclass(slots=True)
class Leaf:
    """The mentions of one minute, deleted ones included, and the latest ``ingest_time`` that changed them."""

    entries: dict[Post, Entry] = field(default_factory=dict)
    known: int = 0


@dataclass(slots=True)
class Bucket:
    """A bucket that was touched.

    Attributes:
        revision: of its next emission.
        dirty: changed since its last emission.
        mentions: as of its last emission, 0 before.
        known: greatest ingest_time inside, as of its last emission.
    """

    start: int
    revision: int = 0
    dirty: bool = False
    mentions: int = 0
    known: int = 0


@dataclass(slots=True)
class Shelf:
    """One instrument.

    Attributes:
        leaves: by the leaf's end.
        posts: the end of the leaf that holds each post's mention.
        buckets: by (interval, end).
        first: event_time of the earliest mention ever folded, None before any.
    """

    leaves: dict[int, Leaf] = field(default_factory=dict)
    posts: dict[Post, int] = field(default_factory=dict)
    buckets: dict[tuple[int, int], Bucket] = field(default_factory=dict)
    first: int | None = None

    def find(self, post: Post) -> Entry | None:
        """The kept mention of a post."""
        end = self.posts.get(post)
        return None if end is None else self.leaves[end].entries[post]

    def put(self, entry: Entry) -> Leaf:
        """Keep a mention of a post that has none here; the leaf it went to."""
        post, end = (entry.source, entry.post_id), leaf_end(entry.event_time)
        leaf = self.leaves.setdefault(end, Leaf())
        leaf.entries[post] = entry
        self.posts[post] = end
        return leaf

    def take(self, entry: Entry) -> None:
        """Remove a kept mention; its leaf stays, for what was known of it."""
        post = (entry.source, entry.post_id)
        del self.leaves[self.posts.pop(post)].entries[post]

    def drop_leaf(self, end: int) -> None:
        """Forget a leaf and its mentions."""
        for post in self.leaves.pop(end).entries:
            del self.posts[post]

    def look(self, start: int, end: int) -> tuple[list[Entry], int]:
        """The mentions in (start, end] that are not deleted, in order, and the greatest ingest_time inside."""
        leaves = [
            self.leaves[at] for at in range(leaf_end(start) + LEAF, leaf_end(end) + LEAF, LEAF) if at in self.leaves
        ]
        entries = [e for leaf in leaves for e in leaf.entries.values() if not e.deleted]
        if len(entries) > 1:
            entries.sort(key=_order)
        return entries, max((leaf.known for leaf in leaves), default=0)


def _order(entry: Entry) -> tuple[int, str, str]:
    return entry.order
