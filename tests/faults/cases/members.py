"""Members of groups that come and go; helpers that hang or are away; a sink that is slow."""

import signal
import subprocess
import time
from collections import deque
from collections.abc import Iterable

import httpx

from infra.endpoints import POSTGRES
from moodtape.pipeline import api_url
from streams.topology import STAGES
from tests.helpers.waiting import wait_for

from ..case import Case, Scene
from ..world import World
from .stores import stopped_for

EVERY_SECONDS = 5.0


def coming_and_going(scene: Scene) -> str:
    """Every five seconds a member joins or leaves, some politely, some by SIGKILL."""
    world, random = scene.world, scene.random
    words = [("stream", stage) for stage in STAGES] + [("sink", "timescale"), ("sink", "latest")]
    present: deque[subprocess.Popen[bytes]] = deque()
    deadline, joined = time.monotonic() + (30 if scene.short else 180), 0
    while time.monotonic() < deadline:
        if len(present) < 2 or (len(present) < 4 and random.random() < 0.5):
            present.append(world.member(*random.choice(words)))
            joined += 1
        else:
            present.popleft().send_signal(random.choice((signal.SIGTERM, signal.SIGTERM, signal.SIGKILL)))
        time.sleep(EVERY_SECONDS)
    for member in present:
        member.terminate()
    return f"{joined} joined and left"


def scorer_killed(scene: Scene) -> str:
    """SIGKILL of the scorer."""
    scene.wait(0, 2)
    scene.world.kill("score-1")
    return "the scorer"


def registry_away(scene: Scene) -> str:
    """The process that answers as a schema registry is stopped, then killed."""
    world = scene.world
    with world.stopped("api"):
        length = scene.outage(20)
        world.kill("api")
    return f"stopped for {length:.0f} s, then killed"


def registry_answers(world: World) -> Iterable[str]:
    """It is back and knows every subject."""

    def subjects() -> int:
        url = api_url(world.folder)
        try:
            return len(httpx.get(f"{url}/subjects", timeout=5).json()) if url else 0
        except httpx.HTTPError:
            return 0

    wait_for(lambda: subjects() >= 10, "the registry's subjects are there", 60)
    return ()


def sink_throttled(scene: Scene) -> str:
    """The database takes half of what is to be stored; nobody else is held up."""
    world = scene.world
    pids = [world.pid("sink-timescale")]
    world.wires.set(POSTGRES, "count", pids=pids, toward="server")
    time.sleep(5)
    rate = max(2000, world.wires.lift(POSTGRES)["bytes"] / 5 / 2)
    began = time.monotonic()
    with world.wires.rule(POSTGRES, "throttle", rate=rate, pids=pids, toward="server"):
        time.sleep(10 if scene.short else 40)
    samples = world.probe.since(began)
    sink = max(sample.lags["moodtape.sink.timescale"] for sample in samples)
    others = max(lag for sample in samples for group, lag in sample.lags.items() if group != "moodtape.sink.timescale")
    return f"{rate / 1000:.0f} kB/s; the sink was {sink:,} behind, the others {others:,} at most"


CASES = (
    Case("members coming and going every 5 s", coming_and_going, goal=14.0),
    Case("sink throttled to half", sink_throttled),
    Case("scorer killed", scorer_killed),
    Case("scorer hung for 60 s", stopped_for("score-1", 60)),
    Case("registry away", registry_away, check=registry_answers),
)
