"""What a machine may lack, and how it is told: Java, packages, room; and processes told from strangers."""

import errno
import logging
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from infra.endpoints import Endpoints, find_endpoints
from infra.errors import ServiceUnavailable, UserError
from infra.files import write_whole
from infra.instances import claim_instance
from infra.kafka import Sparing
from infra.ledger import Entry, Ledger
from infra.processes import ProcessId, find_by_argument, usable_cores
from infra.services.control import plain_errors
from infra.services.java import find_java, java_version
from infra.services.server import wheel, wheel_folder
from infra.settings import Settings, load_settings


def _java(folder: Path, version: str) -> Path:
    program = folder / "java"
    program.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2020-01-01' >&2\n")
    program.chmod(0o755)
    return program


@pytest.mark.parametrize(("told", "major"), [("1.8.0_392", 8), ("11.0.22", 11), ("17", 17), ("25.0.2", 25)])
def test_java_versions_are_read(tmp_path: Path, told: str, major: int) -> None:
    """Old and new ways of writing a version give the major one."""
    assert java_version(_java(tmp_path, told)) == major


def test_a_java_too_old_is_refused_by_name(tmp_path: Path) -> None:
    """The setting is not passed over silently: too old a java names itself and how to mend it."""
    with pytest.raises(UserError, match=r"Java 17 or newer.*version 11.*moodtape\[embedded\]"):
        find_java(_java(tmp_path, "11.0.22"))


def test_a_java_that_is_none_is_refused(tmp_path: Path) -> None:
    """A path that is no program is told as such."""
    with pytest.raises(UserError, match="no java that runs"):
        find_java(tmp_path / "nothing")


def test_the_setting_comes_first(tmp_path: Path) -> None:
    """A new enough java of the user's own is taken before the packaged one."""
    program = _java(tmp_path, "21.0.1")
    assert find_java(program) == (program, 21)


@pytest.mark.parametrize("look", [wheel, wheel_folder])
def test_a_missing_package_says_what_to_install(look: object) -> None:
    """Without the wheel of a server the message is the command that installs it, and the way round."""
    with pytest.raises(UserError, match=r"pip install 'moodtape\[embedded\]'.*MOODTAPE_KAFKA_BOOTSTRAP"):
        look("no_such_server_package")  # type: ignore[operator]


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/data/x"), "No space left on device at /data/x: make room"),
        (PermissionError(errno.EACCES, "Permission denied", "/data/x"), "/data/x may not be written"),
        (FileExistsError(errno.EEXIST, "File exists", "/data/x"), "File exists at /data/x"),
    ],
)
def test_a_disk_that_refuses_is_told_plainly(tmp_path: Path, error: OSError, says: str) -> None:
    """A full disk, a closed folder and a file in the way are sentences with the path, not tracebacks."""
    with pytest.raises(UserError, match=says), plain_errors(tmp_path):
        raise error


def test_other_errors_stay_what_they_are(tmp_path: Path) -> None:
    """What is not the user's to mend is not dressed up as such."""
    with pytest.raises(OSError, match="odd"), plain_errors(tmp_path):
        raise OSError(errno.EIO, "odd")


def test_a_process_is_its_number_and_its_start() -> None:
    """A number that somebody else got later is not the process; an ended child is dead even before it is reaped."""
    child = subprocess.Popen([sys.executable, "-c", "input()", "a-mark-of-this-test"], stdin=subprocess.PIPE)
    process = ProcessId.of(child.pid)
    assert process is not None
    assert process.alive()
    assert list(find_by_argument("a-mark-of-this-test")) == [process]
    assert not ProcessId(child.pid, process.started - 100).alive()
    child.kill()
    assert process.wait(30)


def test_cores_are_counted_where_the_system_tells_no_affinity(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is one it counts; macOS has none."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2}, raising=False)
    assert usable_cores() == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 5)
    assert usable_cores() == 5


def test_the_ledger_keeps_what_it_was_told(tmp_path: Path) -> None:
    """Entries come back as they were written, with their process."""
    ledger = Ledger.load(tmp_path)
    entry = ledger.entry("kafka")
    entry.port, entry.secret = 9092, "identity"
    entry.started_as(ProcessId.of(os.getpid()))
    ledger.save()
    assert Ledger.load(tmp_path).entries == {"kafka": entry}
    assert Ledger.load(tmp_path).entries["kafka"].running()


def test_a_server_that_died_and_came_back_is_counted(tmp_path: Path) -> None:
    """Being started again after a death counts, being stopped and started does not; what the status tells."""
    ledger = Ledger.load(tmp_path)
    entry = ledger.entry("kafka")
    for _ in range(3):
        entry.started_as(ProcessId.of(os.getpid()))
    assert entry.restarts == 2
    entry.stopped()
    assert entry.process is None
    entry.started_as(ProcessId.of(os.getpid()))
    assert entry.restarts == 0


