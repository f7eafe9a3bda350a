"""The broker: killed, stopped, unreachable."""

import time

from infra.endpoints import KAFKA

from ..case import Act, Case, Scene
from ..world import SINKS, STREAMS
from .stores import killed_for, stopped_for

PULLERS = (*STREAMS, *SINKS)


def cut_off(seconds: float, toward: str) -> Act:
    """Packets between one process and the broker vanish for a while, both ways or one way only."""

    def act(scene: Scene) -> str:
        world, name = scene.world, scene.random.choice(PULLERS)
        scene.wait(0, 2)
        with world.wires.rule(KAFKA, "hole", toward=toward, pids=[world.pid(name)]):
            length = scene.outage(seconds)
        way = "both ways" if toward == "both" else f"toward the {'broker' if toward == 'server' else 'worker'} only"
        return f"{name} for {length:.0f} s, {way}"

    return act


def resets(scene: Scene) -> str:
    """Connections to the broker are reset, and break in the middle of a frame."""
    world, name = scene.world, scene.random.choice(PULLERS)
    pids = [world.pid(name)]
    with world.wires.rule(KAFKA, "cut", pids=pids):
        time.sleep(scene.random.uniform(1, 3))
    with world.wires.rule(KAFKA, "half", pids=pids, times=8):
        time.sleep(5)
    return f"{name}: reset, then eight times half a frame"


CASES = (
    Case("broker killed for 10 s", killed_for(KAFKA, 10), goal=35.0),
    Case("broker killed for 120 s", killed_for(KAFKA, 120), goal=35.0),
    Case("broker stopped for 30 s", stopped_for(KAFKA, 30), goal=35.0),
    Case("worker cut from the broker for 5 s", cut_off(5, "both")),
    Case("worker cut from the broker for 30 s", cut_off(30, "both")),
    Case("worker cut from the broker for 90 s", cut_off(90, "both")),
    Case("worker cut from the broker one way", cut_off(30, "server")),
    Case("worker cut from the broker the other way", cut_off(30, "client")),
    Case("connections to the broker reset, half a frame", resets),
)
