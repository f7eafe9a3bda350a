"""Kafka's jars: named and hashed by ``kafka.lock.json``, fetched once into the user's cache."""

import json
import logging
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from importlib import resources
from pathlib import Path
from typing import Any

from infra.errors import ServiceUnavailable
from infra.files import has_sha256
from infra.ledger import file_lock
from infra.settings import Settings, cache_dir

from .server import Note, wheel

_THREADS = 8
_ATTEMPTS = 3
_TIMEOUT_SECONDS = 30


def locked_jars() -> list[tuple[str, str]]:
    """(group:artifact:version, SHA-256) of every jar of the broker."""
    text = resources.files(__package__).joinpath("kafka.lock.json").read_text()
    return [(coordinate, digest) for coordinate, digest in json.loads(text)]


def kafka_jars(settings: Settings, note: Note) -> list[Path]:
    """Paths of the broker's jars, as :func:`fetched_jars` gives them."""
    return fetched_jars(locked_jars(), settings, note)


def fetched_jars(jars: Sequence[tuple[str, str]], settings: Settings, note: Note) -> list[Path]:
    """Paths of jars, each checked against its SHA-256; what is missing or damaged is fetched.

    A download that was broken off goes on with the first jar that is not whole.

    Raises:
        UserError: the downloader is not installed.
        ServiceUnavailable: a jar cannot be fetched.
    """
    folder = cache_dir(settings) / "maven"
    folder.mkdir(parents=True, exist_ok=True)
    with file_lock(folder / ".lock"):
        wanted = [(coordinate, digest, _path(folder, coordinate)) for coordinate, digest in jars]
        with ThreadPoolExecutor(_THREADS) as pool:
            whole = list(pool.map(lambda jar: has_sha256(jar[2], jar[1]), wanted))
        missing = [(jar[0], jar[1]) for jar, good in zip(wanted, whole, strict=True) if not good]
        if missing:
            _fetch_all(_context(folder, settings), folder, missing, note)
    return [path for _, _, path in wanted]


def _path(folder: Path, coordinate: str) -> Path:
    group, artifact, version = coordinate.split(":")
    return folder.joinpath(*group.split("."), artifact, version, f"{artifact}-{version}.jar")


def _context(folder: Path, settings: Settings) -> Any:
    # It warns of things that our own check of every jar decides.
    logging.getLogger("jgo").setLevel(logging.CRITICAL)
    mirror = {"mirror": settings.maven_url.rstrip("/")} if settings.maven_url else None
    return wheel("jgo.maven").MavenContext(repo_cache=folder, remote_repos=mirror, timeout=_TIMEOUT_SECONDS)


def _fetch_all(context: Any, folder: Path, missing: list[tuple[str, str]], note: Note) -> None:
    note(f"kafka: fetching {len(missing)} jars into {folder}")
    stop = threading.Event()
    with ThreadPoolExecutor(_THREADS) as pool:
        futures = [pool.submit(_fetch, context, folder, coordinate, digest, stop) for coordinate, digest in missing]
        size = 0
        try:
            for count, future in enumerate(as_completed(futures), 1):
                size += future.result()
                if count % 10 == 0 or count == len(missing):
                    note(f"kafka: {count} of {len(missing)} jars, {size / 1e6:.0f} MB")
        except BaseException:
            stop.set()
            raise


def _fetch(context: Any, folder: Path, coordinate: str, digest: str, stop: threading.Event) -> int:
    group, artifact, version = coordinate.split(":")
    path = _path(folder, coordinate)
    unreachable: type[Exception] = wheel("requests").RequestException
    problem = "stopped"
    for _ in range(_ATTEMPTS):
        if stop.is_set():
            break
        # The downloader takes a file that is there for whole, and writes straight to its final name.
        path.unlink(missing_ok=True)
        try:
            context.project(group, artifact).at_version(version).artifact().resolve()
        except (unreachable, RuntimeError) as error:
            problem = str(error) or type(error).__name__
            continue
        if has_sha256(path, digest):
            return path.stat().st_size
        problem = "what came has another SHA-256 than the one locked"
    path.unlink(missing_ok=True)
    raise ServiceUnavailable(
        f"cannot fetch {coordinate}: {problem}. Is the network up? `moodtape up` goes on from here"
    )
