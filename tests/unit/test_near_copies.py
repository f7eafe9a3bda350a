"""Near copies of a bucket: every fingerprint within 3 bits of an earlier one, and no other."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.summary import NEAR_BITS, Entry, drop_copies

BITS = 64


def entry(place: int, fingerprint: int | None) -> Entry:
    """A mention of which only place and fingerprint matter."""
    return Entry(0, "x", str(place), 0, 0, False, None, 1.0, 0.0, None, 0, None, None, fingerprint, ())


def kept(fingerprints: list[int | None]) -> list[int]:
    """Places that are no copies."""
    return [int(e.post_id) for e in drop_copies([entry(place, f) for place, f in enumerate(fingerprints)])]


def plainly(fingerprints: list[int | None]) -> list[int]:
    """The same by comparing all with all."""
    return [
        place
        for place, one in enumerate(fingerprints)
        if one is None or not any(f is not None and (f ^ one).bit_count() <= NEAR_BITS for f in fingerprints[:place])
    ]


NEARBY = st.sets(st.integers(0, BITS - 1), max_size=6).map(lambda bits: sum(1 << bit for bit in bits))


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(st.none(), NEARBY), max_size=40))
def test_copies_are_those_that_comparing_all_with_all_finds(fingerprints: list[int | None]) -> None:
    """Among fingerprints so near that every distance from 0 to 12 occurs."""
    assert kept(fingerprints) == plainly(fingerprints)


@pytest.mark.parametrize("distance", range(NEAR_BITS + 3))
def test_planted_copies_are_found_in_a_crowd(distance: int) -> None:
    """Of 5,000 other fingerprints 500 come again with some bits turned: all are copies up to 3 bits, none from 4 on."""
    world = Random(distance)
    crowd = [world.getrandbits(BITS) for _ in range(5000)]
    planted = [one ^ sum(1 << bit for bit in world.sample(range(BITS), distance)) for one in crowd[:500]]
    found = len(crowd) + len(planted) - len(kept([*crowd, *planted]))
    assert found == (len(planted) if distance <= NEAR_BITS else 0)
