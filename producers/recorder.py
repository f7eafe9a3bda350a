"""Makes a recording of the raw topics: what another run plays back."""

import gzip
import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.clock import to_rfc3339
from infra.errors import UserError
from infra.log import get_logger
from schemas.codec import DecodeError, codec_for
from schemas.records import RawPost, RawQuote
from schemas.topics import RAW_POSTS, RAW_QUOTES

from .lines import write_line
from .positions import raw_messages
from .recording import PARTS

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a recording came to hold; ``left_out`` records could not be decoded or have no time of this era."""

    folder: str
    quotes: int
    posts: int
    left_out: int


def record_topics(bootstrap: str, folder: Path, start: int | None, end: int | None) -> Recorded:
    """Write the facts of both raw topics with ``start <= event_time < end`` into a new folder, sorted.

    The facts are held in memory while they are sorted. Those with equal event times are ordered by source, key
    and content, so that the same facts give the same files.

    Args:
        bootstrap: host:port of Kafka.
        folder: must not exist or be empty.
        start: microseconds UTC; None = from the first.
        end: microseconds UTC; None = to the last.

    Raises:
        UserError: the folder is not empty, or there is nothing to record.
        ServiceUnavailable: Kafka does not answer.
    """
    if folder.exists() and any(folder.iterdir()):
        raise UserError(f"{folder} is not empty; give a new folder")
    facts: dict[str, list[RawQuote | RawPost]] = {RAW_QUOTES: [], RAW_POSTS: []}
    bad = 0
    for topic, fact in _facts(bootstrap):
        if fact is None:
            bad += 1
        elif (start is None or fact.event_time >= start) and (end is None or fact.event_time < end):
            facts[topic].append(fact)
    if not any(facts.values()):
        raise UserError("the raw topics hold no fact of that time; nothing was recorded")
    write_recording(folder, facts[RAW_QUOTES] + facts[RAW_POSTS])
    return Recorded(str(folder), len(facts[RAW_QUOTES]), len(facts[RAW_POSTS]), bad)


def write_recording(folder: Path, facts: Iterable[RawQuote | RawPost], name: str | None = None) -> None:
    """Write facts as a recording, in the order of event time.

    Args:
        folder: is made; files of the same names are replaced.
        facts: raw quotes and posts in any order.
        name: of the recording; the folder's where None.
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
    # Written last: a folder without it is no recording, so one that was cut off is never taken for whole.
    (folder / "recording.json").write_text(json.dumps(manifest, indent=1) + "\n", "utf-8")


def _write(path: Path, lines: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    with path.open("wb") as raw, gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as file:
        for line in lines:
            digest.update(line + b"\n")
            file.write(line + b"\n")
    return digest.hexdigest()


def _facts(bootstrap: str) -> Iterator[tuple[str, RawQuote | RawPost | None]]:
    for message in raw_messages(bootstrap):
        if message.value() is None:
            continue
        try:
            fact = codec_for(message.topic()).decode(message.value())
            to_rfc3339(fact.event_time), to_rfc3339(fact.ingest_time)
            yield message.topic(), fact
        except (DecodeError, OverflowError) as error:
            log.warning("left out", topic=message.topic(), offset=message.offset(), error=str(error))
            yield message.topic(), None
