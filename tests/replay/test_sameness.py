"""One log, one answer: speed, workers, chunks and SIGKILL change no table."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.playing import Servers, digests, play
from tests.helpers.waiting import wait_for

from .cutting import cut

pytestmark = [pytest.mark.services, pytest.mark.shared, pytest.mark.timeout(1800)]
KILLED = ("stream-quotes", "stream-bars", "stream-posts", "stream-moods", "sink-timescale", "score-1", "score-2")
TWO_SCORERS = {"MOODTAPE_SCORER_PROCESSES": "2"}
WAIT_SECONDS = 120


@pytest.fixture(scope="module")
def twelve_hours(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve hours of a real recording, cut out of it for this test."""
    return cut(shared, tmp_path_factory.mktemp("cut") / "recording", "2022-03-14T12:00:00Z", "2022-03-15T00:00:00Z")


@pytest.fixture(scope="module")
def reference(twelve_hours: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Digests of all tables after one plain run at full speed."""
    return digests_after(twelve_hours, tmp_path_factory.mktemp("plain") / "data")


def digests_after(recording: Path, data_dir: Path, *more: str, **options: Any) -> dict[str, str]:
    """Play, then digest every table."""
    play(recording, data_dir, *more, **options)
    with Servers(data_dir) as endpoints:
        return digests(endpoints.database)


def test_tables_are_not_empty(reference: dict[str, str]) -> None:
    """The comparison is about something: prices, posts, moods and correlations are there."""
    assert all(not reference[table].startswith("0:") for table in ("quote", "bar", "post", "sentiment", "correlation"))


def test_a_paced_run_gives_the_same_tables(twelve_hours: Path, reference: dict[str, str], tmp_path: Path) -> None:
    """At 2,000 times real time, with its many more clocks, every table is the same."""
    assert digests_after(twelve_hours, tmp_path / "data", "--speed", "2000") == reference


def test_two_workers_give_the_same_tables(twelve_hours: Path, reference: dict[str, str], tmp_path: Path) -> None:
    """Two workers of each stage share the partitions, two scorers the texts, and change nothing."""
    two = digests_after(twelve_hours, tmp_path / "data", "--workers", "2", environment=TWO_SCORERS)
    assert two == reference


def test_one_record_a_poll_gives_the_same_tables(twelve_hours: Path, reference: dict[str, str], tmp_path: Path) -> None:
    """With ``consume`` of 1 instead of 1,000 every table is the same."""
    one = {"MOODTAPE_CONSUME_RECORDS": "1"}
    assert digests_after(twelve_hours, tmp_path / "data", environment=one) == reference


def test_killed_processes_give_the_same_tables(twelve_hours: Path, reference: dict[str, str], tmp_path: Path) -> None:
    """Workers, sink and scorers, each killed by SIGKILL in the middle, come back, lose nothing and double nothing."""
    killed = digests_after(
        twelve_hours,
        tmp_path / "data",
        "--speed",
        "2000",
        environment=TWO_SCORERS,
        meanwhile=lambda data_dir: kill_each(data_dir, KILLED),
    )
    assert killed == reference


def kill_each(data_dir: Path, names: tuple[str, ...]) -> None:
    """Kill each process once it has work behind it, one after the other."""
    wait_for(lambda: "produce-recording" in running_pids(data_dir), "the producer runs", WAIT_SECONDS)
    wait_for(lambda: set(names) <= running_pids(data_dir).keys(), "the processes run", WAIT_SECONDS)
    for name in names:
        pid = running_pids(data_dir)[name]
        os.kill(pid, signal.SIGKILL)
        wait_for(
            lambda name=name, pid=pid: running_pids(data_dir).get(name, pid) != pid, f"{name} is back", WAIT_SECONDS
        )  # type: ignore[misc]


def running_pids(data_dir: Path) -> dict[str, int]:
    """Processes of the supervisor that run, by name."""
    try:
        rows = json.loads((data_dir / "processes.json").read_text())
    except (OSError, ValueError):
        return {}
    return {row["name"]: row["pid"] for row in rows if row["running"]}
