"""Recordings: a folder of raw quotes and posts as JSON lines, played back into the raw topics.

``recording.json`` says what it is; ``quotes.jsonl.gz`` and ``posts.jsonl.gz`` are sorted by event time. Both are
merged by event time, quotes first where times are equal. Each line comes to stand in the topics exactly once, as
a fact or, where it cannot be read, as a dead letter.
"""

import gzip
import hashlib
import heapq
import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Annotated

import msgspec

from infra.clock import from_datetime
from infra.errors import UserError
from schemas.records import RawPost, RawQuote
from schemas.topics import RAW_POSTS, RAW_QUOTES

from .archive import Log
from .lines import BadLine, Moment, post_time, quote_time, read_post, read_quote
from .pacing import Pacing
from .source import Event, Fact, Unreadable

INSTANCE = "0"
# A fact must fit into a record of 1 MiB, a dead letter into 2 MiB.
MAX_LINE = 1_000_000
MAX_KEPT = 2_000_000
MAX_NAME = 200
# A name becomes part of an origin, which headers join with others and with times.
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_NAME, pattern="^[^/:,]+$")]


class Manifest(msgspec.Struct):
    """``recording.json``. ``sha256`` is of the lines, uncompressed, by file; ``log`` of the archive beside them."""

    name: Name
    source: str = ""
    licence: str = ""
    sha256: dict[str, str] = {}
    quotes: int = 0
    posts: int = 0
    from_: Moment | None = msgspec.field(name="from", default=None)
    to: Moment | None = None
    symbols: tuple[str, ...] = ()
    log: Log | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """One file of a recording: the topic it feeds, how a line is read, and the event time of a readable one."""

    name: str
    topic: str
    read: Callable[[bytes], RawQuote | RawPost]
    time: Callable[[bytes], int | None]

    @property
    def file(self) -> str:
        """Name of the file."""
        return f"{self.name}.jsonl.gz"

    def parse(self, line: bytes) -> RawQuote | RawPost:
        """The record of a line.

        Raises:
            BadLine: it is none, or too long.
        """
        if len(line) > MAX_LINE:
            raise BadLine(f"{len(line)} bytes; a line has {MAX_LINE} at most")
        return self.read(line)


PARTS = (Part("quotes", RAW_QUOTES, read_quote, quote_time), Part("posts", RAW_POSTS, read_post, post_time))


@dataclass(frozen=True, slots=True)
class _Line:
    """A line in its place: ``time`` is its own, or where it is unreadable that of the line before."""

    time: int
    part: int
    number: int
    record: RawQuote | RawPost | None
    value: bytes = b""
    error: BadLine | None = None


class RecordingSource:
    """A folder as a source.

    Args:
        folder: the recording.
        speed: event seconds in a wall second; None = as fast as it goes.

    Raises:
        UserError: the folder is no whole, sorted recording; the message says what is wrong.
    """

    live = False

    def __init__(self, folder: Path, speed: float | None = None) -> None:
        self.folder = folder
        self.manifest = read_manifest(folder)
        if not any((folder / part.file).exists() for part in PARTS):
            raise UserError(f"{folder} has neither {' nor '.join(part.file for part in PARTS)}")
        checks = [_check(folder, part, self.manifest.sha256.get(part.name)) for part in PARTS]
        self.lines = tuple(check.lines for check in checks)
        self._digest = hashlib.sha256("".join(check.sha256 for check in checks).encode()).hexdigest()[:16]
        self._speed = speed
        firsts = [check.first for check in checks if check.first is not None]
        said = self.manifest.from_
        self.begins = min([*firsts, *([from_datetime(said)] if said else [])], default=None)

    @property
    def origin(self) -> str:
        """The recording's name and a fixed instance, so that a restart anywhere continues it."""
        return f"{self.manifest.name}/{INSTANCE}"

    def events(self, position: str | None) -> Iterator[Event]:
        """Facts, dead letters, clocks and the end, from a position on.

        Raises:
            UserError: the position is of another recording of the same name.
        """
        start = (0, 0) if position is None else self._parse(position)
        pacing = Pacing(self._write, self._speed, begins=self.begins or 0)
        return pacing.events(self._items(start), start)

    def _write(self, position: Sequence[int]) -> str:
        return ":".join([self._digest, *map(str, position)])

    def _parse(self, position: str) -> tuple[int, ...]:
        digest, *numbers = position.split(":")
        if digest != self._digest:
            raise UserError(
                f"the topics hold another recording named {self.manifest.name}; "
                "rename this one in recording.json or give it topics of its own with --data-dir"
            )
        return tuple(int(number) for number in numbers)

    def _items(self, start: tuple[int, ...]) -> Iterator[Fact | Unreadable]:
        handled = list(start)
        files = [_read_part(self.folder, index, start[index]) for index in range(len(PARTS))]
        for line in heapq.merge(*files, key=attrgetter("time")):
            handled[line.part] = line.number
            position = tuple(handled)
            if line.record is not None:
                yield Fact(line.record, position)
            else:
                part, error = PARTS[line.part], line.error or BadLine("unreadable")
                yield Unreadable(part.topic, part.file, line.number, line.value, error, position)


def may_be_name(text: str) -> bool:
    """Whether a recording can be named so: whether :func:`read_manifest` would take it."""
    try:
        msgspec.json.decode(json.dumps(text), type=Name)
    except msgspec.DecodeError:
        return False
    return True


def read_manifest(folder: Path) -> Manifest:
    """What a recording says of itself.

    Raises:
        UserError: it is missing or wrong.
    """
    path = folder / "recording.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=Manifest)
    except FileNotFoundError:
        raise UserError(f"{folder} is no recording: it has no recording.json") from None
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: {error}") from None


@dataclass(frozen=True, slots=True)
class _Checked:
    lines: int
    sha256: str
    first: int | None


def _check(folder: Path, part: Part, sha256: str | None) -> _Checked:
    """Read a file once before anything is written: whole, unchanged, sorted."""
    path, digest = folder / part.file, hashlib.sha256()
    if not path.exists():
        if sha256 is not None:
            raise UserError(f"{path} is missing; recording.json names it")
        return _Checked(0, "", None)
    count, first, last = 0, None, None
    for count, line in enumerate(_lines(path), 1):
        digest.update(line)
        event_time = part.time(line)
        if event_time is None:
            continue
        if last is not None and event_time < last:
            raise UserError(f"{path} is not sorted by event_time: line {count} is earlier than one before it")
        first, last = event_time if first is None else first, event_time
    found = digest.hexdigest()
    if sha256 is not None and sha256 != found:
        raise UserError(
            f"{path} was changed or damaged: the sha256 of its lines is {found}, recording.json says {sha256}"
        )
    return _Checked(count, found, first)


def _read_part(folder: Path, index: int, skip: int) -> Iterator[_Line]:
    part, last = PARTS[index], 0
    path = folder / part.file
    if not path.exists():
        return
    for number, raw in enumerate(_lines(path), 1):
        if number <= skip:
            continue
        try:
            record = part.parse(raw)
        except BadLine as error:
            yield _Line(last, index, number, None, raw.removesuffix(b"\n")[:MAX_KEPT], error)
        else:
            last = record.event_time
            yield _Line(last, index, number, record)


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with gzip.open(path, "rb") as file:
            yield from file
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UserError(f"{path} is cut off or damaged: {error}") from None
    except OSError as error:
        raise UserError(f"{path}: {error.strerror or error}") from None
