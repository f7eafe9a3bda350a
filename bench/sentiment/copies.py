"""Fingerprints with copies planted at a known distance."""

import time
from random import Random

from streams.summary import Entry, drop_copies

BITS = 64


def planted_copies(crowd: int, planted: int, distance: int) -> tuple[int, float]:
    """How many of ``planted`` fingerprints, each near one of ``crowd`` others, are dropped; and the CPU-seconds."""
    world = Random(distance)
    others = [world.getrandbits(BITS) for _ in range(crowd)]
    near = [one ^ sum(1 << bit for bit in world.sample(range(BITS), distance)) for one in others[:planted]]
    entries = [mention_of(value) for value in others + near]
    start = time.process_time()
    kept = drop_copies(entries)
    return len(entries) - len(kept), time.process_time() - start


def mention_of(fingerprint: int | None, post_id: str = "") -> Entry:
    """A mention of which only the fingerprint matters."""
    return Entry(0, "x", post_id, 0, 0, False, None, 1.0, 0.0, None, 0, None, None, fingerprint, ())
