"""The supervisor goes on where the disk does not let it write."""

from pathlib import Path

from infra.settings import Settings
from moodtape.supervisor import Child, Supervisor
from tests.helpers.waiting import wait_for


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
