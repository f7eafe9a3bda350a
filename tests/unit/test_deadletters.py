"""Headers and places of dead letters."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moodtape.deadletters.cases import Case
from moodtape.deadletters.letters import Buried, topic_names
from moodtape.deadletters.show import line
from schemas.deadletters import (
    ATTEMPTS_HEADER,
    DEAD_LETTER_HEADERS,
    REDRIVEN_HEADERS,
    NotADeadLetter,
    dead_letter_headers,
    failure_headers,
    parse_dead_letter,
    parse_redriven,
    redriven_headers,
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


@given(FIELDS, HEADERS)
def test_a_redriven_record_keeps_identity_and_original(fields, original):
    """A letter goes back with its original's headers; failing again it has the same identity and one attempt more."""
    letter = parse_dead_letter(dead_letter_headers(**fields, original=original))
    headers = redriven_headers(letter)
    again = parse_redriven(headers)
    assert headers[: len(original)] == original
    assert again.headers == original
    assert (again.topic, again.partition, again.offset) == (letter.topic, letter.partition, letter.offset)
    assert (again.attempts, again.group, again.failed_at) == (letter.attempts + 1, letter.group, letter.failed_at)
    said = dict.fromkeys(("stage", "error", "message", "reason", "group"), "new")
    failed = failure_headers(topic="t", partition=9, offset=99, headers=headers, **said, now=2**60)
    second = parse_dead_letter(failed)
    assert second == replace(letter, **said, attempts=letter.attempts + 1)
    assert failed[: len(original)] == original


@given(HEADERS)
def test_a_first_failure_names_its_own_place(original):
    """The first letter of a record names where it stands and counts one attempt, whatever its own headers say."""
    original = [(name, b"x" if name in REDRIVEN_HEADERS else value) for name, value in original]
    said = {"stage": "s", "error": "E", "message": "m", "reason": "bug", "group": "g"}
    headers = failure_headers(topic="t", partition=3, offset=7, headers=original, **said, now=5)
    letter = parse_dead_letter(headers)
    assert (letter.topic, letter.partition, letter.offset, letter.attempts, letter.failed_at) == ("t", 3, 7, 1, 5)
    assert letter.headers == original


def test_records_that_are_not_redriven():
    """Without all six headers, or with one that is no number, a record is a first try."""
    letter = parse_dead_letter(
        dead_letter_headers(
            topic="t", partition=1, offset=2, stage="s", error="E", message="", reason="bug",
            attempts=1, group="g", failed_at=0, original=None,
        )
    )  # fmt: skip
    headers = redriven_headers(letter)
    assert parse_redriven(None) is None
    assert parse_redriven([]) is None
    assert all(parse_redriven(headers[:n] + headers[n + 1 :]) is None for n in range(len(headers)))
    assert parse_redriven([(name, b"two" if name == ATTEMPTS_HEADER else text) for name, text in headers]) is None


@pytest.mark.parametrize(
    ("original", "reason", "replay", "place"),
    [
        (("raw.posts.v1", 3, 7), "invalid", "live", "raw.posts.v1 3 7"),
        (("raw.posts.v1", 3, 7), "invalid", "again", "raw.posts.v1 3 7"),
        (("posts.jsonl.gz", 5, 17), "unparseable", "live", "raw.posts.v1.dlq 5 0 (posts.jsonl.gz line 17)"),
        (("quotes.v1", 5, 17), "invalid", "live", "raw.posts.v1.dlq 5 0"),
        (None, None, "live", "raw.posts.v1.dlq 5 0"),
    ],
)
def test_a_letter_is_listed_by_a_place_where_it_can_be_shown(original, reason, replay, place):
    """That of the original, or its own where the original is no record of the topic, such as a line of a file."""
    letter = None
    if original is not None:
        topic, partition, offset = original
        said = {"stage": "s", "error": "E", "message": "m", "reason": reason, "group": "g", "original": None}
        where = {"topic": topic, "partition": partition, "offset": offset}
        letter = parse_dead_letter(dead_letter_headers(**where, **said, attempts=1, failed_at=5))
    own = "raw.posts.v1.dlq" if replay == "live" else f"raw.posts.v1.{replay}.dlq"
    buried = Buried(topic=own, partition=5, offset=0, key=None, value=b"{", headers=[], letter=letter, replay=replay)
    assert line(Case(buried, "waiting")).startswith(f"{place}  ")
    assert topic_names(buried.place[0], replay) == ["raw.posts.v1"]
