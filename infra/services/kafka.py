"""Kafka, one node of KRaft: broker and controller in one Java process."""

import base64
import os
import re
import signal
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from infra.endpoints import KAFKA
from infra.errors import ServiceUnavailable
from infra.kafka import admin_client
from infra.ledger import Entry
from infra.processes import ProcessId, find_by_argument
from infra.settings import Settings, cache_dir

from .aot import aot_flags
from .jars import kafka_jars
from .java import find_java
from .server import LOOPBACK, Launch, Note, answers, free_port, run_until

_MESSAGE_BYTES = 8 * 1024 * 1024 + 64 * 1024  # the largest snapshot and its batch's header
_SESSION_MS = 10_000
_HEARTBEAT_MS = 2_000
_OFFSETS_RETENTION_MINUTES = 400 * 24 * 60  # a laptop that slept for months must not read its topics again
_ASK_SECONDS = 1.0
_TRAIN_SECONDS = 120.0
_FENCE_SECONDS = 20.0
_FENCED = re.compile(r"Replayed .*(?:RegisterBroker|BrokerRegistrationChange)Record.* fenced=(-1|1|true|false)\b")

_LOGGING = """\
status = error
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = [%d] %p %m (%c)%n
rootLogger.level = INFO
rootLogger.appenderRef.out.ref = out
"""


