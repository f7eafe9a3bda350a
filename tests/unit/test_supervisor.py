"""The supervisor goes on where the disk does not let it write, and tells who runs, who died and who gave up."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from infra.errors import UserError
from infra.settings import Settings
from moodtape.cli import cli
from moodtape.supervisor import Child, Supervisor, last_words
from tests.helpers.kept import forget, shown
from tests.helpers.waiting import wait_for


@pytest.fixture(autouse=True)
def nothing_shown() -> None:
    """Whatever earlier tests showed."""
    forget()


def test_a_process_that_dies_again_and_again_is_told(tmp_path: Path) -> None:
    """Its restarts are served from 0 on and count; while it waits for its next start it does not run."""
    supervisor = Supervisor(Settings(data_dir=tmp_path))
    child = Child("status", ("status", "--json"))
    assert supervisor.missing() == "nothing was started yet"
    supervisor.start([child])
    try:
        assert shown("status") == (1, 0)
        assert supervisor.missing() is None
        wait_for(lambda: supervisor.tend() or child.process is None, "its death was noticed")
        assert shown("status") == (0, 0)
        assert supervisor.missing() == "not running: status"
        wait_for(lambda: supervisor.tend() or child.restarts == 1, "it was started again")
        assert shown("status") == (1, 1)
    finally:
        supervisor.stop()


def test_of_a_process_that_did_what_it_had_to_nothing_is_told(tmp_path: Path) -> None:
    """It is not missed."""
    supervisor = Supervisor(Settings(data_dir=tmp_path))
    child = Child("status", ("status", "--json"), once=True)
    supervisor.start([child])
    try:
        wait_for(lambda: supervisor.tend() or supervisor.finished, "it has ended")
        assert shown("status") == (None, 0)
        assert supervisor.missing() is None
    finally:
        supervisor.stop()


def test_a_list_that_cannot_be_written_is_written_later(tmp_path: Path) -> None:
    """Processes are started and tended without it; once there is room the list is there."""
    listed = tmp_path / "processes.json"
    listed.mkdir()
    supervisor = Supervisor(Settings(data_dir=tmp_path))
    child = Child("status", ("status", "--json"))
    supervisor.start([child])
    try:
        wait_for(lambda: not child.running, "it has ended")
        supervisor.tend()
        assert child.process is None, "its death was noticed"
        listed.rmdir()
        supervisor.tend()
        assert '"status"' in listed.read_text()
    finally:
        supervisor.stop()


def test_a_process_whose_log_cannot_be_opened_is_started_later(tmp_path: Path) -> None:
    """No start, no crash, and a pause before the next attempt."""
    supervisor = Supervisor(Settings(data_dir=tmp_path))
    child = Child("status", ("status", "--json"))
    supervisor.start([child])
    try:
        wait_for(lambda: not child.running, "it has ended")
        supervisor.log_of(child).unlink()
        supervisor.log_of(child).mkdir()
        supervisor.tend()
        wait_for(lambda: supervisor.tend() or child.due - child.started > 5, "an attempt failed")
        assert (child.running, child.restarts) == (False, 0)
    finally:
        supervisor.stop()


def test_a_process_that_cannot_do_what_it_was_asked_for_gives_up(tmp_path: Path) -> None:
    """It is not started again, and it is told which one it was; its log has the reason."""
    supervisor = Supervisor(Settings(data_dir=tmp_path))
    child = Child("produce-recording", ("produce", "recording", str(tmp_path / "none")), once=True)
    supervisor.start([child])
    try:
        wait_for(lambda: supervisor.tend() or supervisor.given_up is child, "it gave up")
        assert (child.restarts, supervisor.finished) == (0, False)
        assert shown("produce-recording") == (0, 0)
        assert "none" in last_words(supervisor.log_of(child))
    finally:
        supervisor.stop()


def test_processes_do_not_share_one_port_for_metrics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The port of the environment is the supervisor's own; each of its processes takes a free one."""
    monkeypatch.setenv("MOODTAPE_METRICS_PORT", "9090")
    supervisor = Supervisor(Settings(data_dir=tmp_path))
    child = Child("doctor", ("doctor", "--json"))
    supervisor.start([child])
    try:
        wait_for(lambda: not child.running, "it has ended")
    finally:
        supervisor.stop()
    told = json.loads(last_words(supervisor.log_of(child)))
    assert told["settings"]["metrics_port"] == 0


@pytest.mark.parametrize("arguments", [("--speed", "fast"), ("--speed", "max"), ("--speed", "0"), ("--exit",)])
def test_a_demo_that_cannot_be_is_refused_before_anything_starts(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """A message, exit 2, and an untouched folder."""
    folder = tmp_path / "data"
    done = CliRunner().invoke(cli, ["demo", *arguments, "--data-dir", str(folder)])
    assert isinstance(done.exception, UserError)
    assert not folder.exists()
