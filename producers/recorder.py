"""Makes a recording of the raw topics: what another run plays back; if wanted, an archive of their log beside it."""

import gzip
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from infra.clock import to_rfc3339
from infra.errors import UserError
from infra.log import get_logger
from infra.offsets import cluster_of, log_ends, log_starts, read_until, topic_ids
from schemas.codec import DecodeError, codec_for
from schemas.records import RawPost, RawQuote
from schemas.topics import RAW_POSTS, RAW_QUOTES, RAW_TOPICS

from .archive import Log, LogWriter, Place, logged
from .lines import write_line
from .recording import MAX_NAME, PARTS, may_be_name
from .sorted_lines import SortedLines

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a recording came to hold; ``left_out`` records could not be decoded or have no time of this era.

    ``archived`` records, clocks included, stand in the archive; None where there is none.
    """

    folder: str
    quotes: int
    posts: int
    left_out: int
    archived: int | None = None


def record_topics(bootstrap: str, folder: Path, start: int | None, end: int | None, archive: bool = False) -> Recorded:
    """Write the facts of both raw topics with ``start <= event_time < end`` into a new folder, sorted.

    Those with equal event times are ordered by source and content, so that the same facts give the same files.

    Args:
        bootstrap: host:port of Kafka.
        folder: must not exist or be empty; the recording is named as it is.
        start: microseconds UTC; None = from the first.
        end: microseconds UTC; None = to the last.
        archive: also write everything that the topics hold, of any time, as it lies there.

    Raises:
        UserError: the folder is not empty, cannot be written or be a recording's name, or there is nothing to record.
        ServiceUnavailable: Kafka does not answer.
    """
    if folder.exists() and any(folder.iterdir()):
        raise UserError(f"{folder} is not empty; give a new folder")
    recording = RecordingWriter(folder)
    ends = log_ends(bootstrap, RAW_TOPICS)
    firsts = log_starts(bootstrap, RAW_TOPICS)
    messages = read_until(bootstrap, {place: last for place, last in ends.items() if firsts[place] < last})
    log = None
    try:
        if archive:
            with LogWriter(folder) as writer:
                bad = _choose(_written(messages, writer), recording, start, end)
                log = _finished(writer, bootstrap, ends)
        else:
            bad = _choose(messages, recording, start, end)
            if not any(recording.counts.values()):
                raise UserError("the raw topics hold no fact of that time; nothing was recorded")
        recording.finish(log)
    except OSError as error:
        raise UserError(f"{folder} cannot be written: {error.strerror}") from error
    archived = None if log is None else log.records
    return Recorded(str(folder), recording.counts[RAW_QUOTES], recording.counts[RAW_POSTS], bad, archived)


def _written(messages: Iterable[Any], writer: LogWriter) -> Iterator[Any]:
    for message in messages:
        writer.append(logged(message))
        yield message


def _finished(writer: LogWriter, bootstrap: str, ends: Mapping[Place, int]) -> Log:
    # Asked for when all is read: what was removed meanwhile may have been removed before it was read.
    firsts = log_starts(bootstrap, RAW_TOPICS)
    held = {place: min(first, ends[place]) for place, first in firsts.items()}
    return writer.finish(cluster_of(bootstrap), topic_ids(bootstrap, RAW_TOPICS), held, ends)


def _choose(messages: Iterable[Any], recording: "RecordingWriter", start: int | None, end: int | None) -> int:
    """Let a recording have the facts of a time; returns how many records are none."""
    bad = 0
    for fact in _facts(messages):
        if fact is None:
            bad += 1
        elif (start is None or fact.event_time >= start) and (end is None or fact.event_time < end):
            recording.add(fact)
    return bad


class RecordingWriter:
    """Takes facts in any order and writes them as a recording, in the order of event time.

    Args:
        folder: is made; files of the same names are replaced.

    Raises:
        UserError: a recording cannot be named as the folder is.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._name = folder.resolve().name
        if not may_be_name(self._name):
            raise UserError(
                f"{folder}: a recording is named as its folder, and a name has 1 to {MAX_NAME} characters, none of "
                "them ':' or ','; give another folder"
            )
        self._lines = {part.topic: SortedLines(folder) for part in PARTS}
        self._symbols: set[str] = set()
        self._sources: set[str] = set()
        self._times: tuple[int, int] | None = None

    @property
    def counts(self) -> dict[str, int]:
        """How many facts it has, by topic."""
        return {topic: lines.count for topic, lines in self._lines.items()}

    def add(self, fact: RawQuote | RawPost) -> None:
        """Take one more."""
        if isinstance(fact, RawQuote):
            topic = RAW_QUOTES
            self._symbols.add(fact.symbol)
        else:
            topic = RAW_POSTS
            self._symbols.update(fact.symbols)
        time = fact.event_time
        first, last = self._times or (time, time)
        self._times = min(first, time), max(last, time)
        self._sources.add(fact.source)
        self._lines[topic].add(time, fact.source, write_line(fact))

    def finish(self, log: Log | None = None) -> None:
        """Write the files; ``log`` is of the archive that stands in the folder already."""
        self._folder.mkdir(parents=True, exist_ok=True)
        manifest: dict[str, Any] = {"name": self._name, "source": "", "licence": "", "sha256": {}}
        for part in PARTS:
            manifest["sha256"][part.name] = _write(self._folder / part.file, self._lines[part.topic])
            manifest[part.name] = self.counts[part.topic]
        if self._times is not None:
            manifest |= dict(zip(("from", "to"), map(to_rfc3339, self._times), strict=True))
        manifest |= {"symbols": sorted(self._symbols), "source": ", ".join(sorted(self._sources))}
        if log is not None:
            manifest["log"] = msgspec.to_builtins(log)
        # Written last: a folder without it is no recording, so one that was cut off is never taken for whole.
        (self._folder / "recording.json").write_text(json.dumps(manifest, indent=1) + "\n", "utf-8")


def _write(path: Path, lines: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    with path.open("wb") as raw, gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as file:
        for line in lines:
            digest.update(line + b"\n")
            file.write(line + b"\n")
    return digest.hexdigest()


def _facts(messages: Iterable[Any]) -> Iterator[RawQuote | RawPost | None]:
    for message in messages:
        if message.value() is None:
            continue
        try:
            fact = codec_for(message.topic()).decode(message.value())
            to_rfc3339(fact.event_time), to_rfc3339(fact.ingest_time)
            yield fact
        except (DecodeError, OverflowError) as error:
            log.warning("left out", topic=message.topic(), offset=message.offset(), error=str(error))
            yield None
