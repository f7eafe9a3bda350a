"""A folder of JSON lines as a source."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.errors import UserError
from producers.recorder import record_topics
from producers.recording import RecordingSource
from producers.source import End, Event, Fact, Mark, Unreadable
from tests.helpers.recordings import START, lines_of, posts, quotes, write_folder, write_recording


def everything(folder: Path, position: str | None = None) -> list[Event]:
    """All events from a position on at full speed."""
    return list(RecordingSource(folder).events(position))


def test_both_files_are_merged_by_event_time_and_quotes_come_first(tmp_path: Path) -> None:
    """Facts come in the order of event time; of a quote and a post at the same microsecond the quote is first."""
    folder = write_folder(tmp_path / "r", lines_of(quotes(50)), lines_of(posts(5)))
    facts = [event.record for event in everything(folder) if isinstance(event, Fact)]
    keys = [(fact.event_time, type(fact).__name__ == "RawPost") for fact in facts]
    assert keys == sorted(keys)
    assert len(keys) == 55


def test_a_bad_line_is_a_dead_letter_and_the_rest_goes_on(tmp_path: Path) -> None:
    """A bad line comes out with its bytes, file and number from 1; every other line is a fact."""
    lines = lines_of(posts(6))
    lines[2:2] = [b"{not json", b""]
    events = everything(write_folder(tmp_path / "r", [], lines))
    bad = [event for event in events if isinstance(event, Unreadable)]
    assert [(b.topic, b.file, b.line, b.value) for b in bad] == [
        ("raw.posts.v1", "posts.jsonl.gz", 3, b"{not json"),
        ("raw.posts.v1", "posts.jsonl.gz", 4, b""),
    ]
    assert [e.record for e in events if isinstance(e, Fact)] == posts(6)


def test_a_recording_of_bad_lines_alone_ends(tmp_path: Path) -> None:
    """Where no line can be read there are dead letters and an end, and no clock of a time."""
    events = everything(write_folder(tmp_path / "r", [b"x", b"y"], []))
    assert [type(event) for event in events] == [Unreadable, Unreadable, End]


def test_a_long_run_of_bad_lines_can_be_gone_on_with(tmp_path: Path) -> None:
    """Marks stand within it, none after a fact to come; from each of them on the rest comes, and nothing twice."""
    bad = [b"bad"] * 2500
    folder = write_folder(tmp_path / "r", [*bad, *lines_of(quotes(2)), *bad, *lines_of(quotes(3)[2:])], [])
    events = everything(folder)
    marks = [(place, event) for place, event in enumerate(events) if isinstance(event, Mark)]
    assert [mark.time - START for _, mark in marks[:3]] == [-1, -1, -1]
    assert len(marks) == 6
    for place, mark in marks:
        rest = [repr(e) for e in events[place + 1 :] if isinstance(e, Fact | Unreadable)]
        assert [repr(e) for e in everything(folder, mark.position) if isinstance(e, Fact | Unreadable)] == rest
        assert all(e.record.event_time > mark.time for e in events[place + 1 :] if isinstance(e, Fact))


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_from_every_mark_on_the_rest_comes_exactly_once(tmp_path: Path, data: st.DataObject) -> None:
    """Begun again at any mark's position, a recording gives what came after that mark, no more and no less."""
    bad = data.draw(st.lists(st.integers(0, 39), max_size=4, unique=True))
    gaps = data.draw(st.lists(st.sampled_from([1, 1_000_000, 700_000_000]), min_size=20, max_size=20))
    some = [q for n, q in enumerate(quotes(20, step=1))]
    times = [START + sum(gaps[: n + 1]) for n in range(20)]
    lines = lines_of([type(q)(source="s", symbol=q.symbol, event_time=t) for q, t in zip(some, times, strict=True)])
    for place in bad:
        lines.insert(place, b"bad")
    folder = write_folder(tmp_path / "r", lines, lines_of(posts(10)))
    events = everything(folder)
    for place, event in enumerate(events):
        if isinstance(event, Mark):
            rest = [e for e in events[place + 1 :] if isinstance(e, Fact | Unreadable)]
            again = [e for e in everything(folder, event.position) if isinstance(e, Fact | Unreadable)]
            assert sorted(map(repr, again)) == sorted(map(repr, rest))


