"""Workers and sinks that are killed at exact places."""

import signal
import time

from ..case import Act, Case, Scene
from ..world import SINKS, STREAMS


def killed_at(point: str, names: tuple[str, ...]) -> Act:
    """SIGKILL of one of the processes at the n-th passing of a point."""

    def act(scene: Scene) -> str:
        name, passing = scene.random.choice(names), scene.random.randint(1, 20)
        scene.wait(0, 2)
        scene.world.arm(name, point, passing)
        scene.ended = scene.world.await_fired(name)
        return f"{name} at passing {passing} of {point}"

    return act


def killed_while_restoring(scene: Scene) -> str:
    """SIGKILL while state is read back, after a first one that made it necessary."""
    name = scene.random.choice(STREAMS)
    # Long enough for a snapshot: with nothing but a few facts to fold again there is no second read to die at.
    scene.wait(6, 8)
    passing = scene.random.randint(1, 2)
    scene.world.arm(name, "restoring", passing)
    scene.world.kill(name)
    scene.ended = scene.world.await_fired(name)
    return f"{name} killed, and again at read {passing} of its restore"


def one_of_two_killed(scene: Scene) -> str:
    """SIGKILL of a second worker that nobody starts again: the first takes its partitions over."""
    stage = scene.random.choice(STREAMS).removeprefix("stream-")
    second = scene.world.member("stream", stage)
    time.sleep(12)
    scene.wait(0, 2)
    second.send_signal(signal.SIGKILL)
    second.wait()
    return f"the second worker of {stage}"


def rolling_restart(scene: Scene) -> str:
    """SIGTERM to every process in turn, each waited for."""
    names = [*STREAMS, *SINKS, "score-1", "api"]
    scene.random.shuffle(names)
    scene.world.restart(names)
    return ", ".join(names)


CASES = (
    Case("worker killed before produce", killed_at("before-produce", STREAMS)),
    Case("worker killed after produce, before commit", killed_at("produced", STREAMS)),
    Case("worker killed after its offsets were sent", killed_at("offsets-sent", STREAMS)),
    Case("worker killed after commit", killed_at("committed", STREAMS)),
    Case("worker killed while restoring", killed_while_restoring),
    Case("one of two workers killed", one_of_two_killed, goal=14.0),
    Case("sink killed in COPY", killed_at("copying", ("sink-timescale",))),
    Case("sink killed before COMMIT", killed_at("before-commit", ("sink-timescale",))),
    Case("sink killed after COMMIT, before acknowledgement", killed_at("after-commit", ("sink-timescale",))),
    Case("sink of the cache killed after writing", killed_at("after-write", ("sink-latest",))),
    Case("rolling restart under load", rolling_restart),
)
