"""Thousands of histories: whatever is killed, hung, fenced, repeated or handed over between any two steps, the
committed topics and the stored rows are those of a plain run; and histories that would not notice are found out.

The worlds of ``tests/simulation`` run the real engine, folds and sink loop.
"""

import os
import subprocess
import sys

import pytest

from tests.simulation.histories import History, draw
from tests.simulation.mutants import MUTANTS, Mutant
from tests.simulation.running import carry_out, failing, mix_of, run_many, tell
from tests.simulation.shrinking import shrink

HISTORIES = 600
"""As many as fit into seconds; ``make check`` carries out 10,000."""


@pytest.mark.timeout(600)
def test_every_history_ends_like_the_plain_run() -> None:
    """Topics, clocks and dead letters are the same, every fact is stored once, and everything comes to rest."""
    failures = run_many(mix_of(HISTORIES), start=0)
    assert not failures, "\n\n".join(failure.report for failure in failures)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_broken_system_is_noticed(mutant: Mutant) -> None:
    """Each of these ways to break engine, broker or database is noticed within the number of histories it states,
    in a history that ends well without it.
    """
    wrong = (seed for seed in range(mutant.within) if carry_out(draw(mutant.flow, seed), mutant.breaking))
    noticed = next(wrong, None)
    assert noticed is not None
    assert carry_out(draw(mutant.flow, noticed)) is None


def test_a_failing_history_becomes_a_small_one() -> None:
    """Lost outputs come down to a handful of steps and an input or two, with the command that shows them again."""
    mutant = MUTANTS[0]
    failure = next(failing(mutant.flow, range(mutant.within), mutant.breaking))
    before = draw(mutant.flow, failure.seed)
    small = shrink(before, lambda history: carry_out(history, mutant.breaking) is not None)
    assert carry_out(small, mutant.breaking) is not None
    assert len(small.inputs) <= 3 < len(before.inputs)
    assert len(small.steps) <= 8 < len(before.steps)
    assert failure.report == tell(small, mutant.breaking)
    assert failure.report.endswith(f"again: make histories FLOW=counting SEED={failure.seed} N=1")


def test_nothing_can_be_left_out_of_a_small_history() -> None:
    """What shrinking returns fails, and no single input or step of it can be dropped; a history that fails whatever
    is dropped becomes empty.
    """
    history = draw("storing", 1)
    inputs, steps = (history.inputs[2], history.inputs[-1]), history.steps[3:5]

    def fails(candidate: History) -> bool:
        return all(i in candidate.inputs for i in inputs) and all(s in candidate.steps for s in steps)

    small = shrink(history, fails)
    assert (small.inputs, small.steps) == (inputs, steps)
    empty = shrink(history, lambda candidate: True)
    assert (empty.inputs, empty.steps) == ((), ())


@pytest.mark.parametrize("flow", ["counting", "whole"])
def test_a_seed_is_a_history(flow: str) -> None:
    """The same seed gives the same steps, the same deaths and the same end in another process with other hashes."""
    told = tell(draw(flow, 3))
    command = [sys.executable, "-m", "tests.simulation", "--count", "1", "--seed", "3", "--flow", flow]
    again = subprocess.run(
        command, env={**os.environ, "PYTHONHASHSEED": "7"}, capture_output=True, text=True, check=True
    )
    assert again.stdout == f"{told}\n"
    assert tell(draw(flow, 4)) != told
