"""Carrying out histories: one by its seed, or thousands over all cores."""

import multiprocessing
import os
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from . import programs
from .flows import Logs, plainly
from .histories import FLOWS, History, draw
from .retracing import retraced
from .shrinking import shrink
from .world import World

SHARD = 25
SHARES = {
    "counting": 0.36,
    "storing": 0.25,
    "mending": 0.1,
    "joining": 0.1,
    "prices": 0.12,
    "whole": 0.03,
    "turns": 0.02,
    "returning": 0.02,
}
"""How many of all histories are of which flow; one of the last three costs as much as thirty of ``storing``."""
Break = Callable[[World], AbstractContextManager[object]]
"""Breaks the system on purpose, for as long as the context is open."""


def unbroken(world: World) -> AbstractContextManager[object]:
    """Breaks nothing."""
    return nullcontext()


@dataclass(frozen=True)
class Failure:
    """A seed whose history differs from the plain run; ``report`` is for people."""

    flow: str
    seed: int
    report: str


def carry_out(history: History, breaking: Break = unbroken, trace: Callable[[str], None] | None = None) -> str | None:
    """What is wrong after a history; None = nothing."""
    with programs.in_memory():
        plain = plainly(FLOWS[history.flow], history.inputs)
        world = World(history)
        if trace is not None:
            world.trace = trace
        try:
            with breaking(world):
                broken = _wild(world, history)
            return broken or "\n".join(_wrong(world, history, plain)) or None
        finally:
            for process in (*world.zombies, *world.processes.values()):
                process.kill()


def _wild(world: World, history: History) -> str | None:
    """Take the steps; the error that this ends with, None where all comes to rest."""
    try:
        for step in history.steps:
            world.take(step)
        world.finish()
    except Exception as error:  # noqa: BLE001  # whatever it is, it is what is wrong with this history
        return "".join(traceback.format_exception(error))
    return None


def _wrong(world: World, history: History, plain: Logs) -> list[str]:
    return [
        *world.flow.differences(plain, world.logs()),
        *retraced(world.broker, history.topics),
        *world.stored_wrongly(),
    ]


def failing(flow: str, seeds: Iterable[int], breaking: Break = unbroken) -> Iterator[Failure]:
    """The seeds that fail, each with the smallest history found that fails too."""
    for seed in seeds:
        history = draw(flow, seed)
        if carry_out(history, breaking) is not None:
            small = shrink(history, lambda candidate: carry_out(candidate, breaking) is not None)
            yield Failure(flow, seed, tell(small, breaking))


def tell(history: History, breaking: Break = unbroken) -> str:
    """A history in words: its inputs, its steps with what ended meanwhile, what is wrong, how to see it again."""
    lines = [f"history {history.seed} of {history.flow}, {len(history.inputs)} inputs, {len(history.steps)} steps"]
    lines += [f"  input {number}: {each.text}" for number, each in enumerate(history.inputs)]
    wrong = carry_out(history, breaking, lambda line: lines.append(f"  {line}"))
    again = f"again: make histories FLOW={history.flow} SEED={history.seed} N=1"
    return "\n".join([*lines, wrong or "nothing is wrong", again])


def mix_of(count: int) -> dict[str, int]:
    """So many histories, divided among the flows."""
    return {flow: max(1, round(count * share)) for flow, share in SHARES.items()}


def run_many(mix: Mapping[str, int], start: int, jobs: int | None = None) -> list[Failure]:
    """So many histories of each flow, from seed ``start`` on, over all cores."""
    shards = [
        (flow, range(first, min(first + SHARD, start + count)))
        for flow, count in mix.items()
        for first in range(start, start + count, SHARD)
    ]
    # Fresh interpreters: nothing of the caller's, such as a tracer of coverage, slows them down.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs or os.cpu_count(), mp_context=context) as pool:
        return [failure for found in pool.map(_shard, shards) for failure in found]


def _shard(shard: tuple[str, range]) -> list[Failure]:
    return list(failing(*shard))
