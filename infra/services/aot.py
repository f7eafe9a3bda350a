"""A cache of what the JVM loads and links for Kafka (JEP 483 and 514): the broker then starts in half of the time.

It is made by one broker that starts and ends in a folder of its own, some fifteen seconds, once for each
Java and each set of jars; it lies beside the downloads. Without it everything works as well, more slowly.
"""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from infra.errors import ServiceUnavailable
from infra.ledger import file_lock

from .server import Note

LEAST_VERSION = 25
_DIGITS = 16

# Runs a broker in a folder with more flags for the JVM, until it has answered and ended.
Train = Callable[[Path, Sequence[str]], None]


def aot_flags(version: int, about: Sequence[str], folder: Path, train: Train, note: Note) -> list[str]:
    """Flags that let a JVM use the cache, which is made where it is missing; none where it cannot be had.

    Args:
        version: Java's major version.
        about: what the cache depends on: the program, its flags, the class path.
        folder: where caches are kept.
        train: see above.
        note: is told when the cache is made.
    """
    if version < LEAST_VERSION:
        return []
    path = folder / f"kafka-{_digest(about)}.aot"
    failed = path.with_suffix(".failed")
    if not path.exists() and not failed.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with file_lock(folder / ".lock"):
            if not path.exists():
                _make(path, failed, train, note)
    return [f"-XX:AOTCache={path}"] if path.exists() else []


def _make(path: Path, failed: Path, train: Train, note: Note) -> None:
    note("kafka: making its next starts faster (once, some fifteen seconds)")
    try:
        with TemporaryDirectory(dir=path.parent, prefix="training-") as room:
            fresh = Path(room) / path.name
            train(Path(room), [f"-XX:AOTCacheOutput={fresh}"])
            fresh.replace(path)
    except (OSError, ServiceUnavailable) as error:
        failed.write_text(f"{error}\n")
        note(f"kafka: its starts stay as slow as they are, see {failed}")


def _digest(about: Sequence[str]) -> str:
    return hashlib.sha256("\0".join(about).encode()).hexdigest()[:_DIGITS]
