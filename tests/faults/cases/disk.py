"""No room left: for the broker, for the database, for the rest of the data folder."""

import time

import psutil

from infra.endpoints import KAFKA, POSTGRES
from tests.helpers.waiting import wait_for

from ..case import Case, Scene
from ..world import STREAMS, Setting

FULL_SECONDS = 20.0
FILL_PAUSE = 0.02


def full_under_broker(scene: Scene) -> str:
    """The supervisor stops the broker before the disk is full, and starts it when there is room again."""
    world = scene.world
    assert world.disk is not None
    pid = world.server_pid(KAFKA)
    world.disk.fill(FILL_PAUSE)
    wait_for(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == "zombie", "the broker is gone", 60)
    scene.outage(FULL_SECONDS)
    world.disk.free()
    scene.over()
    wait_for(lambda: world.server_pid(KAFKA) != pid, "it runs again", 120)
    return f"filled by {1 / FILL_PAUSE:.0f} MB/s; the broker was stopped, {FULL_SECONDS:.0f} s later there was room"


def full_under_database(scene: Scene) -> str:
    """The database refuses what it has no room for."""
    world = scene.world
    assert world.disk is not None
    world.disk.fill()
    length = scene.outage(FULL_SECONDS)
    died = world.server_pid(POSTGRES)
    lives = psutil.pid_exists(died) and psutil.Process(died).status() != "zombie"
    world.disk.free()
    world.bring_back()
    return f"full for {length:.0f} s; the server {'lived' if lives else 'ended'}"


def full_under_state(scene: Scene) -> str:
    """No room for logs, names of processes and locks, while a worker dies and must be started again."""
    world = scene.world
    assert world.disk is not None
    world.disk.fill()
    time.sleep(3)
    name = scene.random.choice(STREAMS)
    world.kill(name)
    length = scene.outage(FULL_SECONDS)
    world.disk.free()
    return f"full for {length:.0f} s, {name} killed meanwhile"


CASES = (
    Case("disk full for the broker", full_under_broker, goal=35.0, setting=Setting.SMALL_BROKER),
    Case("disk full for the database", full_under_database, setting=Setting.SMALL_DATABASE),
    Case("disk full for logs and state", full_under_state, setting=Setting.SMALL_STATE),
)
