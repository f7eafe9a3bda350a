"""Servers that ``moodtape run`` looks after itself: killed, and started again by nobody else."""

from infra.endpoints import KAFKA, POSTGRES, SERVERS, VALKEY
from tests.helpers.waiting import wait_for

from ..case import Act, Case, Scene
from ..world import Setting


def killed_under_supervision(*servers: str) -> Act:
    """SIGKILL of servers; the supervisor starts them again."""

    def act(scene: Scene) -> str:
        world = scene.world
        scene.wait(0, 2)
        pids = {name: world.kill(name) for name in servers}
        scene.over()
        wait_for(lambda: all(world.server_pid(name) != pids[name] for name in servers), "they run again", 120)
        return f"{', '.join(servers)} killed"

    return act


CASES = (
    Case("broker killed under supervision", killed_under_supervision(KAFKA), goal=35.0, setting=Setting.OWN),
    Case("database killed under supervision", killed_under_supervision(POSTGRES), setting=Setting.OWN),
    Case("cache killed under supervision", killed_under_supervision(VALKEY), setting=Setting.OWN),
    Case("all servers killed under supervision", killed_under_supervision(*SERVERS), goal=35.0, setting=Setting.OWN),
)
