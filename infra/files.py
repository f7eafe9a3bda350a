"""Files that are replaced whole, so that a reader never sees half of one; their digests, and the room for them."""

import hashlib
import os
import shutil
from pathlib import Path

_OWNER_ONLY, _AS_UMASK_SAYS = 0o600, 0o666


def write_whole(path: Path, text: str, *, private: bool = False) -> None:
    """Replace a file atomically, its folder made where missing; ``private``: only its owner may read it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _OWNER_ONLY if private else _AS_UMASK_SAYS)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def nearest(folder: Path) -> Path:
    """The folder itself, or the nearest one above that exists."""
    return next(path for path in (folder, *folder.parents) if path.exists())


def free_bytes(folder: Path) -> int:
    """Room on the disk of a folder, which need not be there yet."""
    return shutil.disk_usage(nearest(folder)).free


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def has_sha256(path: Path, digest: str) -> bool:
    """Whether a file can be read and has this SHA-256, in hexadecimal."""
    try:
        return sha256_of(path) == digest
    except OSError:
        return False
