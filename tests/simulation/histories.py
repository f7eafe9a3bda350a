"""A history: inputs and steps drawn from a seed. Any part of it is a history too, which is what makes it shrink."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from . import clients, database
from .counting import COUNTING
from .flows import Flow
from .inputs import Input
from .joining import JOINING
from .market import PRICES, RETURNING, TURNS, WHOLE
from .mending import MENDING
from .storing import STORING

FLOWS = {flow.name: flow for flow in (COUNTING, STORING, MENDING, JOINING, PRICES, WHOLE, TURNS, RETURNING)}


EVENTS = ("append", "work", "kill", "stop", "expire", "hang", "twin", "time-out", "fault", "compact")
"""What happens beside threads that run; ``World`` says what each means."""


class Step(NamedTuple):
    """Something that happens: ``run`` a thread for so many turns, ``kill`` a process, ..."""

    what: str
    whom: str = ""
    count: int = 1

    def __str__(self) -> str:
        return " ".join(str(part) for part in (self.what, self.whom, self.count) if part != "")


@dataclass(frozen=True)
class History:
    """A history in full; ``seed`` also decides the small chances, such as how many records a fetch gives."""

    flow: str
    seed: int
    inputs: tuple[Input, ...]
    steps: tuple[Step, ...]
    most: int
    snapshot_seconds: float
    snapshot_records: int

    @property
    def topics(self) -> frozenset[str]:
        """Those that the inputs go to."""
        return frozenset(topic for each in self.inputs for topic, _ in each.places)


def names_of(flow: Flow) -> list[str]:
    """The processes of a flow: two workers a stage, two sinks; all but the first of each are started by a step."""
    return [f"{stage.name}-{number}" for stage in flow.stages() for number in (0, 1)] + ["sink-0", "sink-1"]


@dataclass(frozen=True)
class Habits:
    """What a history tends to: drawn too, since many kinds of steps at once hide what few of them do.

    (Swarm testing: Groce, Zhang, Eide, Chen and Regehr, 2012.)
    """

    runs: float
    lengths: tuple[int, ...]
    weights: tuple[int, ...]

    @staticmethod
    def draw(rng: random.Random) -> "Habits":
        return Habits(
            rng.choice((0.2, 0.5, 0.8)),
            rng.choice(((1, 2, 3), (1, 2, 3, 5, 10, 30), (5, 20, 60))),
            (rng.randint(2, 6), rng.randint(2, 6), *(rng.choice((0, 0, 1, 2)) for _ in EVENTS[2:])),
        )


def draw(flow_name: str, seed: int) -> History:
    """The history of a seed."""
    rng, flow = random.Random(seed), FLOWS[flow_name]
    inputs, names, habits = flow.inputs(rng), names_of(flow), Habits.draw(rng)
    first = Step("append", count=rng.randint(1, 1 + len(inputs) // 2))
    steps = [_draw_step(rng, names, habits) for _ in range(rng.randint(10, 20 * len(names)))]
    if flow.mended is not None:
        steps.insert(rng.randrange(len(steps)), Step("mend"))
    most, seconds, records = rng.choice((1, 3, 8, 17)), rng.choice((0.02, 0.3, 2.0)), rng.choice((5, 50, 10_000))
    return History(flow_name, seed, tuple(inputs), (first, *steps), most, seconds, records)


def _draw_step(rng: random.Random, names: Sequence[str], habits: Habits) -> Step:
    if rng.random() < habits.runs:
        name = rng.choice(("broker", *names, *names))
        thread = "agent" if rng.random() < 0.3 and name in names[:-2] else "main"
        return Step("run", f"{name}/{thread}", rng.choice(habits.lengths))
    (what,) = rng.choices(EVENTS, habits.weights)
    if what in ("append", "work"):
        return Step(what, "", rng.randint(1, 4))
    name = rng.choice(names)
    if what == "fault":
        what = "fault:" + rng.choice(database.FAULTS if name.startswith("sink") else clients.FAULTS)
    return Step(what, name)