def test_a_position_of_another_recording_of_the_same_name_is_refused(tmp_path: Path) -> None:
    """A changed recording under an old name cannot go on where the old one stood."""
    first = everything(write_folder(tmp_path / "a", lines_of(quotes(3)), []))
    other = write_folder(tmp_path / "b", lines_of(quotes(4)), [])
    assert isinstance(first[-1], End)
    with pytest.raises(UserError, match="another recording named made"):
        everything(other, first[-1].position)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: (f / "recording.json").unlink(), "no recording.json"),
        (lambda f: (f / "recording.json").write_text("{"), "recording.json"),
        (lambda f: (f / "recording.json").write_text('{"name": "a/b"}'), "name"),
        (lambda f: (f / "posts.jsonl.gz").unlink(), "missing"),
        (lambda f: (f / "quotes.jsonl.gz").write_bytes((f / "quotes.jsonl.gz").read_bytes()[:-20]), "cut off"),
        (lambda f: (f / "quotes.jsonl.gz").write_bytes(b"plain"), "damaged"),
        (lambda f: write_folder(f, lines_of(quotes(5)[::-1]), []), "not sorted"),
        (
            lambda f: (f / "recording.json").write_text(json.dumps({"name": "x", "sha256": {"quotes": "0" * 64}})),
            "changed",
        ),
    ],
)
def test_a_recording_that_is_not_whole_is_refused_in_one_sentence(tmp_path: Path, spoil, message: str) -> None:  # type: ignore[no-untyped-def]
    """Missing, cut off, changed or unsorted files are a user's mistake, found before anything is written."""
    folder = write_folder(tmp_path / "r", lines_of(quotes(5)), lines_of(posts(2)))
    spoil(folder)
    with pytest.raises(UserError, match=message):
        RecordingSource(folder)


def test_a_folder_without_files_is_no_recording(tmp_path: Path) -> None:
    """A manifest alone is refused."""
    (tmp_path / "recording.json").write_text('{"name": "x"}')
    with pytest.raises(UserError, match="neither"):
        RecordingSource(tmp_path)


def test_what_is_written_as_a_recording_comes_back(tmp_path: Path) -> None:
    """Facts written in any order come back in the order of event time, with the right manifest."""
    facts = [*posts(5), *quotes(9)]
    write_recording(tmp_path / "mine", reversed(facts))
    source = RecordingSource(tmp_path / "mine")
    back = [event.record for event in source.events(None) if isinstance(event, Fact)]
    assert sorted(map(repr, back)) == sorted(map(repr, facts))
    assert (source.manifest.name, source.manifest.quotes, source.manifest.posts) == ("mine", 9, 5)
    assert source.begins == START


def test_a_recording_of_posts_names_the_symbols_that_they_are_tagged_with(tmp_path: Path) -> None:
    """The manifest has the symbols of quotes and those which the sources of posts gave."""
    write_recording(tmp_path / "posts", posts(3))
    assert RecordingSource(tmp_path / "posts").manifest.symbols == ("S0", "S1", "S2")


@pytest.mark.parametrize("name", ["a:b", "a,b", "x" * 201])
def test_what_no_recording_can_be_named_is_refused_before_anything_is_read(tmp_path: Path, name: str) -> None:
    """No server is asked and no folder made; the message says which names there are."""
    with pytest.raises(UserError, match="1 to 200 characters, none of them ':' or ','; give another folder"):
        record_topics("nowhere:1", tmp_path / name, None, None)
    assert not list(tmp_path.iterdir())


def test_the_real_recordings_are_read_whole(shared: Path) -> None:
    """Every line of the three recordings is a fact, in order; their sums are right."""
    for name, lines in (("tsla_2022_03", 104_758), ("gme_2021_01", 13_088), ("stocknet_2014", 64_332)):
        facts = 0
        for event in RecordingSource(shared / "recordings" / name).events(None):
            assert not isinstance(event, Unreadable)
            facts += isinstance(event, Fact)
        assert facts == lines
