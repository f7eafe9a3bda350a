"""The first recipe of docs/operations.md, on a pipeline at work."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.metrics_core import Sample
from prometheus_client.parser import text_string_to_metric_families

from infra.endpoints import SERVERS
from infra.errors import UserError
from infra.ledger import Ledger
from tests.faults.same import finish
from tests.faults.world import PROCESSES, START_SECONDS, STREAMS, Setting, World
from tests.helpers.waiting import wait_for

pytestmark = [pytest.mark.services, pytest.mark.timeout(1800)]


def served(world: World, process: str, metric: str) -> Iterator[Sample]:
    """What a process serves, asked where it says that it does, as soon as it does."""

    def targets() -> list[Path]:
        return list((world.folder / "metrics").glob(f"{process}-*.json"))

    wait_for(lambda: len(targets()) == 1, f"{process} says where", START_SECONDS)
    (target,) = targets()
    (address,) = json.loads(target.read_text())[0]["targets"]
    for family in text_string_to_metric_families(httpx.get(f"http://{address}/metrics").text):
        yield from (sample for sample in family.samples if sample.name == metric)


def running(world: World) -> dict[str, float]:
    """What the supervisor tells of those that it keeps running."""
    return {sample.labels["name"]: sample.value for sample in served(world, "supervisor", "moodtape_process_running")}


def test_everything_is_ended_and_started_again(tmp_path: Path) -> None:
    """`moodtape run` ended by SIGTERM, by SIGKILL, and after a `moodtape down` that left its servers stopped: started
    again each time, it loses and doubles nothing. It shows all that it keeps running, and lets no second one beside it.
    """
    with World(tmp_path / "data", 5, Setting.SOLE) as world:
        wait_for(lambda: running(world) == dict.fromkeys((*PROCESSES, *SERVERS), 1), "all are shown", START_SECONDS)
        for process in (*STREAMS, "sink-timescale"):
            letters = list(served(world, process, "moodtape_dead_letters_total"))
            assert {sample.value for sample in letters} == {0}
        assert world.member("run").wait(60) == UserError.exit_code
        world.run_again(signal.SIGTERM)
        world.run_again(signal.SIGKILL)
        assert world.member("down").wait(120) == 0
        wait_for(lambda: not running(world).keys() & set(SERVERS), "the supervisor has seen it", START_SECONDS)
        assert all(entry.process is None for entry in Ledger.load(world.folder).entries.values())
        world.run_again(signal.SIGTERM)
        assert finish(world, alone=True) == []
