"""Sorts more lines than memory holds: sorted runs of them in temporary files, merged when they are read."""

import heapq
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import msgspec

RUN_BYTES = 64 * 1024 * 1024
# What Python needs for a line beside its bytes.
_OBJECT_BYTES = 200

Item = tuple[int, str, bytes]
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Item).decode


class SortedLines:
    """Lines in the order of time, source and content.

    Args:
        folder: where the temporary files are; it is made when the first is. They have no names, so none outlives us.
        run_bytes: about so much of the lines is held in memory.
    """

    def __init__(self, folder: Path, run_bytes: int = RUN_BYTES) -> None:
        self.count = 0
        self._folder = folder
        self._run_bytes = run_bytes
        self._held: list[Item] = []
        self._bytes = 0
        self._runs: list[IO[bytes]] = []

    def add(self, time: int, source: str, line: bytes) -> None:
        """Take one more, in any order."""
        self._held.append((time, source, line))
        self.count += 1
        self._bytes += len(line) + _OBJECT_BYTES
        if self._bytes >= self._run_bytes:
            self._spill()

    def _spill(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        run = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115  # lives until all is read
        self._held.sort()
        run.writelines(_encode(item) + b"\n" for item in self._held)
        self._runs.append(run)
        self._held, self._bytes = [], 0

    def __iter__(self) -> Iterator[bytes]:
        self._held.sort()
        for _, _, line in heapq.merge(*map(_read, self._runs), self._held):
            yield line


def _read(run: IO[bytes]) -> Iterator[Item]:
    run.seek(0)
    return map(_decode, run)
