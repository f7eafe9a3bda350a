"""The state of moods as bytes, for the entries of a snapshot."""

from typing import Any

import msgspec

from infra.clock import to_rfc3339
from infra.grid import INTERVALS

from .shelf import Bucket, Leaf, Shelf
from .summary import Entry

PART_BYTES = 500_000

_leaves = msgspec.msgpack.Decoder(tuple[int, list[Entry]])


def pack(value: object) -> bytes:
    """Plain lists, numbers and texts as bytes."""
    return msgspec.msgpack.encode(value)


def unpack(value: bytes) -> Any:
    """Take back what :func:`pack` gave."""
    return msgspec.msgpack.decode(value)


def pack_bucket(bucket: Bucket) -> bytes:
    """The fields of a bucket in their order."""
    return pack([bucket.start, bucket.revision, bucket.dirty, bucket.mentions, bucket.known])


def pack_leaf(leaf: Leaf) -> list[bytes]:
    """A leaf as one or more ``[known, entries]``, each far below the 1 MB of a record."""
    parts: list[list[msgspec.Raw]] = [[]]
    size = 0
    for entry in leaf.entries.values():
        packed = msgspec.Raw(pack(entry))
        if size and size + len(packed) > PART_BYTES:
            parts.append([])
            size = 0
        parts[-1].append(packed)
        size += len(packed)
    return [pack([leaf.known, part]) for part in parts]


def unpack_leaf(value: bytes) -> tuple[int, list[Entry]]:
    """One part of a leaf: the latest ``ingest_time`` that changed it, and its mentions."""
    return _leaves.decode(value)


def describe_shelf(shelf: Shelf) -> dict[str, Any]:
    """An instrument for people."""
    return {
        "first_mention": None if shelf.first is None else to_rfc3339(shelf.first),
        "mentions": len(shelf.posts),
        "minutes": len(shelf.leaves),
        "intervals": {str(interval): _describe_buckets(shelf, interval) for interval in INTERVALS},
    }


def _describe_buckets(shelf: Shelf, interval: int) -> dict[str, Any]:
    buckets = [(end, bucket) for (length, end), bucket in sorted(shelf.buckets.items()) if length == interval]
    due = [{"end": to_rfc3339(end), "revision": bucket.revision} for end, bucket in buckets if bucket.dirty]
    return {"open": due, "buckets": len(buckets)}
