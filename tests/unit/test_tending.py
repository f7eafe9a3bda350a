"""Which embedded servers are started again, and when."""

import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from infra.errors import ServiceUnavailable
from infra.ledger import Ledger
from infra.processes import ProcessId
from infra.settings import Settings
from moodtape.tending import RESERVE_BYTES, ServerTender
from tests.helpers.kept import forget, shown
from tests.helpers.waiting import wait_for

WAIT_SECONDS = 30.0


def folder_of(tmp_path: Path, **processes: ProcessId | None) -> Settings:
    """A data folder whose ledger says that these processes were started."""
    ledger = Ledger.load(tmp_path)
    for name, process in processes.items():
        ledger.entry(name).started_as(process)
    ledger.save()
    return Settings(data_dir=tmp_path)


@pytest.fixture
def gone() -> ProcessId:
    """A process that has ended."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    process = ProcessId.of(child.pid)
    assert process is not None
    child.communicate(b"\n")
    return process


@pytest.fixture(autouse=True)
def nothing_shown() -> None:
    """Whatever earlier tests showed."""
    forget()


def test_what_runs_is_told(tmp_path: Path, gone: ProcessId) -> None:
    """Of servers that live and that died, and of starts; of one that was stopped on purpose nothing any more."""
    settings = folder_of(tmp_path, kafka=gone, postgres=ProcessId.of(os.getpid()), valkey=ProcessId.of(os.getpid()))
    now = 0.0
    tender = ServerTender(settings, lambda _: None, lambda: now)
    tender.look()
    tender.wait(WAIT_SECONDS)
    assert [shown(name) for name in ("kafka", "postgres", "valkey")] == [(0, 1), (1, 0), (1, 0)]
    folder_of(tmp_path, kafka=ProcessId.of(os.getpid()), valkey=None)
    now = 10.0
    tender.look()
    assert [shown(name) for name in ("kafka", "postgres", "valkey")] == [(1, 1), (1, 0), (None, 0)]


def test_only_what_died_is_dead(tmp_path: Path, gone: ProcessId) -> None:
    """A living server is none, nor is one that was stopped, nor one that was never started."""
    settings = folder_of(tmp_path, kafka=gone, postgres=ProcessId.of(os.getpid()), valkey=None)
    assert ServerTender(settings).dead() == ["kafka"]


def test_an_external_server_is_somebody_elses(tmp_path: Path, gone: ProcessId) -> None:
    """What the settings name elsewhere is not started here, whatever the ledger says."""
    settings = folder_of(tmp_path, kafka=gone).model_copy(update={"kafka_bootstrap": "elsewhere:9092"})
    assert ServerTender(settings).dead() == []


def test_a_start_that_fails_is_tried_again_less_and_less_often(tmp_path: Path, gone: ProcessId) -> None:
    """The pauses between two attempts double up to ten seconds."""
    now, starts = 0.0, []

    def start(_: Settings) -> None:
        starts.append(now)
        raise ServiceUnavailable("no room")

    tender = ServerTender(folder_of(tmp_path, kafka=gone), start, lambda: now)
    while now < 60:
        tender.look()
        tender.wait(WAIT_SECONDS)
        now += 0.5
    pauses = [round(b - a) for a, b in pairwise(starts)]
    assert pauses[:5] == [1, 2, 4, 8, 10]
    assert set(pauses[4:]) == {10}


def test_the_broker_does_not_meet_a_full_disk(tmp_path: Path) -> None:
    """It is killed while there is little room left, and nothing is started until there is enough."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    room, starts = [RESERVE_BYTES], []
    settings = folder_of(tmp_path, kafka=ProcessId.of(child.pid))
    tender = ServerTender(settings, lambda _: starts.append(room[0]), free=lambda _: room[0])
    try:
        tender.look()
        assert tender.dead() == []
        for room[0] in (RESERVE_BYTES - 1, RESERVE_BYTES, 2 * RESERVE_BYTES - 1):
            tender.look()
            assert shown("kafka") == (0, 0)
            assert tender.dead() == ["kafka"]
        assert starts == []
        room[0] = 2 * RESERVE_BYTES
        wait_for(lambda: tender.look() or starts, "it is started")
    finally:
        child.kill()
        child.communicate()
        tender.wait(WAIT_SECONDS)
