"""What a case is, and how one is carried out: fault, recovery, account."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from random import Random

from .result import Result
from .world import Setting, World

RECOVERY_LIMIT_SECONDS = 300.0
Act = Callable[["Scene"], str]


@dataclass(slots=True)
class Scene:
    """What an act has to work with. ``short`` scales long outages down, for CI.

    ``ended`` is when the fault ended (monotonic seconds); an act that goes on after it sets it.
    """

    world: World
    random: Random
    short: bool = False
    ended: float | None = None

    def wait(self, least: float, most: float) -> float:
        """Let time pass, as much as the seed says; seconds."""
        seconds = self.random.uniform(least, most)
        time.sleep(seconds)
        return seconds

    def outage(self, seconds: float) -> float:
        """Let an outage last: its true length, or at most eight seconds in CI."""
        length = min(seconds, 8.0) if self.short else seconds
        time.sleep(length)
        return length

    def over(self) -> None:
        """The fault ends now."""
        self.ended = time.monotonic()


@dataclass(frozen=True, slots=True)
class Case:
    """One fault.

    Attributes:
        name: as in the table.
        act: does it, and says what it did; when it returns the fault is over.
        goal: seconds in which the flow shall be whole again.
        setting: which kind of world it needs, see :class:`.world.Setting`.
        alone: it needs a world of its own, for what it does makes another truth of the same log.
        check: what must hold besides when all has drained, as sentences of what does not.
    """

    name: str
    act: Act
    goal: float = 10.0
    setting: Setting = Setting.PROXIED
    alone: bool = False
    check: Callable[[World], Iterable[str]] = lambda _: ()


def carry_out(case: Case, world: World, seed: int, *, short: bool = False) -> Result:
    """Do it, and account for everything; the world goes on afterwards."""
    scene = Scene(world, Random(f"{case.name} {seed}"), short)
    began = time.monotonic()
    done = case.act(scene)
    ended = scene.ended or time.monotonic()
    recovery = world.probe.recovered(ended, RECOVERY_LIMIT_SECONDS)
    lag = max((sample.most for sample in world.probe.since(began)), default=0)
    try:
        world.drain()
        found = world.account.check()
        problems = list(case.check(world))
    finally:
        world.resume()
    return Result(
        case=case.name,
        seed=seed,
        lost=len(found.lost),
        twice=len(found.twice),
        recovery=recovery,
        goal=case.goal,
        lag=lag,
        done=done,
        problem="; ".join([*([] if found.clean else [str(found)]), *problems]),
    )
