"""The machine with everything on it, in the middle of a history."""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache

from confluent_kafka import KafkaException

from infra.errors import FatalError
from infra.settings import Settings
from streams.engine.core import Entry
from streams.stage import Stage

from . import database, programs
from .broker import PARTITIONS, Broker, Slot
from .flows import Logs
from .groups import Group, Member
from .histories import FLOWS, History, Step, names_of
from .machine import Actor, Machine, Process

ROUNDS = 3000
BUSY_TURNS = 40
ZOMBIE_ROUNDS = 30


@cache
def _defaults() -> Settings:
    return Settings()


class World:
    """The machine with everything on it, in the middle of a history."""

    def __init__(self, history: History) -> None:
        self.flow = FLOWS[history.flow]
        self.machine = Machine()
        self._chance = random.Random(history.seed)
        self.broker = Broker()
        self.database = database.Database()
        self.machine.services = {
            "broker": self.broker,
            "database": self.database,
            "chance": self._chance,
            "producers": {},
        }
        self.processes: dict[str, Process] = {}
        self.zombies: list[Process] = []
        self.trace: Callable[[str], None] = lambda line: None
        self._left = list(history.inputs)
        self._stages: Mapping[str, Stage] = {stage.name: stage for stage in self.flow.stages()}
        self._settings = _defaults().model_copy(
            update={
                "consume_records": history.most,
                "snapshot_interval_seconds": history.snapshot_seconds,
                "snapshot_records": history.snapshot_records,
                "commit_interval_ms": 20,
            }
        )
        self.start("broker")
        for name in names_of(self.flow):
            if name.endswith("-0"):
                self.start(name)

    def start(self, name: str) -> None:
        """Start a process, as its supervisor does."""
        self.processes[name] = Process(self.machine, name, self._program(name))

    def _program(self, name: str) -> Callable[[Process], None]:
        kind = name.partition("-")[0]
        if kind == "broker":
            return self._serve_markers
        if kind == "sink":
            return lambda process: programs.run_sink(process, self.flow.stored, self._settings)
        stage = self._stages[kind]
        return lambda process: programs.run_worker(process, stage, self._settings, name)

    def _serve_markers(self, process: Process) -> None:
        while True:
            process.wait(idle=not self.broker.write_marker(self._chance))

    def take(self, step: Step) -> None:
        """Carry out a step; one that makes no sense now does nothing."""
        self.trace(str(step))
        what, _, detail = step.what.partition(":")
        getattr(self, f"_{what.replace('-', '_')}")(step, detail)

    def _append(self, step: Step, detail: str) -> None:
        for each in self._left[: step.count]:
            for place in each.places:
                self.broker.append(place, Slot(each.key, each.value, each.headers, each.at_ms))
        del self._left[: step.count]

    def _run(self, step: Step, detail: str) -> None:
        name = step.whom.partition("/")[0]
        if name not in self.processes or not self.processes[name].alive:
            self.start(name)
        process = self.processes[name]
        for _ in range(step.count):
            actor = next((a for a in process.actors if a.name == step.whom), None)
            if actor is None or process.hangs:
                return
            self.turn(actor)

    def turn(self, actor: Actor) -> None:
        """One turn of a thread; an error that no program of ours foresees is the history's failure."""
        process = actor.process
        self.machine.turn(actor)
        if process.ended is not None:
            error, process.ended = process.ended, None
            self.trace(f"  {process.name} ends: {error!r}")
            if not isinstance(error, FatalError | KafkaException):
                raise error

    def _work(self, step: Step, detail: str) -> None:
        """All goes well for a while, and stops anywhere; a process that was replaced seldom gets a turn."""
        for _ in range(step.count):
            self._tend()
            for process in self._all_processes():
                if process not in self.zombies or self._chance.random() < 0.1:
                    self._let_run(process, self._chance.choice((1, 3, 10, BUSY_TURNS)))

    def _kill(self, step: Step, detail: str) -> None:
        if step.whom in self.processes:
            self.processes[step.whom].kill()

    def _stop(self, step: Step, detail: str) -> None:
        if step.whom in self.processes:
            self.processes[step.whom].stop()

    def _hang(self, step: Step, detail: str) -> None:
        """A process stands still, as under SIGSTOP, and its session ends; the next time it goes on again."""
        process = self.processes.get(step.whom)
        if process is not None and process.alive:
            process.hangs = not process.hangs
        if process is not None and process.hangs:
            self._expire(step, detail)

    def _twin(self, step: Step, detail: str) -> None:
        """A process that was thought dead, and started again, but lives."""
        process = self.processes.get(step.whom)
        if process is not None and process.alive:
            self.zombies.append(process)
            self.start(step.whom)

    def _expire(self, step: Step, detail: str) -> None:
        """The coordinator has not heard of a process for a session time-out: of a dead one, else of one that hangs."""
        members = [member for member in self._members() if member[1].owner.name == step.whom]
        silent = [member for member in members if not member[1].owner.alive]
        for group, member in silent or members:
            group.leave(member.number, PARTITIONS)

    def _members(self) -> list[tuple[Group, Member]]:
        return [(group, member) for group in self.broker.groups.values() for member in group.members.values()]

    def _time_out(self, step: Step, detail: str) -> None:
        for name, transactional in list(self.machine.services["producers"]):
            if name == step.whom:
                self.broker.time_out(transactional)

    def _fault(self, step: Step, detail: str) -> None:
        if step.whom in self.processes:
            self.processes[step.whom].faults.append(detail)

    def _mend(self, step: Step, detail: str) -> None:
        """Every process is killed, and what is started from now on is of the next version."""
        assert self.flow.mended is not None
        for process in self._all_processes():
            process.kill()
        self._stages = {stage.name: stage for stage in self.flow.mended()}

    def _compact(self, step: Step, detail: str) -> None:
        for place in [place for place in self.broker.logs if place[0].endswith(".state.v1")]:
            self.broker.compact(place)

    def finish(self) -> None:
        """No more faults: everything runs until nothing is left to do, and the zombies run on.

        Raises:
            AssertionError: it does not come to rest.
        """
        self.take(Step("append", count=len(self._left)))
        for process in self._all_processes():
            process.hangs = False
            process.faults.clear()
        rest = None
        for number in range(ROUNDS):
            self._tend()
            for process in self._all_processes():
                self._let_run(process, BUSY_TURNS)
            if rest is None and self.at_rest():
                rest = number
            if rest is not None and number > rest + (ZOMBIE_ROUNDS if self.zombies else 0):
                return
        raise AssertionError(f"not at rest after {ROUNDS} rounds: " + "; ".join(self.unfinished()))

    def _all_processes(self) -> list[Process]:
        return [*self.zombies, *self.processes.values()]

    def _tend(self) -> None:
        """What the supervisor and the coordinators do: start again what died, forget its memberships.

        A process that was replaced is not started again; what it began ends by its time-out.
        """
        for process in self.zombies:
            if not process.alive:
                self._time_out(Step("time-out", process.name), "")
        self.zombies = [process for process in self.zombies if process.alive]
        for name, process in self.processes.items():
            if not process.alive:
                self.start(name)
        for group, member in self._members():
            if not member.owner.alive:
                group.leave(member.number, PARTITIONS)

    def _let_run(self, process: Process, turns: int) -> None:
        """Turns for each thread of a process, until it waits for something to do."""
        for actor in list(process.actors):
            for _ in range(turns):
                if not process.alive or process.hangs:
                    return
                self.turn(actor)
                if actor.idle:
                    break

    def at_rest(self) -> bool:
        """Whether everything is read, committed and stored."""
        return next(self.unfinished(), None) is None

    def unfinished(self) -> Iterator[str]:
        """What is left to do."""
        if self.broker.undecided or self.broker.decided:
            yield "open transactions"
        for stage in self._stages.values():
            offsets = self.broker.group(f"moodtape.{stage.name}").offsets
            yield from self._unread(f"{stage.name} commits", stage.inputs, offsets)
        yield from self._unread("sink stores", self.flow.stored, self.database.ledger)

    def _unread(self, what: str, topics: Sequence[str], offsets: Mapping[tuple[str, int], int]) -> Iterator[str]:
        for topic in topics:
            for number in range(PARTITIONS):
                left = next(self.broker.visible((topic, number), offsets.get((topic, number), 0)), None)
                if left is not None:
                    yield f"{what} {topic}/{number} from {left[0]}"

    def logs(self) -> Logs:
        """What readers see."""
        return {
            place: [
                Entry(place[0], n, s.append_ms, s.key, s.value, s.headers) for n, s in self.broker.visible(place, 0)
            ]
            for place in list(self.broker.logs)
        }

    def stored_wrongly(self) -> list[str]:
        """Facts that the database lacks or has twice."""
        rows = sorted(self.database.rows)
        facts = sorted(
            (topic, number, offset)
            for topic in self.flow.stored
            for number in range(PARTITIONS)
            for offset, slot in self.broker.visible((topic, number), 0)
            if slot.value is not None
        )
        if rows == facts:
            return []
        lost = [row for row in facts if row not in rows]
        twice = [row for row in set(rows) if rows.count(row) > 1 or row not in facts]
        return [f"database: lost {lost}, too often {sorted(twice)}"]
