"""A disk that is soon full: a tmpfs of its own over a folder. Only root can have one."""

import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

MEGABYTES = 300


class SmallDisk:
    """A mounted tmpfs that :meth:`fill` fills to the last byte and :meth:`free` frees again."""

    def __init__(self, mounts: Sequence[Path]) -> None:
        self._mounts = list(mounts)
        self._ballast = mounts[0] / "ballast"

    @classmethod
    def move(cls, folder: Path, keep: Sequence[str] = ()) -> "SmallDisk":
        """Move a folder onto a disk of its own; the subfolders to ``keep`` stay on the large one.

        The name stays the same; nobody may be using it.
        """
        folder = folder.resolve()
        real = folder.with_name(f"{folder.name}.large")
        folder.rename(real)
        folder.mkdir()
        _run("mount", "-t", "tmpfs", "-o", f"size={MEGABYTES}m,mode=755", "tmpfs", str(folder))
        mounts = [folder]
        for part in sorted(real.iterdir()):
            if part.name in keep:
                (folder / part.name).mkdir()
                _run("mount", "--bind", str(part), str(folder / part.name))
                mounts.append(folder / part.name)
            else:
                _run("cp", "-a", str(part), str(folder / part.name))
        stat = real.stat()
        os.chown(folder, stat.st_uid, stat.st_gid)
        folder.chmod(stat.st_mode & 0o777)
        return cls(mounts)

    def fill(self, pause: float = 0.0) -> None:
        """Leave no room; ``pause`` is how many seconds pass between two megabytes."""
        with self._ballast.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(1 << 20))
                    time.sleep(pause)
            except OSError:
                pass
            try:
                while True:
                    file.write(bytes(1 << 10))
            except OSError:
                return

    def free(self) -> None:
        """Make room again."""
        self._ballast.unlink()

    def unmount(self) -> None:
        """Give it back; what was on it is gone."""
        for mount in reversed(self._mounts):
            _run("umount", "-l", str(mount))


def possible() -> bool:
    """Whether this account may mount."""
    return (
        os.geteuid() == 0 and subprocess.run(["mount", "--version"], capture_output=True, check=False).returncode == 0
    )


def _run(*command: str) -> None:
    subprocess.run(command, check=True)
