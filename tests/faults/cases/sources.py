"""Producers: silent, ended, restarted, with a wrong clock."""

import time

from ..case import Act, Case, Scene
from ..feeder import SECOND

MINUTES = 60 * SECOND


def silent(scene: Scene) -> str:
    """A second producer falls silent and holds time up for all, ends, comes back, ends again."""
    world = scene.world
    world.notes["late"] = True
    second = world.feed(world.seed + 1, source="finnhub", start=world.feeder.block())
    second.go()
    time.sleep(10)
    second.pause()
    quiet = scene.wait(15, 20)
    second.end()
    time.sleep(3)
    third = world.feed(world.seed + 2, source="finnhub", start=world.feeder.block())
    third.go()
    time.sleep(10)
    third.end()
    return f"silent for {quiet:.0f} s, ended, restarted"


def skewed(minutes: int) -> Act:
    """A second producer whose clock is wrong."""

    def act(scene: Scene) -> str:
        world = scene.world
        world.notes["late"] = True
        start = world.feeder.block()
        second = world.feed(world.seed + 3, source="finnhub", start=start, skew=minutes * MINUTES)
        second.go()
        time.sleep(25)
        second.end()
        return f"a producer {minutes:+d} minutes off, for 25 s"

    return act


CASES = (
    Case("one producer silent, ended, restarted", silent),
    Case("clock of one producer 10 minutes ahead", skewed(10)),
    Case("clock of one producer 10 minutes behind", skewed(-10)),
)
