"""From the snapshots of one version to those of the next: see :mod:`streams.engine.snapshots`."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from infra.errors import FatalError

Entries = Mapping[str, bytes]
Upgrade = Callable[[str, Entries], Entries]
"""From a stage's name and the entries of a partition in one version to those of the next; the cursor as it was."""

_COVERAGE = "fold:coverage|0|0|"
_KNOWN_AT = 7  # place of ``known`` among the indicators' values
_SLICE_MINUTES, _PART_POSTS = 10, 500  # of seen posts, in version 5


class SnapshotVersionError(FatalError):
    """The state was written by a version of the code from which no way leads to this one."""


def from_2(stage: str, entries: Entries) -> Entries:
    """Bars know when what is in them was known; a stage with several inputs no longer writes ``watermark``."""
    return _bars_that_know(entries) if stage == "bars" else _without_watermark(stage, entries)


def _without_watermark(stage: str, entries: Entries) -> Entries:
    """Beside its snapshots a stage with several inputs wrote where it stood at each commit.

    Where that is past the snapshot, how the inputs interleaved since then was written down nowhere.
    """
    beside = entries.get("watermark")
    if beside is not None and msgspec.msgpack.decode(beside)[1] != msgspec.msgpack.decode(entries["cursor"])[1]:
        raise SnapshotVersionError(
            f"snapshot version 2 of {stage} was not written at a clean stop: run the version that wrote it once more, "
            "and stop it with SIGTERM"
        )
    return {key: value for key, value in entries.items() if key != "watermark"}


def _bars_that_know(entries: Entries) -> Entries:
    """A bar of which facts are kept was known with the last of them, an older one is taken to have been at its end."""
    minutes: dict[str, dict[int, int]] = defaultdict(dict)
    for key, value in entries.items():
        if key.startswith("fold:facts\t"):
            end = int(key.split("\t")[1])
            for (symbol, *_), facts in msgspec.msgpack.decode(value):
                known = max((fact[3] for fact in facts), default=0)
                minutes[symbol][end] = max(known, minutes[symbol].get(end, 0))
    return {key: _bar_entry(key, value, minutes) for key, value in entries.items()}


def _bar_entry(key: str, value: bytes, minutes: Mapping[str, Mapping[int, int]]) -> bytes:
    kind, *rest = key.split("\t")
    if kind == "fold:base":
        values = msgspec.msgpack.decode(value)
        return msgspec.msgpack.encode([*values[:_KNOWN_AT], 0, *values[_KNOWN_AT:]])
    if kind != "fold:bars":
        return value
    rows = msgspec.msgpack.decode(value)
    for row in rows:
        start, end, candle, parts = row[0], row[1], row[4], row[5]
        inside = [known for minute, known in minutes.get(rest[0], {}).items() if start < minute <= end]
        summed = [base[1] for _, _, base in parts if base is not None]
        row[4] = None if candle is None else [*candle, max([end, *inside, *summed])]
    return msgspec.msgpack.encode(rows)


def from_3(stage: str, entries: Entries) -> Entries:
    """Moods know since when a source was heard: all that were heard of, from the beginning."""
    kept = entries.get(_COVERAGE)
    if stage != "moods" or kept is None:
        return entries
    heard, blind = msgspec.msgpack.decode(kept)
    return {**entries, _COVERAGE: msgspec.msgpack.encode([dict.fromkeys(heard, 0), blind, {}])}


def from_4(stage: str, entries: Entries) -> Entries:
    """Seen posts are in parts of ten minutes; they were in parts of one."""
    if stage != "posts":
        return entries
    found, slices = dict(entries), defaultdict[int, dict[str, Any]](dict)
    for minute, part in sorted(_minutes(entries)):
        posts = msgspec.msgpack.decode(found.pop(f"fold:{minute}.{part}"))
        slices[minute // _SLICE_MINUTES].update(posts)
    for number, posts in slices.items():
        rows = list(posts.items())
        for part, at in enumerate(range(0, len(rows), _PART_POSTS)):
            found[f"fold:{number}.{part}"] = msgspec.msgpack.encode(dict(rows[at : at + _PART_POSTS]))
    return found


def _minutes(entries: Entries) -> Iterator[tuple[int, int]]:
    for key in entries:
        minute, dot, part = key.removeprefix("fold:").partition(".")
        if dot:
            yield int(minute), int(part)


UPGRADES: dict[int, Upgrade] = {2: from_2, 3: from_3, 4: from_4}
"""Version -> the step from it to the next."""
