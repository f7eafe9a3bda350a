"""Entries of a bars snapshot: rows of bars and states of indicators."""

from typing import Any

import msgspec

from infra.clock import to_rfc3339

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


def describe_line(line: Line) -> dict[str, Any]:
    """Bars of an interval for people: those that are due again, how many there are, the last, its indicators."""
    pending = [bucket for _, bucket in sorted(line.buckets.items()) if bucket.pending]
    last = line.tail[-1] if line.tail else None
    return {
        "open": [{"end": to_rfc3339(bucket.end), "revision": bucket.revision} for bucket in pending],
        "bars": len(line.tail),
        "last": None if last is None else {"end": to_rfc3339(last.end), "revision": last.revision - 1},
        "indicators": None if last is None else msgspec.to_builtins(line.indicators()),
    }
