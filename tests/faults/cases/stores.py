"""The database and the cache: killed, away, stopped, slow, cut at the worst moment."""

import time
from collections.abc import Iterable

import psycopg
import redis

from infra.endpoints import POSTGRES, VALKEY

from ..case import Act, Case, Scene
from ..world import World


def database_killed_in_copy(scene: Scene) -> str:
    """SIGKILL of PostgreSQL while a COPY of ours is under way."""
    world, passing = scene.world, scene.random.randint(1, 20)
    world.arm("sink-timescale", "copying", passing, "hold:30")
    world.await_fired("sink-timescale")
    world.kill(POSTGRES)
    world.let_go("sink-timescale")
    away = scene.wait(1, 3)
    world.bring_back()
    return f"in the {passing}th COPY, away for {away:.1f} s"


def killed_for(server: str, seconds: float) -> Act:
    """SIGKILL of a server, back after a while."""

    def act(scene: Scene) -> str:
        scene.wait(0, 2)
        scene.world.kill(server)
        away = scene.outage(seconds)
        scene.world.bring_back()
        return f"away for {away:.0f} s"

    return act


def database_slow(scene: Scene) -> str:
    """Every piece of every connection to the database waits."""
    pause = scene.random.uniform(0.05, 0.2)
    with scene.world.wires.rule(POSTGRES, "delay", seconds=pause):
        time.sleep(20)
    return f"each piece {pause * 1000:.0f} ms later, both ways, for 20 s"


def answer_of_commit_lost(scene: Scene) -> str:
    """A reset between COMMIT and its answer, three times."""
    world = scene.world
    scene.wait(0, 2)
    world.wires.set(POSTGRES, "after", text="COMMIT", times=3, pids=[world.pid("sink-timescale")])
    time.sleep(8)
    bitten = world.wires.lift(POSTGRES)["bitten"]
    assert bitten == 3, f"{bitten} COMMITs were met, not 3"
    return "the answers of three COMMITs never came"


def half_an_answer(server: str, name: str) -> Act:
    """A connection that breaks in the middle of a piece, five times."""

    def act(scene: Scene) -> str:
        world = scene.world
        world.wires.set(
            server, "half", times=5, pids=[world.pid(name)], toward=scene.random.choice(("server", "client"))
        )
        time.sleep(8)
        bitten = world.wires.lift(server)["bitten"]
        assert bitten == 5, f"{bitten} pieces were met, not 5"
        return f"five connections of {name} broke in the middle of a piece"

    return act


def cache_killed_and_emptied(scene: Scene) -> str:
    """SIGKILL of the cache, its file removed: it comes back with nothing."""
    world = scene.world
    scene.wait(0, 2)
    world.kill(VALKEY)
    away = scene.wait(1, 3)
    for file in (world.folder / VALKEY / "appendonlydir").iterdir():
        file.unlink()
    world.bring_back()
    return f"away for {away:.1f} s, and empty"


def stopped_for(server: str, seconds: float) -> Act:
    """SIGSTOP of a server for a while: connections stay, nobody answers."""

    def act(scene: Scene) -> str:
        scene.wait(0, 2)
        with scene.world.stopped(server):
            length = scene.outage(seconds)
        return f"stopped for {length:.0f} s"

    return act


def cache_has_the_newest(world: World) -> Iterable[str]:
    """The cache holds the newest quote and the newest moods of every symbol that the database has."""
    with (
        psycopg.connect(world.endpoints.database) as connection,
        redis.Redis.from_url(world.endpoints.redis, decode_responses=True) as cache,
    ):
        quotes = connection.execute(
            "SELECT 'quote:' || symbol, max(event_time) FROM quote WHERE replay = 'live' GROUP BY symbol"
        ).fetchall()
        moods = connection.execute(
            "SELECT 'sentiment:' || symbol || ':' || interval, max(event_time) FROM sentiment"
            " WHERE replay = 'live' GROUP BY symbol, interval"
        ).fetchall()
        for key, moment in [*quotes, *moods]:
            held = cache.hget(key, "event_time")
            if held is None or int(held) != round(moment.timestamp() * 1e6):
                yield f"{key} in the cache is of {held}, in the database of {moment}"


CASES = (
    Case("database killed in COPY", database_killed_in_copy),
    Case("database away for five minutes", killed_for(POSTGRES, 300)),
    Case("database slow", database_slow),
    Case("answer of COMMIT lost", answer_of_commit_lost),
    Case("half a piece from or to the database", half_an_answer(POSTGRES, "sink-timescale")),
    Case("cache killed and emptied", cache_killed_and_emptied, check=cache_has_the_newest),
    Case("cache away for five minutes", killed_for(VALKEY, 300), check=cache_has_the_newest),
    Case("cache stopped for 20 s", stopped_for(VALKEY, 20), check=cache_has_the_newest),
)
