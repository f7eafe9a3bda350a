"""The embedded servers: data outlive every end, folders live side by side, and what is stale is no obstacle."""

import json
import os
import re
import signal
import socket
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import psycopg
import pytest
import redis
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import NewTopic

from infra.endpoints import Endpoints, find_endpoints
from infra.errors import ServiceUnavailable, UserError
from infra.kafka import admin_client, consumer_config, plain_producer
from infra.ledger import Ledger
from infra.processes import ProcessId
from infra.services import services_status, start_services, stop_services
from infra.settings import Settings
from tests.helpers.waiting import wait_for

pytestmark = pytest.mark.services


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings of a data folder of this module alone; whatever runs in it is stopped at the end."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("folder") / "data")
    yield settings
    stop_services(settings)


@pytest.fixture
def light(endpoints: Endpoints, tmp_path: Path) -> Iterator[Settings]:
    """Settings with an external Kafka, so that only PostgreSQL and Valkey are started: in a blink."""
    settings = Settings(data_dir=tmp_path / "light", kafka_bootstrap=endpoints.kafka)
    yield settings
    stop_services(settings)


def _write_everywhere(at: Endpoints, mark: str) -> None:
    admin = admin_client(at.kafka)
    if "kept" not in admin.list_topics(timeout=30).topics:
        admin.create_topics([NewTopic("kept", 1, 1)], operation_timeout=30)["kept"].result(30)
    producer = plain_producer(at.kafka)
    producer.produce("kept", mark.encode())
    assert producer.flush(30) == 0
    with psycopg.connect(at.database, autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (mark text)")
        connection.execute("INSERT INTO kept VALUES (%s)", [mark])
    with redis.Redis.from_url(at.redis) as client:
        client.rpush("kept", mark)


def _read_everywhere(at: Endpoints) -> tuple[list[str], list[str], list[str]]:
    with psycopg.connect(at.database) as connection:
        rows = [row[0] for row in connection.execute("SELECT mark FROM kept ORDER BY ctid")]
    with redis.Redis.from_url(at.redis, decode_responses=True) as client:
        values = client.lrange("kept", 0, -1)
    return _read_topic(at.kafka), rows, list(values)  # type: ignore[arg-type]  # a list: the client is synchronous


def _read_topic(bootstrap: str) -> list[str]:
    consumer = Consumer(consumer_config(bootstrap, "reader"))
    try:
        _, end = consumer.get_watermark_offsets(TopicPartition("kept", 0), timeout=30)
        consumer.assign([TopicPartition("kept", 0, 0)])
        return [m.value().decode() for m in consumer.consume(end, timeout=30)]
    finally:
        consumer.close()


def _wait_for_fsync(at: Endpoints) -> None:
    """Valkey writes its file to the disk every second; ask until it has."""
    with redis.Redis.from_url(at.redis) as client:
        client.waitaof(1, 0, 5000)


def _pids(settings: Settings) -> dict[str, int]:
    return {p["name"]: p["pid"] for p in services_status(settings)["processes"] if p["running"]}


def _kill_all(settings: Settings) -> list[ProcessId]:
    """Kill every server; it may take the system a moment to end them."""
    processes = [entry.process for entry in Ledger.load(settings.data_dir).entries.values()]
    killed = [process for process in processes if process is not None]
    for process in killed:
        os.kill(process.pid, signal.SIGKILL)
    return killed


def test_two_folders_run_side_by_side(endpoints: Endpoints, folder: Settings) -> None:
    """A second data folder gets servers, ports and passwords of its own, and neither sees the other's data."""
    ours = start_services(folder)
    assert not {ours.kafka, ours.database, ours.redis} & {endpoints.kafka, endpoints.database, endpoints.redis}
    _write_everywhere(ours, "first")
    assert "kept" not in admin_client(endpoints.kafka).list_topics(timeout=30).topics
    with redis.Redis.from_url(endpoints.redis) as client:
        assert client.exists("kept") == 0


def test_up_starts_nothing_twice(folder: Settings) -> None:
    """A second start finds the same processes and says the same addresses."""
    first, pids = start_services(folder), _pids(folder)
    assert set(pids) == {"kafka", "postgres", "valkey"}
    assert start_services(folder) == find_endpoints(folder) == first
    assert _pids(folder) == pids


def test_data_outlive_kill_9(folder: Settings) -> None:
    """Every server is killed without warning; started again, it has its port, its password and its data."""
    before = start_services(folder)
    _write_everywhere(before, "before the kill")
    _wait_for_fsync(before)
    written = _read_everywhere(before)
    for process in _kill_all(folder):
        assert process.wait(30)
    with pytest.raises(ServiceUnavailable, match="moodtape up"):
        find_endpoints(folder)
    after = start_services(folder)
    assert after == before
    assert _read_everywhere(after) == written
    assert all(marks[-1] == "before the kill" for marks in written)


def epochs_led(log: str) -> list[int]:
    """In which epochs a broker has led a partition, as it says in its log."""
    return [int(epoch) for epoch in re.findall(r"Leader kept-0 .*? leader epoch (\d+)", log)]


def test_a_killed_broker_begins_without_its_old_leaderships(folder: Settings) -> None:
    """It leads no partition again before the kill was noted: a transaction completed in between could lose markers."""
    _write_everywhere(start_services(folder), "before another kill")
    log = folder.data_dir / "logs" / "kafka.log"
    old = log.read_text()
    for process in _kill_all(folder):
        assert process.wait(30)
    start_services(folder)
    wait_for(lambda: epochs_led(log.read_text()[len(old) :]), "the broker leads again")
    new = log.read_text()[len(old) :]
    assert min(epochs_led(new)) > max(epochs_led(old))
    assert "DUPLICATE_BROKER_REGISTRATION" not in new


def test_data_outlive_down_and_a_lost_port(folder: Settings) -> None:
    """After down and up all is there; a remembered port that somebody else took meanwhile is replaced."""
    before = start_services(folder)
    _write_everywhere(before, "before down")
    written = _read_everywhere(before)
    assert sorted(stop_services(folder)) == ["kafka", "postgres", "valkey"]
    assert not services_status(folder)["kafka"]["running"]
    with socket.socket() as somebody:
        somebody.bind(("127.0.0.1", Ledger.load(folder.data_dir).entries["kafka"].port))
        somebody.listen()
        after = start_services(folder)
    assert after.kafka != before.kafka
    assert (after.database, after.redis) == (before.database, before.redis)
    assert _read_everywhere(after) == written


def test_secrets_are_for_the_owner_only(light: Settings) -> None:
    """The file of ports and passwords, and the cache's list of users, are readable by their owner alone."""
    start_services(light)
    for name in ("services.json", "valkey/users.acl"):
        assert stat.S_IMODE((light.data_dir / name).stat().st_mode) == 0o600


def test_servers_refuse_a_wrong_password(light: Settings) -> None:
    """Nobody gets in without the folder's password, from this machine neither."""
    at = start_services(light)
    secrets = {entry.secret for entry in Ledger.load(light.data_dir).entries.values() if entry.secret}
    assert len(secrets) == 2
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(at.database.replace(next(s for s in secrets if s in at.database), "wrong"))
    port = int(at.redis.rpartition(":")[2].partition("/")[0])
    with redis.Redis(host="127.0.0.1", port=port) as stranger, pytest.raises(redis.AuthenticationError):
        stranger.ping()


def test_a_number_that_another_process_got_is_no_obstacle(light: Settings) -> None:
    """Stale process numbers, in our file and in PostgreSQL's lock, that now belong to a stranger are seen through."""
    before = start_services(light)
    with psycopg.connect(before.database, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS one")
    stop_services(light)
    ledger = Ledger.load(light.data_dir)
    for entry in ledger.entries.values():
        entry.pid, entry.started = os.getpid(), 1.0
    ledger.save()
    lock = light.data_dir / "postgres" / "postmaster.pid"
    lock.write_text(f"{os.getpid()}\n{lock.parent}\n1000000000\n1\n\n127.0.0.1\n0 0\nready\n")
    after = start_services(light)
    with psycopg.connect(after.database) as connection:
        assert connection.execute("SELECT one FROM kept").fetchone() == (1,)
    assert os.getpid() not in _pids(light).values()


def test_a_server_that_the_ledger_forgot_is_found(light: Settings) -> None:
    """A starter that died before it wrote its file leaves servers behind; the next start replaces them."""
    start_services(light)
    forgotten = _pids(light)
    ledger = Ledger.load(light.data_dir)
    for entry in ledger.entries.values():
        entry.pid = 0
    ledger.save()
    start_services(light)
    assert not any(psutil.pid_exists(pid) and _alive(pid) for pid in forgotten.values())
    assert set(_pids(light)) == {"postgres", "valkey"}


def _alive(pid: int) -> bool:
    return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)


def test_a_server_that_is_dying_is_started_again(light: Settings) -> None:
    """A start in the very moment of a kill does not take the dying server for a running one."""
    before = start_services(light)
    _kill_all(light)
    assert start_services(light) == before
    assert set(_pids(light)) == {"postgres", "valkey"}


def test_two_ups_at_once_start_one_server(light: Settings) -> None:
    """Starts that race wait for one another: one set of servers, the same addresses."""
    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(start_services, [light] * 3))
    assert len(set(answers)) == 1
    assert len(_pids(light)) == 2


