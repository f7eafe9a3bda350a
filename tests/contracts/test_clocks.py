"""Clocks as the headers of a record, there and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.clocks import BLIND_HEADER, CLOCK_HEADER, ORIGIN_HEADER, Blind, Clock, NotAClock, parse_clock

TIMES = st.integers(-(2**63), 2**63 - 1)
NAMES = st.text(st.characters(exclude_characters=",:", exclude_categories=["Cs"]), min_size=1, max_size=12)
ORIGINS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
CLOCKS = st.one_of(
    st.builds(
        Clock,
        kind=st.just("time"),
        origin=ORIGINS,
        time=TIMES,
        blind_from=st.none() | TIMES,
        sources=st.lists(NAMES, max_size=3).map(tuple),
        blind=st.lists(st.builds(Blind, NAMES, TIMES, TIMES), max_size=3).map(tuple),
    ),
    st.builds(Clock, kind=st.sampled_from(["end", "idle"]), origin=ORIGINS),
    st.just(Clock(kind="tick")),
)


@given(CLOCKS)
def test_a_clock_survives_its_headers(clock: Clock) -> None:
    """Every clock is read back equal from its headers."""
    assert parse_clock(clock.headers()) == clock


@pytest.mark.parametrize("headers", [None, [], [("trace", b"1")], [(ORIGIN_HEADER, b"x/1")]])
def test_a_record_without_the_clock_header_is_a_fact(headers: list[tuple[str, bytes]] | None) -> None:
    """Other headers make no clock."""
    assert parse_clock(headers) is None


@pytest.mark.parametrize(
    "headers",
    [
        [(CLOCK_HEADER, b"12")],
        [(CLOCK_HEADER, b"end")],
        [(CLOCK_HEADER, b""), (ORIGIN_HEADER, b"x/1")],
        [(CLOCK_HEADER, b"noon"), (ORIGIN_HEADER, b"x/1")],
        [(CLOCK_HEADER, b"\xff"), (ORIGIN_HEADER, b"x/1")],
        [(CLOCK_HEADER, b"1"), (ORIGIN_HEADER, b"x/1"), (BLIND_HEADER, b"x:1")],
    ],
)
def test_a_broken_clock_is_said_to_be_one(headers: list[tuple[str, bytes]]) -> None:
    """A clock header that cannot be read is an error of its own kind, never a fact and never another clock."""
    with pytest.raises(NotAClock):
        parse_clock(headers)


@given(
    st.lists(st.tuples(st.sampled_from([CLOCK_HEADER, ORIGIN_HEADER, BLIND_HEADER, "other"]), st.binary(max_size=9)))
)
def test_no_headers_raise_anything_else(headers: list[tuple[str, bytes]]) -> None:
    """Any headers are a clock, a fact, or not a clock."""
    try:
        assert parse_clock(headers) is None or dict(headers).get(CLOCK_HEADER) is not None
    except NotAClock:
        assert CLOCK_HEADER in dict(headers)


def test_the_source_is_the_first_part_of_an_origin() -> None:
    """``gme_2021_01/0`` is the producer 0 of the recording gme_2021_01."""
    assert Clock(kind="end", origin="gme_2021_01/0").source == "gme_2021_01"