class KafkaServer:
    """The broker of one data folder. Its entry's secret is the cluster's identity."""

    name = KAFKA
    stop_signal = signal.SIGTERM

    def __init__(self, folder: Path, entry: Entry, settings: Settings) -> None:
        self.folder = folder
        self._entry = entry
        self._settings = settings
        self._properties = folder / "server.properties"
        self._logging = folder / "log4j2.properties"
        self._java: list[str] = []
        self._admin: AdminClient | None = None

    def prepare(self, note: Note) -> None:
        """Fetch the jars, write the configuration, format the log folder; after a kill, see the dead session end.

        Raises:
            UserError: no Java, or a package is missing.
            ServiceUnavailable: a download or the format failed.
        """
        program, version = find_java(self._settings.java)
        path = os.pathsep.join(map(str, kafka_jars(self._settings, note)))
        self._entry.secret = self._entry.secret or self._formatted_as() or _cluster_id()
        self._configure()
        flags = _flags(version)
        self._java = [str(program), *flags, f"-Dlog4j2.configurationFile={self._logging}", "-cp", path]
        about = [str(program), str(version), *flags, path]
        self._java[1:1] = aot_flags(version, about, cache_dir(self._settings) / "aot", self._train, note)
        if self._formatted_as() is None:
            self._format()
        elif self._was_killed():
            note("kafka: it was killed; its controller ends the dead broker's session")
            self._end_session(note)

    def launch(self) -> Launch:
        """The broker's process."""
        return Launch([*self._java, "kafka.Kafka", str(self._properties)])

    def strays(self) -> list[ProcessId]:
        """Brokers that were started with this folder's configuration."""
        return list(find_by_argument(str(self._properties)))

    def problem(self) -> str | None:
        """Ask the broker for its cluster's identity and brokers."""
        if not answers(self._entry.port):
            return f"nobody listens on port {self._entry.port}"
        # One client for all the asking: where many are made and dropped while they connect, librdkafka has been seen
        # to abort the process (as in karafka/rdkafka-ruby#273).
        self._admin = self._admin or admin_client(f"{LOOPBACK}:{self._entry.port}")
        try:
            cluster = self._admin.describe_cluster(request_timeout=_ASK_SECONDS).result()
        except KafkaException as error:
            return str(error.args[0].str())
        if cluster.cluster_id != self._entry.secret:
            return f"port {self._entry.port} belongs to another Kafka"
        return None if cluster.nodes else "no broker is ready"

    def _configure(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._logging.write_text(_LOGGING)
        own = self.folder / "overrides.properties"
        # Of a key that stands there twice Java takes the last.
        more = own.read_text() if own.exists() else ""
        self._properties.write_text(server_properties(self.folder, self._entry) + more)

    def _train(self, room: Path, flags: Sequence[str]) -> None:
        """Start and end a broker in a folder of its own."""
        port = free_port({self._entry.port, self._entry.inner_port})
        entry = Entry(port=port, inner_port=free_port({port}), secret=_cluster_id())
        twin = KafkaServer(room, entry, self._settings)
        twin._java = self._java
        twin._configure()
        twin._format()
        program, *rest = twin.launch().command
        run_until([program, *flags, *rest], room / "train.log", lambda: twin.problem() is None, _TRAIN_SECONDS)

    def _was_killed(self) -> bool:
        """Whether the broker has run and did not end by itself; it leaves a file when it does."""
        data = self.folder / "data"
        return (data / "__cluster_metadata-0").is_dir() and not (data / ".kafka_cleanshutdown").exists()

    def _end_session(self, note: Note) -> None:
        """Let a controller alone note that the killed broker is gone, before the next one starts.

        Else the new broker begins with the old one's leaderships, loses them when the dead session times out, and a
        transaction that was just being completed may be called complete without the marker of a partition that had no
        leader at that moment: nobody reads committed records or offsets behind it ever again (decision 17).
        """
        properties, log = self.folder / "controller.properties", self.folder / "controller.log"
        properties.write_text(controller_properties(self.folder, self._entry))

        def fenced() -> bool:
            text = log.read_text(errors="replace")
            said = _FENCED.findall(text)
            return "Performing controller activation" in text and bool(said) and said[-1] in ("1", "true")

        try:
            run_until([*self._java, "kafka.Kafka", str(properties)], log, fenced, _FENCE_SECONDS)
        except ServiceUnavailable as error:
            note(f"kafka: {error}; going on all the same")

    def _formatted_as(self) -> str | None:
        try:
            lines = (self.folder / "data" / "meta.properties").read_text().splitlines()
        except OSError:
            return None
        return next((line.partition("=")[2] for line in lines if line.startswith("cluster.id=")), None)

    def _format(self) -> None:
        tool = [*self._java, "kafka.tools.StorageTool", "format", "--ignore-formatted"]
        command = [*tool, "-t", self._entry.secret, "-c", str(self._properties)]
        done = subprocess.run(command, capture_output=True, text=True, cwd="/", check=False)
        if done.returncode:
            raise ServiceUnavailable(f"kafka: formatting {self.folder} failed: {(done.stdout + done.stderr)[-2000:]}")


def server_properties(folder: Path, entry: Entry) -> str:
    """The broker's configuration file."""
    values = {
        **_node(folder, entry),
        "process.roles": "broker,controller",
        "listeners": f"PLAINTEXT://{LOOPBACK}:{entry.port},CONTROLLER://{LOOPBACK}:{entry.inner_port}",
        "advertised.listeners": f"PLAINTEXT://{LOOPBACK}:{entry.port}",
        "auto.create.topics.enable": "false",
        "message.max.bytes": _MESSAGE_BYTES,
        "offsets.topic.replication.factor": 1,
        "offsets.topic.num.partitions": 4,
        "offsets.retention.minutes": _OFFSETS_RETENTION_MINUTES,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "transaction.state.log.num.partitions": 4,
        # A worker that died in a transaction holds up readers of committed records for this long at most.
        "transaction.abort.timed.out.transaction.cleanup.interval.ms": 1000,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        "group.initial.rebalance.delay.ms": 0,
        # Members of the newer protocol are given up as soon as those of the classic one; the defaults say 45 s.
        "group.consumer.min.session.timeout.ms": _SESSION_MS,
        "group.consumer.session.timeout.ms": _SESSION_MS,
        "group.consumer.min.heartbeat.interval.ms": _HEARTBEAT_MS,
        "group.consumer.heartbeat.interval.ms": _HEARTBEAT_MS,
        # A broker that hangs loses its place after 3 s instead of 9.
        "broker.session.timeout.ms": 3000,
        "broker.heartbeat.interval.ms": 500,
        "num.network.threads": 2,
        "num.io.threads": 4,
        "log.cleaner.dedupe.buffer.size": 32 * 1024 * 1024,
        "log.index.size.max.bytes": 1024 * 1024,
    }
    return _lines(values)


def controller_properties(folder: Path, entry: Entry) -> str:
    """Configuration of the node without its broker."""
    values = {
        **_node(folder, entry),
        "process.roles": "controller",
        "listeners": f"CONTROLLER://{LOOPBACK}:{entry.inner_port}",
        "broker.session.timeout.ms": 1000,
        "broker.heartbeat.interval.ms": 500,
    }
    return _lines(values)


def _node(folder: Path, entry: Entry) -> dict[str, object]:
    """What is the node's, with its broker and without."""
    return {
        "node.id": 1,
        "controller.quorum.voters": f"1@{LOOPBACK}:{entry.inner_port}",
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
        "log.dirs": folder / "data",
    }


def _lines(values: Mapping[str, object]) -> str:
    return "".join(f"{key}={value}\n" for key, value in values.items())


def _flags(java_version: int) -> list[str]:
    # One small machine: the serial collector and the quick compiler halve the start and save 70 MB.
    flags = ["-Xmx512m", "-Xms128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
    if java_version >= 22:
        flags.append("--enable-native-access=ALL-UNNAMED")
    if java_version >= 23:
        flags.append("--sun-misc-unsafe-memory-access=allow")
    return flags


def _cluster_id() -> str:
    while True:
        text = base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
        if not text.startswith("-"):  # the format tool would take it for an option
            return text
