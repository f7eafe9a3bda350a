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
from .recording import PARTS

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

    The facts are held in memory while they are sorted. Those with equal event times are ordered by source, key
    and content, so that the same facts give the same files.

    Args:
        bootstrap: host:port of Kafka.
        folder: must not exist or be empty.
        start: microseconds UTC; None = from the first.
        end: microseconds UTC; None = to the last.
        archive: also write everything that the topics hold, of any time, as it lies there.

    Raises:
        UserError: the folder is not empty or cannot be written, or there is nothing to record.
        ServiceUnavailable: Kafka does not answer.
    """
    if folder.exists() and any(folder.iterdir()):
        raise UserError(f"{folder} is not empty; give a new folder")
    ends = log_ends(bootstrap, RAW_TOPICS)
    firsts = log_starts(bootstrap, RAW_TOPICS)
    messages = read_until(bootstrap, {place: last for place, last in ends.items() if firsts[place] < last})
    log = None
    try:
        if archive:
            with LogWriter(folder) as writer:
                facts, bad = _chosen(_written(messages, writer), start, end)
                log = _finished(writer, bootstrap, ends)
        else:
            facts, bad = _chosen(messages, start, end)
            if not any(facts.values()):
                raise UserError("the raw topics hold no fact of that time; nothing was recorded")
        write_recording(folder, facts[RAW_QUOTES] + facts[RAW_POSTS], log=log)
    except OSError as error:
        raise UserError(f"{folder} cannot be written: {error.strerror}") from error
    archived = None if log is None else log.records
    return Recorded(str(folder), len(facts[RAW_QUOTES]), len(facts[RAW_POSTS]), bad, archived)


def _written(messages: Iterable[Any], writer: LogWriter) -> Iterator[Any]:
    for message in messages:
        writer.append(logged(message))
        yield message


def _finished(writer: LogWriter, bootstrap: str, ends: Mapping[Place, int]) -> Log:
    # Asked for when all is read: what was removed meanwhile may have been removed before it was read.
    firsts = log_starts(bootstrap, RAW_TOPICS)
    held = {place: min(first, ends[place]) for place, first in firsts.items()}
    return writer.finish(cluster_of(bootstrap), topic_ids(bootstrap, RAW_TOPICS), held, ends)


def _chosen(
    messages: Iterable[Any], start: int | None, end: int | None
) -> tuple[dict[str, list[RawQuote | RawPost]], int]:
    """The facts of a time by topic, and how many records are none."""
    facts: dict[str, list[RawQuote | RawPost]] = {RAW_QUOTES: [], RAW_POSTS: []}
    bad = 0
    for topic, fact in _facts(messages):
        if fact is None:
            bad += 1
        elif (start is None or fact.event_time >= start) and (end is None or fact.event_time < end):
            facts[topic].append(fact)
    return facts, bad


def write_recording(
    folder: Path, facts: Iterable[RawQuote | RawPost], name: str | None = None, log: Log | None = None
) -> None:
    """Write facts as a recording, in the order of event time.

    Args:
        folder: is made; files of the same names are replaced.
        facts: raw quotes and posts in any order.
        name: of the recording; the folder's where None.
        log: of the archive that stands in the folder already.
    """
    folder.mkdir(parents=True, exist_ok=True)
    by_topic: dict[str, list[tuple[int, str, bytes]]] = {RAW_QUOTES: [], RAW_POSTS: []}
    symbols: set[str] = set()
    for fact in facts:
        if isinstance(fact, RawQuote):
            symbols.add(fact.symbol)
            by_topic[RAW_QUOTES].append((fact.event_time, fact.source, write_line(fact)))
        else:
            by_topic[RAW_POSTS].append((fact.event_time, fact.source, write_line(fact)))
    manifest: dict[str, Any] = {"name": name or folder.resolve().name, "source": "", "licence": "", "sha256": {}}
    for part in PARTS:
        lines = sorted(by_topic[part.topic])
        manifest["sha256"][part.name] = _write(folder / part.file, (line for _, _, line in lines))
        manifest[part.name] = len(lines)
    every = [item for items in by_topic.values() for item in items]
    if every:
        times = [item[0] for item in every]
        manifest |= {"from": to_rfc3339(min(times)), "to": to_rfc3339(max(times))}
    manifest |= {"symbols": sorted(symbols), "source": ", ".join(sorted({item[1] for item in every}))}
    if log is not None:
        manifest["log"] = msgspec.to_builtins(log)
    # Written last: a folder without it is no recording, so one that was cut off is never taken for whole.
    (folder / "recording.json").write_text(json.dumps(manifest, indent=1) + "\n", "utf-8")


def _write(path: Path, lines: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    with path.open("wb") as raw, gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as file:
        for line in lines:
            digest.update(line + b"\n")
            file.write(line + b"\n")
    return digest.hexdigest()


def _facts(messages: Iterable[Any]) -> Iterator[tuple[str, RawQuote | RawPost | None]]:
    for message in messages:
        if message.value() is None:
            continue
        try:
            fact = codec_for(message.topic()).decode(message.value())
            to_rfc3339(fact.event_time), to_rfc3339(fact.ingest_time)
            yield message.topic(), fact
        except (DecodeError, OverflowError) as error:
            log.warning("left out", topic=message.topic(), offset=message.offset(), error=str(error))
            yield message.topic(), None