def test_workers_of_a_stage_never_share_a_name(tmp_path: Path) -> None:
    """Each gets the first free number behind the given name, or the host's; other stages count for themselves."""
    first, second = (claim_instance(tmp_path, "stage-bars", "left") for _ in range(2))
    assert (first.name, second.name) == ("left-0", "left-1")
    assert claim_instance(tmp_path, "stage-moods", None).name == f"{socket.gethostname()}-0"
    del first
    assert claim_instance(tmp_path, "stage-bars", "left").name == "left-0"


def test_a_damaged_ledger_is_told(tmp_path: Path) -> None:
    """A file that is no ledger is named, and nothing is guessed."""
    write_whole(tmp_path / "services.json", "[1, 2", private=True)
    with pytest.raises(UserError, match=r"services\.json is damaged"):
        Ledger.load(tmp_path)


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    """A rewritten file keeps to its owner and leaves nothing beside it."""
    path = tmp_path / "x.json"
    path.write_text("old and longer")
    write_whole(path, "new", private=True)
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_names_in_settings_are_separated_by_commas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the environment, and in the file, where they may be a list, too; the environment wins."""
    monkeypatch.setitem(Settings.model_config, "toml_file", tmp_path / "moodtape.toml")
    (tmp_path / "moodtape.toml").write_text('quote_sources = ["yahoo", "simulator"]\npost_sources = "reddit"\n')
    settings = load_settings()
    assert (settings.quote_sources, settings.post_sources) == (("yahoo", "simulator"), ("reddit",))
    monkeypatch.setenv("MOODTAPE_POST_SOURCES", "x, bluesky,")
    assert load_settings().post_sources == ("x", "bluesky")
    monkeypatch.setenv("MOODTAPE_POST_SOURCES", "")
    assert load_settings().post_sources == ()


@pytest.mark.parametrize("name", ["api_key", "database_url", "redis_url"])
def test_an_empty_secret_is_none(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """An empty key would let everybody in, and an empty address leads nowhere."""
    monkeypatch.setenv(f"MOODTAPE_{name.upper()}", "")
    assert getattr(load_settings(), name) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [("api_key", value) for value in ("clé-secret", "secret\t", " secret", "secret\n", " ")]
    + [
        ("database_url", value)
        for value in ("secret:5432/db", "postgresql://u:%secret@h/db", "postgresql://h/db?secret=1", "host=secret")
    ]
    + [("redis_url", value) for value in ("secret:6379", "http://secret", "redis://h:secret", "redis://[secret")],
)
def test_a_secret_that_cannot_work_is_refused_unseen(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """The message names the setting and does not repeat what it holds."""
    monkeypatch.setenv(f"MOODTAPE_{name.upper()}", value)
    with pytest.raises(UserError, match=f"^settings: {name}: give ") as refusal:
        load_settings()
    assert "secret" not in str(refusal.value)


def test_addresses_of_every_kind_are_taken() -> None:
    """Several hosts, encrypted connections and sockets too."""
    for url in ("postgres://u@h", "postgresql://u:p%25@a:1,b:2/db?sslmode=require"):
        assert load_settings(database_url=url).database_url
    for url in ("redis://:p@h:1/0", "rediss://h", "unix:///run/valkey.sock"):
        assert load_settings(redis_url=url).redis_url
    assert load_settings(api_key="open sesame!").api_key


@pytest.mark.parametrize("text", ["nan", "inf", "-inf"])
@pytest.mark.parametrize("name", [n for n, field in Settings.model_fields.items() if field.annotation is float])
def test_numbers_of_settings_are_finite(monkeypatch: pytest.MonkeyPatch, name: str, text: str) -> None:
    """Another one is refused by the setting's name."""
    monkeypatch.setenv(f"MOODTAPE_{name.upper()}", text)
    with pytest.raises(UserError, match=f"settings: {name}:"):
        load_settings()


def test_settings_name_servers_before_the_folder(tmp_path: Path) -> None:
    """Addresses of the settings are used as they are; without them a folder where nothing runs says what to do."""
    urls = {"database_url": "postgresql://u:p@db/x", "redis_url": "redis://cache"}
    outside = Settings(data_dir=tmp_path, kafka_bootstrap="k:9092", **urls)  # type: ignore[arg-type]
    assert find_endpoints(outside) == Endpoints("k:9092", "postgresql://u:p@db/x", "redis://cache")
    inside = Settings(data_dir=tmp_path, **urls)  # type: ignore[arg-type]
    with pytest.raises(ServiceUnavailable, match=r"kafka is not running .* `moodtape up"):
        find_endpoints(inside)
    assert not Entry().running()


def test_a_client_that_cannot_connect_says_so_once() -> None:
    """Librdkafka repeats itself with other ports and times at each attempt; other messages pass."""
    sparing = Sparing()
    texts = ["Connect to 127.0.0.1:9092 failed (after 3ms)", "Connect to 127.0.0.1:9092 failed (after 17ms)", "fenced"]
    records = [logging.LogRecord("librdkafka", logging.ERROR, "", 0, text, (), None) for text in texts]
    assert [sparing.filter(record) for record in records] == [True, False, True]
