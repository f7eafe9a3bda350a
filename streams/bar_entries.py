"""Entries of a bars snapshot: minutes of facts, rows of bars, states of indicators."""

from collections.abc import Iterator
from typing import Any

import msgspec

from .bar_lines import Bucket, Line
from .bar_parts import Part, Series

ENTRY_FACTS = 4096  # facts in one entry: below 400 kB


def leaf_keys(series: Series, minute: int, facts: int) -> list[str]:
    """Names of the entries of a leaf of so many facts; facts are only added while it is kept."""
    source, granularity = series.key
    name = f"leaf\t{series.symbol}\t{source}\t{granularity}\t{minute}"
    return [f"{name}\t{part}" for part in range(-(-facts // ENTRY_FACTS))]


def dump_leaf(series: Series, minute: int) -> Iterator[tuple[str, bytes]]:
    """The entries of a leaf."""
    leaf = series.leaves[minute]
    leaf.changed, leaf.stored = False, len(leaf.facts)
    facts = list(leaf.facts.values())
    for part, key in enumerate(leaf_keys(series, minute, len(facts))):
        some = facts[part * ENTRY_FACTS : (part + 1) * ENTRY_FACTS]
        yield key, msgspec.msgpack.encode([leaf.before, some])


def load_leaf(series: Series, minute: int, content: list[Any]) -> None:
    """Take back one entry of a leaf."""
    leaf = series.restore_leaf(minute)
    before, facts = content
    leaf.before = [None if totals is None else tuple(totals) for totals in before]
    leaf.facts.update(((fact[0], fact[1]), tuple(fact)) for fact in facts)
    leaf.stored = len(leaf.facts)


def dump_slot(line: Line, slot: int) -> tuple[str, bytes | None]:
    """The entry of some neighbouring buckets; None in place of none."""
    rows = [_row(bucket) for bucket in line.buckets.values() if line.slot(bucket.end) == slot]
    return f"bars\t{line.symbol}\t{line.i}\t{slot}", msgspec.msgpack.encode(rows) if rows else None


def _row(bucket: Bucket) -> list[Any]:
    parts = [[*key, part.totals] for key, part in bucket.parts.items()]
    return [bucket.start, bucket.end, bucket.revision, bucket.pending, bucket.candle, parts]


def load_bucket(line: Line, row: list[Any]) -> Bucket:
    """Take back one bucket."""
    start, end, revision, pending, candle, parts = row
    bucket = Bucket(line, start, end)
    bucket.revision, bucket.pending = revision, pending
    bucket.candle = None if candle is None else tuple(candle)
    for source, granularity, totals in parts:
        part = bucket.parts[source, granularity] = Part(bucket, granularity)
        part.totals = tuple(totals)
    line.restore(bucket)
    return bucket


def dump_base(line: Line) -> tuple[str, bytes]:
    """The entry of the indicators' state before the bars that are kept."""
    return f"base\t{line.symbol}\t{line.i}", msgspec.msgpack.encode(line.base.dump())
