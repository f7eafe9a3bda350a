"""Named places where a test has a process killed, held up or failed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from infra.failpoints import command

PROGRAM = "from infra.failpoints import failpoint\nfor n in range(5):\n    failpoint('here'); print(n, flush=True)\n"


def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A program that passes the point ``here`` five times and says each time that it did."""
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *words],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_command_is_its_words() -> None:
    """Options do not belong to the name under which a process is armed."""
    assert command(["stream", "quotes", "--data-dir", "x"]) == "stream-quotes"


def test_the_environment_kills_at_the_nth_passing() -> None:
    """``name:n`` kills at the n-th passing of that point and of no other."""
    assert run(MOODTAPE_FAILPOINT="here:3").stdout.split() == ["0", "1"]
    assert run(MOODTAPE_FAILPOINT="here:3").returncode == -signal.SIGKILL
    assert run(MOODTAPE_FAILPOINT="elsewhere:1").returncode == 0


def test_an_order_is_carried_out_once(tmp_path: Path) -> None:
    """The first process of a command that passes is killed, the next one lives."""
    (tmp_path / "sink-latest").write_text("here 2 kill")
    first, second = (run("sink", "latest", MOODTAPE_FAILPOINTS=str(tmp_path)) for _ in range(2))
    assert (first.returncode, first.stdout.split()) == (-signal.SIGKILL, ["0"])
    assert second.returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["sink-latest.fired"]


@pytest.mark.parametrize("order", ["elsewhere 1 kill", "here 9 kill", "here", "here one kill"])
def test_an_order_for_another_place_or_none_is_left(tmp_path: Path, order: str) -> None:
    """What does not apply, or cannot be read, changes nothing."""
    (tmp_path / "sink-latest").write_text(order)
    assert run("sink", "latest", MOODTAPE_FAILPOINTS=str(tmp_path)).returncode == 0
    assert (tmp_path / "sink-latest").exists()


def test_an_order_may_raise(tmp_path: Path) -> None:
    """``raise`` is an error that no code of ours expects."""
    (tmp_path / "sink-latest").write_text("here 1 raise")
    done = run("sink", "latest", MOODTAPE_FAILPOINTS=str(tmp_path))
    assert done.returncode == 1
    assert "Failpoint" in done.stderr


def test_a_held_process_goes_on_when_it_is_let_go(tmp_path: Path) -> None:
    """``hold`` waits until the mark is removed, not its whole time."""
    (tmp_path / "sink-latest").write_text("here 1 hold:600")
    environment = {**os.environ, "MOODTAPE_FAILPOINTS": str(tmp_path)}
    program = [sys.executable, "-c", PROGRAM, "sink", "latest"]
    with subprocess.Popen(program, env=environment, stdout=subprocess.PIPE, text=True) as process:
        fired = tmp_path / "sink-latest.fired"
        while not fired.exists():
            time.sleep(0.01)
        fired.unlink()
        out, _ = process.communicate(timeout=60)
    assert (process.returncode, len(out.split())) == (0, 5)
