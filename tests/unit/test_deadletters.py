"""Headers of dead letters."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.deadletters import (
    ATTEMPTS_HEADER,
    DEAD_LETTER_HEADERS,
    NotADeadLetter,
    attempts_before,
    dead_letter_headers,
    parse_dead_letter,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
COUNT = st.integers(0, 2**62)
HEADERS = st.lists(st.tuples(TEXT | st.sampled_from(DEAD_LETTER_HEADERS), st.binary(max_size=20)), max_size=5)
FIELDS = st.fixed_dictionaries(
    {
        "topic": TEXT,
        "partition": st.integers(0, 11),
        "offset": COUNT,
        "stage": TEXT,
        "error": TEXT,
        "message": TEXT,
        "reason": TEXT,
        "attempts": st.integers(1, 9),
        "group": TEXT,
        "failed_at": COUNT,
    }
)


@given(FIELDS, HEADERS)
def test_headers_are_read_back(fields, original):
    """What is written is read back, and the original's headers are kept byte for byte, in order."""
    headers = dead_letter_headers(**fields, original=original)
    letter = parse_dead_letter(headers)
    assert headers[: len(original)] == original
    assert letter.headers == original
    assert {name: getattr(letter, name) for name in fields} == fields


def test_a_missing_header_is_named():
    """Headers that lack one of ours are no dead letter, and the error names it."""
    with pytest.raises(NotADeadLetter, match="x-dlq-reason"):
        parse_dead_letter([(name, b"1") for name in DEAD_LETTER_HEADERS if name != "x-dlq-reason"])
    with pytest.raises(NotADeadLetter):
        parse_dead_letter(None)


def test_attempts_are_those_of_a_redriven_record():
    """A record never given up has 0 attempts behind it; a redriven one what its headers say."""
    assert attempts_before(None) == 0
    assert attempts_before([("a", b"7")]) == 0
    assert attempts_before([(ATTEMPTS_HEADER, b"2")]) == 2
    assert attempts_before([(ATTEMPTS_HEADER, b"two")]) == 0
