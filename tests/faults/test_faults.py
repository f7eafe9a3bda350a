"""Twelve faults, one after the other, on one running pipeline: nothing is lost, nothing is there twice."""

import pytest

from .case import carry_out
from .cases import CASES
from .same import finish
from .world import World

pytestmark = [pytest.mark.services, pytest.mark.timeout(1800)]
# Names and seeds. Long outages last eight seconds here, and one record in fifty is broken; docs/faults.md has the rest.
TWELVE = {
    "worker killed before produce": 11,
    "worker killed after produce, before commit": 12,
    "worker killed while restoring": 13,
    "broker killed for 10 s": 14,
    "database killed in COPY": 15,
    "answer of COMMIT lost": 16,
    "sink killed before COMMIT": 17,
    "sink killed after COMMIT, before acknowledgement": 18,
    "cache killed and emptied": 19,
    "eight kinds of broken record": 20,
    "worker cut from the broker one way": 21,
    "scorer killed": 22,
}


@pytest.mark.parametrize("name", TWELVE)
def test_a_fault_loses_nothing_and_doubles_nothing(world: World, name: str) -> None:
    """After it every acknowledged fact is in its topic or the dead letters once and stored once, with nobody's help."""
    result = carry_out(CASES[name], world, TWELVE[name], short=True)
    print("  ".join(result.cells()))
    assert (result.lost, result.twice, result.problem) == (0, 0, "")
    assert result.recovery is not None, f"not whole again: {result.done}"


def test_after_all_of_them_the_tables_are_those_of_an_undisturbed_run(world: World) -> None:
    """``moodtape verify`` agrees, and a pipeline without faults makes the same tables of the same log."""
    assert finish(world) == []