def test_external_servers_replace_embedded_ones(endpoints: Endpoints, settings: Settings) -> None:
    """With all three named, nothing is started, no folder is made, and the addresses are those given."""
    assert start_services(settings) == endpoints
    assert not settings.data_dir.exists()
    state = services_status(settings)
    assert state["kafka"] == {"bootstrap": endpoints.kafka, "running": True}
    assert state["database"]["url"] == endpoints.database
    assert state["database"]["running"]
    assert state["processes"] == []


def test_one_external_server_is_not_started(endpoints: Endpoints, light: Settings) -> None:
    """With Kafka named, the other two are embedded."""
    assert start_services(light).kafka == endpoints.kafka
    assert set(_pids(light)) == {"postgres", "valkey"}


def test_a_server_that_dies_at_its_start_shows_its_log(light: Settings) -> None:
    """The message says which log to read and what it ends with."""
    folder = light.data_dir / "valkey" / "appendonlydir"
    folder.mkdir(parents=True)
    (folder / "appendonly.aof.manifest").write_text("this is no manifest\n")
    with pytest.raises(ServiceUnavailable, match=r"valkey died while it started; its log is .*valkey\.log") as caught:
        start_services(light)
    assert "Invalid AOF manifest" in str(caught.value)


def test_status_lists_what_a_supervisor_wrote(light: Settings) -> None:
    """Processes of a supervisor appear with ours; one whose number is dead is not running."""
    light.data_dir.mkdir()
    dead = psutil.Popen(["true"])
    dead.wait()
    processes = [
        {"name": "stream-bars-1", "pid": os.getpid(), "running": True, "restarts": 2},
        {"name": "sink-latest", "pid": dead.pid, "running": True, "restarts": 0},
    ]
    (light.data_dir / "processes.json").write_text(json.dumps(processes))
    (light.data_dir / "api.json").write_text(json.dumps({"url": "http://127.0.0.1:1", "pid": dead.pid}))
    state = services_status(light)
    assert [p["running"] for p in state["processes"]] == [True, False]
    assert state["api"] == {"url": "http://127.0.0.1:1", "running": False}
    assert json.loads(json.dumps(state)) == state


def test_a_cluster_without_its_password_is_told(light: Settings) -> None:
    """When services.json was lost, the message names the file and the folder instead of failing to log in."""
    start_services(light)
    stop_services(light)
    (light.data_dir / "services.json").unlink()
    with pytest.raises(UserError, match=r"no password for the database.*restore services\.json"):
        start_services(light)


def test_down_may_be_said_at_any_time(light: Settings) -> None:
    """Stopping what never ran is no error, and stopping twice neither."""
    assert stop_services(light) == []
    start_services(light)
    assert sorted(stop_services(light)) == ["postgres", "valkey"]
    assert stop_services(light) == []


def test_servers_are_given_up_before_they_are_stopped(light: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one ends, the ledger does not call it running any more: a supervisor would take it for dead."""
    start_services(light)
    seen, stop = [], ProcessId.stop

    def watched(process: ProcessId, number: signal.Signals, seconds: float) -> None:
        seen.append([entry.process for entry in Ledger.load(light.data_dir).entries.values()])
        stop(process, number, seconds)

    monkeypatch.setattr(ProcessId, "stop", watched)
    assert sorted(stop_services(light)) == ["postgres", "valkey"]
    assert seen == [[None, None]] * 2
