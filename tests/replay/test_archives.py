"""A replay of what the raw topics hold no more: from archives of their log, through the real commands."""

import json
import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import TIMESTAMP_CREATE_TIME

from infra.endpoints import Endpoints, find_endpoints
from infra.errors import ServiceUnavailable, UserError
from infra.kafka import admin_client
from infra.offsets import log_ends
from infra.settings import Settings
from moodtape.replay.archives import archived, open_archives
from producers.archive import LOG_FILE, Logged, logged
from schemas.topics import RAW_POSTS, RAW_QUOTES, RAW_TOPICS
from tests.helpers.playing import Servers, play
from tests.helpers.recordings import read_log
from tests.helpers.sinking import Writer, delete_records
from tests.helpers.waiting import wait_for

from .cutting import cut
from .living import Live

pytestmark = [pytest.mark.services, pytest.mark.shared, pytest.mark.timeout(600)]
FROM, LATER, TO = "2022-03-14T13:00:00Z", "2022-03-14T15:45:00Z", "2022-03-14T16:00:00Z"
WHOLE = ("--from", "2022-03-14T00:00:00Z", "--to", "2022-03-16T00:00:00Z")
LEXICON = {"MOODTAPE_SCORER": "lexicon"}


@dataclass(frozen=True)
class Recorded:
    """A flow whose raw topics have lost the first half of what the archive ``early`` holds; ``late`` holds the rest."""

    live: Live
    early: Path
    late: Path
    log: list[Logged]
    """All that the topics ever held, as it lay there."""


