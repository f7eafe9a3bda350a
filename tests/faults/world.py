"""A pipeline to do harm to: servers of its own behind a proxy, real processes under the real supervisor, a feeder."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import psutil

from infra.endpoints import KAFKA, POSTGRES, SERVERS, VALKEY
from infra.errors import ServiceUnavailable
from infra.ledger import Ledger as Services
from infra.migrate import migrate
from infra.services import start_services, stop_services
from infra.services.server import free_port
from infra.settings import Settings
from infra.topics import create_topics
from moodtape.pipeline import drained
from streams.topology import STAGES
from tests.helpers.waiting import wait_for
from tests.helpers.wires import Wires, at_port

from .account import Account
from .feeder import Feeder
from .lag import LagProbe
from .ledger import Ledger
from .small import SmallDisk

INSIDE = Path(__file__).parent / "inside"
# Patience with a busy machine; no promise is about these.
START_SECONDS = 300.0
DRAIN_SECONDS = 300.0
FIRED_SECONDS = 180.0
STEADY_SECONDS, STEADY_SAMPLES, STEADY_LAG = 5.0, 4, 400
STREAMS = tuple(f"stream-{stage}" for stage in STAGES)
SINKS = ("sink-timescale", "sink-latest")
PROCESSES = ("score-1", *STREAMS, *SINKS, "api")


class Setting(Enum):
    """What kind of pipeline a case needs."""

    PROXIED = "servers that the test kills and brings back, behind a proxy"
    OWN = "servers that the supervisor looks after itself"
    SOLE = "as OWN, and started by it"
    UNFED = "as OWN, with whatever its topics hold already and nothing more"
    SMALL_BROKER = "as OWN, the broker's data on a small disk"
    SMALL_DATABASE = "as PROXIED, the database's data on a small disk"
    SMALL_STATE = "as PROXIED, everything else of the data folder on a small disk"


_UNPROXIED = (Setting.OWN, Setting.SOLE, Setting.UNFED, Setting.SMALL_BROKER)


@dataclass(frozen=True, slots=True)
class Load:
    """How much flows: symbols, and event seconds in a wall second."""

    symbols: int = 5
    speed: float = 60.0


DEFAULT_LOAD = Load()


class World:
    """One running pipeline. ``with World(...) as world`` starts and stops all of it.

    Args:
        folder: the data folder; removed in the end unless something went wrong.
        seed: of the facts.
        setting: what kind of pipeline.
        inside: the file that says what its processes do wrong; by default one of its own.

    ``notes`` is for what an act wants to tell its check.
    """

    def __init__(
        self,
        folder: Path,
        seed: int,
        setting: Setting = Setting.PROXIED,
        load: Load = DEFAULT_LOAD,
        inside: Path | None = None,
    ) -> None:
        self.folder, self.seed, self.setting, self.load = folder, seed, setting, load
        self.settings = Settings(data_dir=folder)
        self.orders = folder.with_name("orders")
        self.inside = inside or folder.with_name("inside.json")
        self.ledger = Ledger()
        self.feeders: list[Feeder] = []
        self.notes: dict[str, Any] = {}
        self.disk: SmallDisk | None = None
        self._members: list[subprocess.Popen[bytes]] = []
        self._run: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "World":
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _start(self) -> None:
        self.orders.mkdir(parents=True)
        ports = {} if self.setting in _UNPROXIED else self._choose_ports()
        self.endpoints = start_services(self.settings)
        create_topics(self.endpoints.kafka, self.settings)
        migrate(self.endpoints.database)
        self._shrink()
        if self.setting is Setting.SOLE:
            stop_services(self.settings)
        self.environment = {
            **os.environ,
            "MOODTAPE_SCORER": "lexicon",
            "MOODTAPE_API_PORT": "0",
            "MOODTAPE_FAILPOINTS": str(self.orders),
            "MOODTAPE_FAULTS_INSIDE": str(self.inside),
            "PYTHONPATH": str(INSIDE),
            **(self._go_through(ports) if ports else {}),
        }
        self._run = self._moodtape("run", log="run")
        wait_for(lambda: self.pids().keys() >= set(PROCESSES), "the processes run", START_SECONDS)
        self.probe = LagProbe(self.endpoints.kafka)
        self.probe.start()
        self.account = Account(self.endpoints, self.ledger)
        if self.setting is not Setting.UNFED:
            self.feeder = self.feed(self.seed)
            self.feeder.go()
            self.await_flow()

    def _shrink(self) -> None:
        """Move what the setting says onto a small disk; the servers are down meanwhile."""
        part = {Setting.SMALL_BROKER: KAFKA, Setting.SMALL_DATABASE: POSTGRES, Setting.SMALL_STATE: "."}.get(
            self.setting
        )
        if part is not None:
            stop_services(self.settings)
            keep = SERVERS if part == "." else ()
            self.disk = SmallDisk.move(self.folder / part, keep)
            start_services(self.settings)

    def _go_through(self, ports: dict[str, int]) -> dict[str, str]:
        """Start the proxy; the settings that send the pipeline through it."""
        entries = Services.load(self.folder).entries
        self.wires = Wires(
            {
                KAFKA: (ports["proxy"], ports["hidden"]),
                POSTGRES: (ports["database"], entries[POSTGRES].port),
                VALKEY: (ports["cache"], entries[VALKEY].port),
            }
        )
        return {
            "MOODTAPE_KAFKA_BOOTSTRAP": f"127.0.0.1:{ports['proxy']}",
            "MOODTAPE_DATABASE_URL": at_port(self.endpoints.database, ports["database"]),
            "MOODTAPE_REDIS_URL": at_port(self.endpoints.redis, ports["cache"]),
        }

    def _choose_ports(self) -> dict[str, int]:
        """Ports of the proxy, and of a listener of the broker's that sends its clients to the proxy."""
        services = Services.load(self.folder)
        taken: set[int] = set()
        for _ in range(6):
            taken.add(free_port(taken))
        port, inner, *rest = sorted(taken)
        ports = dict(zip(("hidden", "proxy", "database", "cache"), rest, strict=True))
        services.entry(KAFKA).port, services.entry(KAFKA).inner_port = port, inner
        services.save()
        (self.folder / KAFKA).mkdir(parents=True)
        lines = (
            f"listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{inner},PROXY://127.0.0.1:{ports['hidden']}",
            f"advertised.listeners=PLAINTEXT://127.0.0.1:{port},PROXY://127.0.0.1:{ports['proxy']}",
            "listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,PROXY:PLAINTEXT",
        )
        (self.folder / KAFKA / "overrides.properties").write_text("".join(f"{line}\n" for line in lines))
        return ports

    def _moodtape(self, *words: str, log: str) -> subprocess.Popen[bytes]:
        with self.folder.with_name(f"{log}.log").open("ab") as output:
            return subprocess.Popen(
                [sys.executable, "-m", "moodtape", *words, "--data-dir", str(self.folder)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=self.environment,
            )

    def await_flow(self) -> None:
        """Wait until everything flows."""
        wait_for(self._flows, "everything flows", START_SECONDS)

    def _flows(self) -> bool:
        last = self.probe.since(time.monotonic() - STEADY_SECONDS)
        return len(last) >= STEADY_SAMPLES and all(sample.most < STEADY_LAG for sample in last)

    def run_again(self, number: signal.Signals) -> None:
        """End the supervisor, start it again, and wait until everything flows."""
        assert self._run is not None
        before = set(self.pids().values())
        self._run.send_signal(number)
        self._run.wait(START_SECONDS)
        self._run = self._moodtape("run", log="run")
        wait_for(lambda: self._all_anew(before), "the processes run again", START_SECONDS)
        self.await_flow()

    def _all_anew(self, before: set[int]) -> bool:
        pids = self.pids()
        return pids.keys() >= set(PROCESSES) and before.isdisjoint(pids.values())

    def feed(self, seed: int, **more: object) -> Feeder:
        """Another origin, started but not yet writing."""
        feeder = Feeder(
            self.endpoints.kafka,
            self.ledger,
            seed=seed,
            speed=self.load.speed,
            symbols=self.load.symbols,
            **more,  # type: ignore[arg-type]
        )
        self.feeders.append(feeder)
        feeder.start()
        return feeder

    def pids(self) -> dict[str, int]:
        """Processes of the supervisor that run, by name."""
        try:
            rows = json.loads((self.folder / "processes.json").read_text())
        except (OSError, ValueError):
            return {}
        return {row["name"]: row["pid"] for row in rows if row["running"] and psutil.pid_exists(row["pid"])}

    def pid(self, name: str) -> int:
        """Process of a name, waited for."""
        wait_for(lambda: name in self.pids(), f"{name} runs", START_SECONDS)
        return self.pids()[name]

    def server_pid(self, name: str) -> int:
        """Process of a server."""
        return Services.load(self.folder).entries[name].pid

    def signal(self, name: str, number: signal.Signals) -> int:
        """Send a signal to a process or a server of this name; its number."""
        pid = self.server_pid(name) if name in SERVERS else self.pid(name)
        os.kill(pid, number)
        return pid

    def kill(self, name: str) -> int:
        """SIGKILL."""
        return self.signal(name, signal.SIGKILL)

    def arm(self, name: str, point: str, passing: int, action: str = "kill") -> None:
        """Order a process to do something at the n-th passing of a point."""
        (self.orders / f"{name}.fired").unlink(missing_ok=True)
        (self.orders / name).write_text(f"{point} {passing} {action}")

    def await_fired(self, name: str) -> float:
        """Wait until the order was carried out; the moment."""
        wait_for((self.orders / f"{name}.fired").exists, f"{name} carries out its order", FIRED_SECONDS)
        return time.monotonic()

    def let_go(self, name: str) -> None:
        """End a ``hold``."""
        (self.orders / f"{name}.fired").unlink()

    @contextmanager
    def stopped(self, name: str) -> Iterator[None]:
        """SIGSTOP while the block runs."""
        pid = self.signal(name, signal.SIGSTOP)
        try:
            yield
        finally:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def bring_back(self) -> None:
        """Start what is dead of the servers, as whoever runs them would."""
        start_services(self.settings)

    def member(self, *words: str) -> subprocess.Popen[bytes]:
        """One more worker, or another command, beside the supervisor."""
        process = self._moodtape(*words, log="-".join(words))
        self._members.append(process)
        return process

    def set_inside(self, **what: object) -> None:
        """Say what processes that start from now on shall do wrong; see ``inside/sitecustomize.py``."""
        self.inside.write_text(json.dumps(what))

    def restart(self, names: Sequence[str]) -> None:
        """SIGTERM each and wait for its successor."""
        for name in names:
            pid = self.signal(name, signal.SIGTERM)
            wait_for(lambda name=name, pid=pid: self.pids().get(name, pid) != pid, f"{name} is back", START_SECONDS)  # type: ignore[misc]

    def drain(self, most: float = DRAIN_SECONDS) -> None:
        """Pause the feeders and wait, so many seconds at most, until everything stands at the ends of the logs."""
        for feeder in self.feeders:
            if feeder.is_alive():
                feeder.pause()
        deadline = time.monotonic() + most
        while not self._drained():
            assert time.monotonic() < deadline, f"not drained after {most:.0f} s: {self._behind()}"

    def _drained(self) -> bool:
        try:
            return drained(self.endpoints)
        except ServiceUnavailable:
            return False

    def _behind(self) -> str:
        """Who is behind, and what whoever waits says of it."""
        samples = self.probe.since(time.monotonic() - 10)
        lags = {group: lag for group, lag in samples[-1].lags.items() if lag} if samples else "no sample"
        missing = [name for name in PROCESSES if name not in self.pids()]
        return f"lag {lags}, not running {missing}"

    def resume(self) -> None:
        """Let the feeders go on."""
        for feeder in self.feeders:
            if feeder.is_alive():
                feeder.go()

    def memory(self) -> dict[str, tuple[int, int]]:
        """Resident megabytes and open files of each process."""
        found = {}
        for name, pid in self.pids().items():
            with suppress(psutil.Error):
                process = psutil.Process(pid)
                found[name] = (process.memory_info().rss >> 20, process.num_fds())
        return found

    def __exit__(self, *_: object) -> None:
        for feeder in self.feeders:
            feeder.close()
        for member in self._members:
            member.kill()
            member.wait()
        if self._run is not None:
            self._run.send_signal(signal.SIGTERM)
            self._run.wait(60)
        for name in ("probe", "account", "wires"):
            if hasattr(self, name):
                getattr(self, name).close()
        stop_services(self.settings)
        if self.disk is not None:
            self.disk.unmount()

    def remove(self) -> None:
        """Delete the data folder and what stands beside it."""
        shutil.rmtree(self.folder.parent, ignore_errors=True)
