"""Names for workers: the first free number of a stage on this machine, held by a file lock while the process lives."""

import fcntl
import socket
from pathlib import Path
from typing import IO

from .errors import UserError

MOST = 64


class Instance:
    """A worker's name, such as ``host-0``; released when the process ends, however it ends."""

    def __init__(self, name: str, lock: IO[str]) -> None:
        self.name = name
        self._lock = lock


def claim_instance(data_dir: Path, stage: str, host: str | None) -> Instance:
    """A name with the first number that no living process of this stage and data folder holds.

    Args:
        data_dir: where the locks are.
        stage: what the worker does.
        host: what stands before the number; None = the name of this machine.

    Raises:
        UserError: the folder cannot be written, or there are too many workers.
    """
    folder = data_dir / "locks"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(MOST):
            lock = (folder / f"{stage}.{number}").open("w")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.close()
                continue
            return Instance(f"{host or socket.gethostname()}-{number}", lock)
    except OSError as error:
        raise UserError(f"cannot write to {folder}: {error.strerror}") from error
    raise UserError(f"{MOST} workers of stage {stage} run in {data_dir} already")