@pytest.fixture(scope="module")
def recorded(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    """Three hours of a real recording; an archive in the middle of it, another at the end, the log cut in between."""
    folder = tmp_path_factory.mktemp("recorded")
    data_dir, early, late = folder / "data", folder / "early", folder / "late"

    def record(data_dir: Path) -> None:
        endpoints = await_records(data_dir, 800)
        spoil(endpoints.kafka)
        Live(data_dir, endpoints).done("record", str(early), "--archive")

    recording = cut(shared, folder / "recording", FROM, TO)
    play(recording, data_dir, "--speed", "600", environment=LEXICON, meanwhile=record)
    with Servers(data_dir) as endpoints:
        live, log = Live(data_dir, endpoints), list(map(logged, read_log(endpoints.kafka, *RAW_TOPICS)))
        ends = log_ends(endpoints.kafka, RAW_TOPICS)
        for place, end in ends_of(early).items():
            assert end < ends[place]
            delete_records(endpoints.kafka, *place, end // 2)
        done = live.done("record", str(late), "--archive", "--from", LATER)
        assert done["archived"] > done["quotes"] + done["posts"] > 0
        yield Recorded(live, early, late, log)


def await_records(data_dir: Path, count: int) -> Endpoints:
    """The servers of a flow that has begun, once its raw topics have come so far."""

    def far_enough() -> bool:
        try:
            endpoints = find_endpoints(Settings(data_dir=data_dir))
            return sum(log_ends(endpoints.kafka, RAW_TOPICS).values()) >= count
        except (ServiceUnavailable, UserError):
            return False

    wait_for(far_enough, "the flow has begun")
    return find_endpoints(Settings(data_dir=data_dir))


def spoil(bootstrap: str) -> None:
    """Records that no producer of ours writes, and some that were aborted, which leaves a hole in the offsets."""
    writer = Writer(bootstrap)
    with writer.transaction():
        writer.put(RAW_QUOTES, 0, b"", b"\0\0\0\0\1broken", [("a", None), ("a", b""), ("é", b"\xff")])
        writer.put(RAW_QUOTES, 1, None, b"")
        writer.put(RAW_POSTS, 2, b"\xff", None)
    with writer.transaction(abort=True):
        writer.put(RAW_QUOTES, 0, b"TSLA", b"never was")


def ends_of(folder: Path) -> dict[tuple[str, int], int]:
    """Where an archive ends."""
    (opened,) = open_archives([folder])
    return opened.log.ends


def topics_of(live: Live, replay: str) -> set[str]:
    """The raw topics' copies that there are of a replay."""
    present = admin_client(live.endpoints.kafka).list_topics(timeout=30).topics
    return {name for name in present if name in {f"{topic}.{replay}" for topic in RAW_TOPICS}}


def archive(*folders: Path) -> list[str]:
    """The option for each archive."""
    return [word for folder in folders for word in ("--archive", str(folder))]


def test_an_archive_holds_the_log_as_it_was(recorded: Recorded) -> None:
    """Joined, two of them are what a plain consumer read: offsets, times, bytes, headers, clocks and broken records."""
    found = list(archived(open_archives([recorded.late, recorded.early])))
    assert sorted(found, key=lambda each: each[:3]) == recorded.log
    offsets = [each.offset for each in recorded.log if each.place == (RAW_QUOTES, 0)]
    assert offsets != list(range(len(offsets)))


def test_without_an_archive_the_removed_time_is_refused(recorded: Recorded) -> None:
    """The message names the option, and the command that writes what it wants."""
    line = recorded.live.refused("replay", *WHOLE, "--into", "again")
    assert "a raw topic lacks what came before 2022-03-14T" in line
    assert "--archive DIR" in line
    assert "moodtape record DIR --archive" in line
    line = recorded.live.refused("replay", *WHOLE, "--into", "again", *archive(recorded.late))
    assert "the archives and the raw topics hold together lacks what came before" in line


def test_a_replay_from_an_archive_differs_in_nothing_whatever_died(recorded: Recorded) -> None:
    """Killed while it loads, while it runs and when all is stored, it goes on; in the end the copies are gone."""
    live, kafka = recorded.live, recorded.live.endpoints.kafka
    words = ["replay", *WHOLE, "--into", "again", *archive(recorded.early)]
    assert live.run(*words, MOODTAPE_FAILPOINT="copied:500").returncode == -signal.SIGKILL
    copies = topics_of(live, "again")
    assert 500 <= sum(log_ends(kafka, copies).values()) < len(recorded.log)
    assert live.run(*words, MOODTAPE_FAILPOINT="look:2").returncode == -signal.SIGKILL
    copied = read_log(kafka, *copies)
    assert {message.timestamp()[0] for message in copied} == {TIMESTAMP_CREATE_TIME}
    assert list(map(without_place, map(logged, copied))) == list(map(without_place, recorded.log))
    remove_all(kafka)  # what is loaded is not read again
    assert live.run(*words, MOODTAPE_FAILPOINT="completed").returncode == -signal.SIGKILL
    assert topics_of(live, "again") == copies
    assert live.done(*words)["complete"]
    assert topics_of(live, "again") == set()
    report = live.done("replay", "compare", "again")
    assert (report["different"], report["input"]) == (0, "archives and raw facts")
    assert all(table["replay"] == table["live"] > 0 for table in report["tables"].values())
    (listed,) = live.done("replay", "list")
    assert listed["archives"] == [str(recorded.early)]


def remove_all(kafka: str) -> None:
    """Let the raw topics hold nothing any more."""
    for place, end in log_ends(kafka, RAW_TOPICS).items():
        delete_records(kafka, *place, end)


def without_place(record: Logged) -> Any:
    """What a copy has of its original."""
    return record.topic.removesuffix(".again"), record.partition, record[3:]


def test_a_begun_replay_keeps_its_archives(recorded: Recorded) -> None:
    """Without them, or with others, the command is refused; the folder may have another name meanwhile."""
    live, moved = recorded.live, recorded.early.with_name("moved")
    other = live.refused("replay", *WHOLE, "--into", "again", *archive(recorded.late))
    assert "begun with another --archive" in other
    assert "moodtape replay drop again" in other
    assert str(recorded.early) in live.refused("replay", *WHOLE, "--into", "again")
    shutil.copytree(recorded.early, moved)
    assert live.done("replay", *WHOLE, "--into", "again", *archive(moved))["complete"]


def test_what_is_refused(recorded: Recorded, tmp_path: Path, shared: Path) -> None:
    """Each archive that cannot be read here, with the reason, in one line."""
    live, words = recorded.live, ("replay", *WHOLE, "--into", "x")
    whole = shutil.copytree(recorded.late, tmp_path / "whole")
    content = (whole / LOG_FILE).read_bytes()
    (whole / LOG_FILE).write_bytes(content[:-1000])
    assert "cut off or changed" in live.refused(*words, *archive(whole))
    for name, value, told in (("cluster", "elsewhere", "another Kafka cluster"), ("topics", {}, "made anew")):
        manifest = json.loads((recorded.late / "recording.json").read_text())
        manifest["log"][name] = value
        (whole / "recording.json").write_text(json.dumps(manifest))
        assert told in live.refused(*words, *archive(whole))
    assert "no log" in live.refused(*words, *archive(shared / "recordings" / "tsla_2022_03"))
    assert "no scores" in live.refused(*words, *archive(recorded.early), "--from-mentions")
    assert "do not go with" in live.refused("replay", *archive(recorded.early), "list")


def test_archives_join_where_the_topics_hold_nothing_of_either(recorded: Recorded) -> None:
    """The early one alone leaves a gap and is refused; with the late one all is there. Dropped, nothing is left."""
    live = recorded.live
    remove_all(live.endpoints.kafka)
    words = ["replay", *WHOLE, "--into", "joined", "--workers", "2"]
    gap = live.refused(*words, *archive(recorded.early))
    assert "the topic begins at" in gap
    assert "--archive" in gap
    both = archive(recorded.late, recorded.early)
    assert live.run(*words, *both, MOODTAPE_FAILPOINT="copied").returncode == -signal.SIGKILL
    assert len(topics_of(live, "joined")) == 2
    live.done("replay", "drop", "joined")
    assert topics_of(live, "joined") == set()
    assert live.done(*words, *both)["complete"]
    assert live.done("replay", "compare", "joined")["different"] == 0


def test_an_archive_without_the_beginning_gives_the_time_that_it_knows(recorded: Recorded) -> None:
    """Of a later --from everything is there; what came before is missing, and that alone explains what differs."""
    live = recorded.live
    found = live.done("replay", "--from", LATER, "--to", WHOLE[3], "--into", "later", *archive(recorded.late))
    assert found["tables"]["quote"] > 0
    report = live.done("replay", "compare", "later")
    assert report["unexplained"] == 0
    assert report["tables"]["quote"]["different"] == report["tables"]["mention"]["different"] == 0
