"""Processes that take turns: each runs until it would wait, and goes on when the scheduler says so."""

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from greenlet import getcurrent, greenlet

TURN_SECONDS = 0.001


class Killed(BaseException):
    """Unwinds what a dead process had under way; nothing of ours catches it."""


class Actor(greenlet):
    """One thread of a process; ``idle``: it waits because it found nothing to do."""

    def __init__(self, process: "Process", name: str, main: Callable[[], None]) -> None:
        super().__init__(self._body)
        self.process = process
        self.name = f"{process.name}/{name}"
        self.idle = False
        self._main = main

    def _body(self) -> None:
        try:
            self._main()
        except Killed:
            return
        except Exception as error:  # noqa: BLE001  # ends the process; the history judges it
            self.process.ended = error
        self.process.alive = False


class Process:
    """Threads that die together.

    ``hangs``: it stands still. ``ended`` is the error that ended it; ``stop`` asks it to end as SIGTERM does;
    ``faults`` are what the next calls of its clients shall meet; ``stage`` is what a worker works at, ``folded`` the
    chunks of its commit under way.
    """

    def __init__(self, machine: "Machine", name: str, main: Callable[["Process"], None]) -> None:
        self.machine = machine
        self.name = name
        self.alive = True
        self.hangs = False
        self.ended: Exception | None = None
        self.stop: Callable[[], None] = lambda: None
        self.faults: list[str] = []
        self.stage: Any = None
        self.folded: Sequence[Any] = ()
        self.actors: list[Actor] = []
        self.spawn("main", lambda: main(self))

    def spawn(self, name: str, main: Callable[[], None]) -> None:
        """Start a thread; it runs when its turn comes."""
        self.actors.append(Actor(self, name, main))

    def wait(self, seconds: float = 0.0, *, idle: bool = False) -> None:
        """Let others run; called by this process's own threads between any two steps.

        Raises:
            Killed: the process was killed meanwhile.
        """
        if self.alive:
            getcurrent().idle = idle
            self.machine.scheduler.switch()
            self.machine.now += TURN_SECONDS + seconds
        if not self.alive:
            raise Killed

    def end(self, error: Exception) -> NoReturn:
        """As ``os._exit``: called by one of its own threads, nothing more happens in it."""
        self.ended, self.alive = error, False
        raise Killed

    def kill(self) -> None:
        """As SIGKILL: nothing more happens in it."""
        self.alive = False
        for actor in self.actors:
            if actor:
                actor.throw(Killed)
            # A thread that never ran has nothing to unwind.
        self.actors = []

    def fault(self, *kinds: str) -> str | None:
        """The fault that the present call shall meet, if the next one waiting is of these kinds."""
        if self.faults and self.faults[0] in kinds:
            return self.faults.pop(0)
        return None


class Machine:
    """Everything that runs, and the time of all of it, in seconds."""

    def __init__(self) -> None:
        self.now = 0.0
        self.scheduler = getcurrent()
        self.services: dict[str, Any] = {}

    def turn(self, actor: Actor) -> None:
        """Let a thread run until it waits again, or its process ends."""
        actor.switch()
        if not actor.process.alive:
            actor.process.kill()


def this_process() -> Process:
    """The process of the thread that is running."""
    actor = getcurrent()
    assert isinstance(actor, Actor)
    return actor.process


class VirtualTime:
    """Stands where a module of ours has the standard library's ``time``."""

    @staticmethod
    def monotonic() -> float:
        return this_process().machine.now

    @staticmethod
    def sleep(seconds: float) -> None:
        this_process().wait(seconds)
