"""The secret that binds cursors: from the API key where one is set, else a file in the data folder."""

import hashlib
import os
import secrets
from pathlib import Path

from infra.settings import Settings

_BYTES = 32


def cursor_secret(settings: Settings) -> bytes:
    """The same bytes in every process with the same key, or on the same data folder, and after a restart."""
    if settings.api_key is not None:
        return hashlib.sha256(b"moodtape cursors\0" + settings.api_key.get_secret_value().encode()).digest()
    return _kept(settings.data_dir / "api.secret")


def _kept(path: Path) -> bytes:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(secrets.token_bytes(_BYTES))
    try:
        os.link(fresh, path)  # complete or not there, and the first of two processes wins
    except FileExistsError:
        pass
    finally:
        fresh.unlink()
    return path.read_bytes()
