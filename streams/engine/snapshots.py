"""The entries of a partition's snapshot in the state topic, whichever version of the code wrote them.

=============== ==================================================================================================
key             value
=============== ==================================================================================================
``cursor``      ``[version, offsets by input topic, the watermark]`` as MessagePack
``fold:<key>``  what the fold's ``dump`` gave
=============== ==================================================================================================

A change of the entries is a new version, with a step of :data:`streams.upgrades.UPGRADES` that makes them of the ones
before. What steps changed is written again with the next snapshot, in one transaction with a cursor of the new version.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from streams.upgrades import UPGRADES, Entries, SnapshotVersionError

VERSION = 5
CURSOR = "cursor"
FOLD = "fold:"


class Snapshot(NamedTuple):
    """A partition's state.

    Attributes:
        offsets: by input topic, what of it is folded in.
        watermark: as ``Watermark.dump`` gave it.
        fold: entries by the fold's own keys.
        rewritten: keys whose entries an upgrade changed, with what they are now; None = gone.
    """

    offsets: dict[str, int]
    watermark: list[Any]
    fold: dict[str, bytes]
    rewritten: dict[str, bytes | None]


def pack_cursor(offsets: Mapping[str, int], watermark: list[Any]) -> bytes:
    """The entry of key ``cursor``."""
    return msgspec.msgpack.encode([VERSION, offsets, watermark])


def read_snapshot(stage: str, entries: Entries) -> Snapshot | None:
    """The newest entry of each key of a partition, brought to this version; None where none was written yet.

    Raises:
        SnapshotVersionError: no way leads from their version to this one.
    """
    if CURSOR not in entries:
        return None
    version, offsets, watermark = msgspec.msgpack.decode(entries[CURSOR])
    upgraded = _upgrade(stage, version, entries)
    changed = {
        key: upgraded.get(key) for key in entries.keys() | upgraded.keys() if upgraded.get(key) != entries.get(key)
    }
    fold = {key.removeprefix(FOLD): value for key, value in sorted(upgraded.items()) if key.startswith(FOLD)}
    return Snapshot(offsets, watermark, fold, changed)


def _upgrade(stage: str, version: int, entries: Entries) -> Entries:
    if version > VERSION:
        raise SnapshotVersionError(
            f"snapshot version {version} of {stage} is newer than this code, which has {VERSION}"
        )
    for step in range(version, VERSION):
        if step not in UPGRADES:
            raise SnapshotVersionError(f"snapshot version {version} of {stage}: no way leads from it to {VERSION}")
        entries = UPGRADES[step](stage, entries)
    return entries
