"""The cache that lets Kafka start faster: made once, whole or not at all, and never in the way."""

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from infra.errors import ServiceUnavailable
from infra.services.aot import aot_flags
from infra.services.server import run_until

ABOUT = ("java", "25", "-cp", "a.jar")


class Trainer:
    """Writes what a JVM would write, or fails."""

    def __init__(self, *, fails: bool = False) -> None:
        self.fails, self.runs = fails, 0

    def __call__(self, room: Path, flags: Sequence[str]) -> None:
        self.runs += 1
        (flag,) = flags
        output = Path(flag.removeprefix("-XX:AOTCacheOutput="))
        output.write_bytes(b"half")
        if self.fails:
            raise ServiceUnavailable("kafka: it ended")
        output.write_bytes(b"whole")


def test_the_cache_is_made_once(tmp_path: Path) -> None:
    """Later starts find it; another Java or other jars have one of their own; nothing else stays behind."""
    train, told = Trainer(), []
    flags = [aot_flags(25, about, tmp_path, train, told.append) for about in (ABOUT, ABOUT, (*ABOUT, "b.jar"))]
    assert flags[0] == flags[1] != flags[2]
    assert (train.runs, len(told)) == (2, 2)
    (first,) = flags[0]
    assert Path(first.removeprefix("-XX:AOTCache=")).read_bytes() == b"whole"
    assert len([path for path in tmp_path.iterdir() if path.name != ".lock"]) == 2


def test_an_older_java_goes_without(tmp_path: Path) -> None:
    """It does not know the flags."""
    train = Trainer()
    assert aot_flags(24, ABOUT, tmp_path, train, lambda _: None) == []
    assert (train.runs, list(tmp_path.iterdir())) == (0, [])


def test_what_failed_is_not_tried_at_every_start(tmp_path: Path) -> None:
    """Kafka starts without the cache; a file says why, and that half of one was written is forgotten."""
    train, told = Trainer(fails=True), []
    assert [aot_flags(25, ABOUT, tmp_path, train, told.append) for _ in range(2)] == [[], []]
    assert train.runs == 1
    (failed,) = tmp_path.glob("*.failed")
    assert "it ended" in failed.read_text()
    assert str(failed) in told[-1]
    assert not list(tmp_path.glob("*.aot"))


def python(code: str) -> list[str]:
    """A program."""
    return [sys.executable, "-c", code]


def test_a_program_is_ended_when_it_has_done_enough(tmp_path: Path) -> None:
    """It is asked to end, and what it does then is waited for."""
    done = tmp_path / "done"
    code = f"""
import pathlib, signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(pathlib.Path({str(done)!r}).write_text("politely") and 0))
print("enough", flush=True)
signal.pause(); signal.pause()
"""
    log = tmp_path / "log"
    run_until(python(code), log, lambda: "enough" in log.read_text(), 60)
    assert done.read_text() == "politely"


@pytest.mark.parametrize(
    ("code", "seconds", "enough"),
    [
        ("print('broken')", 60, False),
        ("print('broken', flush=True); import time; time.sleep(600)", 1, False),
        ("import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('broken', flush=True); signal.pause()", 2,
         True),
    ],
    ids=["ends by itself", "never has done enough", "does not end"],
)  # fmt: skip
def test_a_program_that_goes_wrong_is_named(tmp_path: Path, code: str, seconds: float, enough: bool) -> None:
    """The message has the end of what it printed."""
    log = tmp_path / "log"
    with pytest.raises(ServiceUnavailable, match="broken"):
        run_until(python(code), log, lambda: enough and "broken" in log.read_text(), seconds)
