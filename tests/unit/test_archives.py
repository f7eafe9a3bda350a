"""Archives of the raw topics: what is in one, and what joins."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from infra.errors import UserError
from moodtape.replay.archives import archived, joined, open_archives, reaches, require_whole
from producers.archive import LOG_FILE, Logged, LogWriter, read_log
from producers.recording import RecordingSource
from schemas.topics import RAW_POSTS, RAW_QUOTES
from tests.helpers.recordings import posts, quotes, write_recording

PLACES = ((RAW_QUOTES, 0), (RAW_POSTS, 0))


def record(offset: int, topic: str = RAW_QUOTES) -> Logged:
    """A record that says where it lay."""
    return Logged(topic, 0, offset, 1_700_000_000_000 + offset, b"TSLA", f"{topic} {offset}".encode(), [])


def write(folder: Path, spans: dict[tuple[str, int], tuple[int, int]], records: Sequence[Logged] = ()) -> Path:
    """An archive with a record at each even offset of its spans: the odd ones are markers."""
    with LogWriter(folder) as writer:
        for (topic, _), (first, end) in spans.items():
            for offset in range(first, end):
                if offset % 2 == 0:
                    writer.append(record(offset, topic))
        for each in records:
            writer.append(each)
        firsts, ends = ({place: span[side] for place, span in spans.items()} for side in (0, 1))
        log = writer.finish("cluster", {RAW_QUOTES: "q", RAW_POSTS: "p"}, firsts, ends)
    write_recording(folder, [*quotes(3), *posts(2)], log=log)
    return folder


def both(first: int, end: int) -> dict[tuple[str, int], tuple[int, int]]:
    """The same span of both topics."""
    return dict.fromkeys(PLACES, (first, end))


def test_a_record_is_read_as_it_lay(tmp_path: Path) -> None:
    """Nothing and empty are told apart in keys, values and headers, and names of headers may come twice."""
    odd = [
        Logged(
            RAW_QUOTES, 0, 4, 17, None, None, [("moodtape-clock", b"tick"), ("a", None), ("a", b""), ("a", b"\xff")]
        ),
        Logged(RAW_QUOTES, 0, 9, 18, b"", b"", []),
        Logged(RAW_POSTS, 0, 2, 16, b"\xff", b"\0\0broken", [("é", "é".encode())]),
    ]
    folder = write(tmp_path / "a", both(0, 0), odd)
    assert list(read_log(folder)) == odd
    (opened,) = open_archives([folder])
    assert opened.log.records == 3
    require_whole([opened])


def test_what_is_broken_off_leaves_no_log(tmp_path: Path) -> None:
    """The folder is empty again, so that the same command can be given once more."""
    with pytest.raises(TypeError), LogWriter(tmp_path / "a") as writer:
        writer.append(record(0)._replace(offset="none"))  # type: ignore[arg-type]
    assert list((tmp_path / "a").iterdir()) == []


def test_a_recording_plays_with_an_archive_beside_it(tmp_path: Path) -> None:
    """Who plays it sees its lines and nothing of the log."""
    source = RecordingSource(write(tmp_path / "a", both(0, 10)))
    assert (source.lines, source.manifest.posts) == ((3, 2), 2)


def test_archives_join_whatever_their_order_and_overlap(tmp_path: Path) -> None:
    """Each record comes once, in the order of its log, and the topics go on where the last archive ends."""
    spans = {"a": both(0, 10), "b": both(6, 20), "c": {PLACES[0]: (20, 31), PLACES[1]: (12, 20)}, "inside": both(7, 9)}
    folders = [write(tmp_path / name, span) for name, span in reversed(spans.items())]
    opened = open_archives(folders)
    starts, ends = dict(zip(PLACES, (25, 20), strict=True)), dict(zip(PLACES, (40, 20), strict=True))
    assert joined(opened, starts, ends) == dict.fromkeys(PLACES, 0)
    assert reaches(opened) == dict(zip(PLACES, (31, 20), strict=True))
    found = list(archived(opened))
    assert [each for each in found if each.topic == RAW_QUOTES] == [record(offset) for offset in range(0, 31, 2)]
    assert [each for each in found if each.topic == RAW_POSTS] == [
        record(offset, RAW_POSTS) for offset in range(0, 20, 2)
    ]


def test_what_was_removed_while_it_was_recorded_is_no_part_of_an_archive(tmp_path: Path) -> None:
    """Records before the first offset that the manifest tells are passed over."""
    folder = write(tmp_path / "a", both(10, 20), [])
    with LogWriter(folder) as writer:
        for offset in (4, 12, 14):
            writer.append(record(offset))
        log = writer.finish("cluster", {}, dict.fromkeys(PLACES, 10), dict.fromkeys(PLACES, 20))
    write_recording(folder, quotes(1), log=log)
    assert [each.offset for each in archived(open_archives([folder]))] == [12, 14]


@pytest.mark.parametrize(
    ("spans", "starts", "told"),
    [
        ([both(0, 10)], (10, 11), "raw.posts.v1/0: .*/0 ends at offset 10 and the topic begins at 11"),
        ([both(0, 10), both(11, 20)], (20, 20), "raw.quotes.v1/0: .*/0 ends at offset 10 and .*/1 begins at 11"),
        ([both(0, 10), both(10, 20)], (21, 0), "raw.quotes.v1/0: .*/1 ends at offset 20 and the topic begins at 21"),
    ],
)
def test_a_gap_is_refused(
    spans: list[dict[tuple[str, int], tuple[int, int]]], starts: tuple[int, int], told: str, tmp_path: Path
) -> None:
    """The message names the partition, both ends of the gap and what to do; where they touch there is none."""
    opened = open_archives(write(tmp_path / str(number), span) for number, span in enumerate(spans))
    with pytest.raises(UserError, match=told) as refused:
        joined(opened, dict(zip(PLACES, starts, strict=True)), dict.fromkeys(PLACES, 30))
    assert "--archive" in str(refused.value)


def test_a_recording_without_a_log_is_refused(tmp_path: Path) -> None:
    """The message says which command would have written one, and what it is good for."""
    write_recording(tmp_path / "a", quotes(3))
    with pytest.raises(UserError, match=r"no log.*moodtape record --archive.*moodtape demo --recording"):
        open_archives([tmp_path / "a"])
    with pytest.raises(UserError, match="is no recording"):
        open_archives([tmp_path / "nothing"])


@pytest.mark.parametrize("harm", ["cut", "changed", "removed"])
def test_a_log_that_is_not_as_it_was_written_is_refused(harm: str, tmp_path: Path) -> None:
    """Cut off, changed in one bit, or removed: one sentence that names the file."""
    folder = write(tmp_path / "a", both(0, 1000))
    path = folder / LOG_FILE
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= harm == "changed"
    path.write_bytes(content[: -1 if harm == "cut" else None])
    if harm == "removed":
        path.unlink()
    with pytest.raises(UserError, match=r"log\.avro is missing, cut off or changed"):
        require_whole(open_archives([folder]))


def test_a_manifest_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    """What stands in the place of the log's entry must be one."""
    folder = write(tmp_path / "a", both(0, 2))
    manifest = json.loads((folder / "recording.json").read_text())
    (folder / "recording.json").write_text(json.dumps({**manifest, "log": {"sha256": 1}}))
    with pytest.raises(UserError, match=r"recording\.json"):
        open_archives([folder])


def test_a_manifest_that_lacks_a_partition_is_refused(tmp_path: Path) -> None:
    """Nothing is known of it, so nothing joins."""
    opened = open_archives([write(tmp_path / "a", {PLACES[0]: (0, 10)})])
    with pytest.raises(UserError, match="does not name each partition"):
        joined(opened, dict.fromkeys(PLACES, 10), dict.fromkeys(PLACES, 10))
