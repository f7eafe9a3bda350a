"""Runs a replay: its own workers and sink beside the live flow, until every input that was planned is stored."""

import os
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from infra.clock import to_rfc3339
from infra.endpoints import Endpoints
from infra.errors import FatalError, ServiceUnavailable, UserError
from infra.failpoints import failpoint
from infra.replays import Plan, complete_plan
from infra.settings import Settings
from infra.stopping import on_stop
from infra.topics import create_topics, delete_topics
from schemas.topics import RAW_TOPICS

from ..pipeline import scorers
from ..supervisor import Child, Supervisor, last_words
from .archives import OpenArchive
from .loading import copies_of, load
from .progress import LiveLag, Step, Watch, stages_of

TURN_SECONDS = 0.2
LOOK_SECONDS = 2.0
TELL_SECONDS = 5.0
STUCK_SECONDS = 180.0
# Its processes have 9, and Kafka or the database may keep it waiting meanwhile.
_STOP_SECONDS = 13.0
# Beside the live flow on one machine the live flow goes first.
NICENESS = 10
Note = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Done:
    """What one run of a replay came to; ``records`` are offsets of the live flow's topics that it reads."""

    complete: bool
    records: int
    seconds: float
    live_lag: LiveLag


def folder_of(settings: Settings, name: str) -> Path:
    """Where the processes of a replay keep logs and locks."""
    return settings.data_dir / "replays" / name


def run_replay(
    settings: Settings,
    endpoints: Endpoints,
    plan: Plan,
    workers: int,
    note: Note,
    archives: Sequence[OpenArchive] = (),
) -> Done:
    """Run a replay to its end, or until SIGTERM or SIGINT; called again it goes on from there.

    What it reads of ``archives`` is copied into topics of its own first, and gone when it is complete.

    Raises:
        UserError: it cannot go on; the message says why.
        FatalError: its processes die again and again.
    """
    started = time.monotonic()
    supervisor, stop = _take_over(settings, endpoints, plan), threading.Event()
    on_stop(stop.set, within=_STOP_SECONDS, last=supervisor.kill)
    create_topics(endpoints.kafka, settings, plan.id, RAW_TOPICS if archives else ())
    with closing(Watch(endpoints, plan)) as watch:
        _await_topics(watch, stop, note)
        loaded = not archives or load(endpoints, plan, archives, stop, note)
        complete = loaded and _until_complete(watch, plan, supervisor, workers, stop, note)
        if complete:
            complete_plan(endpoints.database, plan.id)
            failpoint("completed")
            remove_copies(endpoints, plan)
        records = sum(plan.ends.values()) - sum(plan.begins.values())
        return Done(complete, records, round(time.monotonic() - started, 1), watch.lag)


def remove_copies(endpoints: Endpoints, plan: Plan) -> None:
    """Delete the copies that a complete replay has read: no copy of a post shall outlive it.

    Raises:
        ServiceUnavailable: Kafka does not answer.
    """
    if plan.archives:
        delete_topics(endpoints.kafka, copies_of(plan.id))


def _await_topics(watch: Watch, stop: threading.Event, note: Note) -> None:
    """A busy broker takes a while to make hundreds of partitions; the first look is that of the lag before."""
    while not stop.is_set():
        try:
            watch.look()
        except ServiceUnavailable as error:
            note(f"waiting for the topics: {error}")
        else:
            return


def _take_over(settings: Settings, endpoints: Endpoints, plan: Plan) -> Supervisor:
    """The supervisor of a replay's processes; nobody else works for it, and what a killed one left is ended."""
    own = settings.model_copy(update={"data_dir": folder_of(settings, plan.id)})
    environment = {
        "MOODTAPE_KAFKA_BOOTSTRAP": endpoints.kafka,
        "MOODTAPE_DATABASE_URL": endpoints.database,
        "MOODTAPE_REDIS_URL": endpoints.redis,
        "MOODTAPE_SCORER": settings.scorer,
    }
    supervisor = Supervisor(own, environment)
    supervisor.take_over()
    os.nice(NICENESS)
    return supervisor


def replay_children(settings: Settings, plan: Plan, workers: int) -> list[Child]:
    """The processes of a replay; ``workers`` of each stage."""
    stages, numbers = stages_of(plan), range(1, workers + 1)
    found = scorers(settings) if "posts" in stages else []
    for stage in stages:
        found += [Child(f"stream-{stage}-{n}", ("stream", stage, "--replay", plan.id)) for n in numbers]
    return [*found, Child("sink-timescale", ("sink", "timescale", "--replay", plan.id))]


def _until_complete(
    watch: Watch, plan: Plan, supervisor: Supervisor, workers: int, stop: threading.Event, note: Note
) -> bool:
    """Let the processes run until all is stored; False where it was stopped before."""
    try:
        supervisor.start(replay_children(supervisor.settings, plan, workers))
        return _tended(watch, plan, supervisor, stop, note)
    finally:
        supervisor.stop()


def _tended(watch: Watch, plan: Plan, supervisor: Supervisor, stop: threading.Event, note: Note) -> bool:
    look_at = tell_at = 0.0
    moved_at, last = time.monotonic(), -1
    while not stop.wait(TURN_SECONDS):
        supervisor.tend()
        now = time.monotonic()
        if now < look_at:
            continue
        look_at = now + LOOK_SECONDS
        failpoint("look")
        try:
            steps, lag = watch.look()
        except ServiceUnavailable as error:
            note(f"replay {plan.id} waits: {error}")
            continue
        finished = all(step.finished for step in steps)
        if finished or now >= tell_at:
            tell_at = now + TELL_SECONDS
            note(_line(plan.id, steps, lag))
        if finished:
            return True
        passed = sum(step.done for step in steps)
        if passed != last:
            moved_at, last = now, passed
        _require_alive(supervisor, now - moved_at)
    return False


def _require_alive(supervisor: Supervisor, still_for: float) -> None:
    """Give up where processes refuse to work for a reason that a restart does not mend."""
    for child in supervisor.children:
        if child.code == UserError.exit_code and child.restarts > 1:
            raise UserError(f"{child.name} cannot work: {last_words(supervisor.log_of(child))}")
        if still_for > STUCK_SECONDS and child.restarts > 1:
            raise FatalError(f"{child.name} dies again and again: {last_words(supervisor.log_of(child))}")


def _line(name: str, steps: Sequence[Step], lag: int) -> str:
    parts = [f"{step.name} {100 * step.done // step.total if step.total else 100}%" for step in steps]
    return f"replay {name}: {', '.join(parts)}; live lag {lag}"


def summary(plan: Plan, done: Done) -> str:
    """What a run came to, for people."""
    lag = done.live_lag
    span = f"{to_rfc3339(plan.start)} to {to_rfc3339(plan.end)}"
    what = "complete" if done.complete else "stopped; the same command goes on from here"
    return (
        f"replay {plan.id} ({span}): {what}, {done.records} offsets in {done.seconds} s; "
        f"live lag {lag.before} before, at most {lag.greatest}, now {lag.now}"
    )
