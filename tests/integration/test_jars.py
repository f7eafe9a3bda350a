"""Kafka's jars: whatever is damaged is fetched again, and nothing that has another SHA-256 is ever used."""

import functools
import http.server
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.errors import ServiceUnavailable
from infra.services.jars import kafka_jars, locked_jars
from infra.settings import Settings, cache_dir

pytestmark = pytest.mark.services


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Requests are not printed."""


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A Maven repository on loopback with copies of all jars; its URL and its folder."""
    original = Settings()
    kafka_jars(original, print)
    folder = tmp_path / "mirror"
    shutil.copytree(cache_dir(original) / "maven", folder)
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/", folder
        server.shutdown()


def test_damaged_and_missing_jars_are_fetched_again(mirror: tuple[str, Path], tmp_path: Path) -> None:
    """From nothing all are fetched; then a truncated, an altered and a lost one, and no other."""
    settings = Settings(cache_dir=tmp_path / "cache", maven_url=mirror[0])
    notes: list[str] = []
    jars = kafka_jars(settings, notes.append)
    assert len(jars) == len(locked_jars())
    assert notes[-1].startswith(f"kafka: {len(jars)} of {len(jars)} jars")
    contents = [jar.read_bytes() for jar in jars]

    jars[0].write_bytes(contents[0][:1000])
    jars[1].write_bytes(contents[1][:-1] + b"?")
    jars[2].unlink()
    notes.clear()
    assert [jar.read_bytes() for jar in kafka_jars(settings, notes.append)] == contents
    assert notes[0].startswith("kafka: fetching 3 jars")

    notes.clear()
    kafka_jars(settings, notes.append)
    assert notes == []


def test_a_jar_that_is_not_the_locked_one_is_refused(mirror: tuple[str, Path], tmp_path: Path) -> None:
    """A repository that serves other bytes gets them refused by name, and they are not kept."""
    settings = Settings(cache_dir=tmp_path / "cache", maven_url=mirror[0])
    served = next(mirror[1].rglob("kafka-clients-*.jar"))
    served.write_bytes(b"not the jar that was locked")
    with pytest.raises(ServiceUnavailable, match=r"org\.apache\.kafka:kafka-clients:.* another SHA-256"):
        kafka_jars(settings, print)
    assert not list((tmp_path / "cache").rglob("kafka-clients-*.jar"))


def test_a_repository_that_is_down_is_told_plainly(tmp_path: Path) -> None:
    """Without a network the message names the jar and says that the next start goes on."""
    settings = Settings(cache_dir=tmp_path / "cache", maven_url="http://127.0.0.1:9")
    with pytest.raises(ServiceUnavailable, match=r"cannot fetch .*goes on from here"):
        kafka_jars(settings, print)
