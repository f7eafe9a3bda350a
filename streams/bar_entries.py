"""Entries of a bars snapshot: rows of bars and states of indicators."""

from typing import Any

import msgspec

from .bar_lines import Bucket, Line


def dump_slot(line: Line, slot: int) -> tuple[str, bytes | None]:
    """The entry of some neighbouring buckets; None in place of none."""
    rows = [_row(bucket) for bucket in line.slots.get(slot, ())]
    return f"bars\t{line.symbol}\t{line.i}\t{slot}", msgspec.msgpack.encode(rows) if rows else None


def _row(bucket: Bucket) -> list[Any]:
    parts = [[*key, part.base] for key, part in bucket.parts.items()]
    return [bucket.start, bucket.end, bucket.revision, bucket.pending, bucket.candle, parts]


def dump_base(line: Line) -> tuple[str, bytes]:
    """The entry of the indicators' state before the bars that are kept."""
    return f"base\t{line.symbol}\t{line.i}", msgspec.msgpack.encode(line.base.dump())
