"""``docker-compose.kafka.yml``: whole, on loopback, every role checked, no command that the program does not have."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from infra.ledger import Entry
from infra.services.kafka import server_properties
from infra.settings import Settings
from infra.topics import STAGES
from moodtape.cli import cli

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "docker-compose.kafka.yml"
SERVERS = {"kafka", "timescaledb", "valkey"}
ROLES = {f"stream-{stage}" for stage in STAGES} | {"score", "sink-timescale", "sink-latest", "api"}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """The file as YAML."""
    loaded: dict[str, Any] = yaml.safe_load(FILE.read_text())
    return loaded


def test_every_role_is_there(compose: dict[str, Any]) -> None:
    """Three servers, one job that prepares them, each role of ours, and the simulator only when asked for."""
    services = compose["services"]
    assert set(services) == SERVERS | ROLES | {"init", "produce-simulator", "ticks"}
    assert {name for name, service in services.items() if "profiles" in service} == {"produce-simulator"}


def test_everything_that_runs_is_checked(compose: dict[str, Any]) -> None:
    """Each service but the one that ends has a health check."""
    assert {name for name, service in compose["services"].items() if "healthcheck" not in service} == {"init"}


def test_workers_wait_for_topics_and_tables(compose: dict[str, Any]) -> None:
    """Nothing of ours starts before the servers answer and the topics and tables are there."""
    services = compose["services"]
    assert {name: d["condition"] for name, d in services["init"]["depends_on"].items()} == dict.fromkeys(
        SERVERS, "service_healthy"
    )
    for name in ROLES - {"score"} | {"produce-simulator"}:
        assert services[name]["depends_on"] == {"init": {"condition": "service_completed_successfully"}}


def test_ports_are_published_on_loopback_only(compose: dict[str, Any]) -> None:
    """No port is reachable from another machine."""
    ports = [port for service in compose["services"].values() for port in service.get("ports", ())]
    assert len(ports) == 4
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_every_volume_is_declared(compose: dict[str, Any]) -> None:
    """Each server keeps its data in a volume of its own, and no volume is unknown or unused."""
    used = {v.partition(":")[0] for service in compose["services"].values() for v in service.get("volumes", ())}
    assert used == set(compose["volumes"])


def test_passwords_can_be_replaced(compose: dict[str, Any]) -> None:
    """Every password and key comes from the environment; the file holds only the local default that it names."""
    services = compose["services"]
    environments = [service.get("environment", {}) for service in services.values()]
    secrets = [v for e in environments for key, v in e.items() if key.endswith(("PASSWORD", "API_KEY", "AUTH"))]
    urls = [v for e in environments for key, v in e.items() if key in ("MOODTAPE_DATABASE_URL", "MOODTAPE_REDIS_URL")]
    secrets += [url.rpartition("@")[0].split(":", 2)[2] for url in urls] + [services["valkey"]["command"][2]]
    assert len(secrets) > 30
    assert all(re.fullmatch(r"\$\{MOODTAPE_\w+:-moodtape(-local)?\}", secret) for secret in secrets), secrets


@pytest.mark.parametrize("name", sorted(ROLES | {"produce-simulator"}))
def test_commands_exist(compose: dict[str, Any], name: str) -> None:
    """The program knows each role's command and its options."""
    command = compose["services"][name]["command"]
    words = [word for word in command if not word.startswith("-")]
    runner = CliRunner()
    told = runner.invoke(cli, [*words[: 1 if name in ("score", "api") or words[0] == "stream" else 2], "--help"])
    assert told.exit_code == 0, told.output
    assert all(option in told.output for option in command if option.startswith("--"))


def test_settings_exist(compose: dict[str, Any]) -> None:
    """Each MOODTAPE_* variable given to a container of ours is a setting."""
    known = {f"MOODTAPE_{name.upper()}" for name in Settings.model_fields}
    for name in ROLES | {"init", "produce-simulator", "ticks"}:
        assert set(compose["services"][name]["environment"]) <= known


def test_kafka_is_set_as_the_embedded_one_where_it_matters(compose: dict[str, Any]) -> None:
    """Sizes, transactions and retention of offsets are the same in both."""
    embedded = dict(line.split("=", 1) for line in server_properties(Path("/x"), Entry()).splitlines())
    container = compose["services"]["kafka"]["environment"]
    for key in (
        "auto.create.topics.enable",
        "message.max.bytes",
        "offsets.topic.num.partitions",
        "offsets.retention.minutes",
        "transaction.state.log.num.partitions",
        "transaction.abort.timed.out.transaction.cleanup.interval.ms",
        "group.initial.rebalance.delay.ms",
        "group.consumer.min.session.timeout.ms",
        "group.consumer.session.timeout.ms",
        "group.consumer.min.heartbeat.interval.ms",
        "group.consumer.heartbeat.interval.ms",
    ):
        assert container["KAFKA_" + key.upper().replace(".", "_")] == embedded[key]


def test_the_image_is_built_from_what_is_sent() -> None:
    """Every file that the Dockerfile copies is let through by .dockerignore, and exists."""
    dockerfile = (ROOT / "infra" / "docker" / "Dockerfile").read_text()
    copied = [
        word for line in re.findall(r"^COPY (?!--from)(.+)$", dockerfile, re.MULTILINE) for word in line.split()[:-1]
    ]
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert set(copied) == sent
    assert all((ROOT / name).exists() for name in copied)


def test_docker_compose_accepts_the_file() -> None:
    """``docker compose config`` reads the file, with and without the profile, where Docker's plugin is installed."""
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode:
        pytest.skip("docker compose is not installed here; the tests above read the file as YAML")
    for profile in ([], ["--profile", "demo"]):
        done = subprocess.run(
            [docker, "compose", "-f", str(FILE), *profile, "config", "--quiet"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
