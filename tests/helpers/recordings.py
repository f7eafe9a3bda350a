"""Small recordings that tests write themselves."""

import gzip
import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from confluent_kafka import Message

from infra.offsets import read_to_end
from producers.archive import Log
from producers.lines import write_line
from producers.recorder import RecordingWriter
from schemas.records import RawPost, RawQuote

START = 1_735_689_600_000_000
MINUTE = 60_000_000


def quotes(count: int, start: int = START, step: int = MINUTE // 10) -> list[RawQuote]:
    """Ticks of thirteen symbols in turn, ``step`` microseconds apart."""
    return [
        RawQuote(
            source="yahoo",
            symbol=f"S{number % 13}",
            event_time=start + number * step,
            ingest_time=start + number * step,
            price=100.0 + number % 7,
            sequence=number,
        )
        for number in range(count)
    ]


def posts(count: int, start: int = START, step: int = MINUTE) -> list[RawPost]:
    """Posts that say which they are, ``step`` microseconds apart."""
    return [
        RawPost(
            source="reddit",
            post_id=f"p{number}",
            event_time=start + number * step,
            ingest_time=start + number * step,
            text=f"text number {number}",
            symbols=(f"S{number % 13}",),
        )
        for number in range(count)
    ]


def lines_of(records: Sequence[RawQuote | RawPost]) -> list[bytes]:
    """Records as lines without line breaks."""
    return [write_line(record) for record in records]


def write_folder(folder: Path, quote_lines: Sequence[bytes], post_lines: Sequence[bytes], name: str = "made") -> Path:
    """A recording of exactly these lines, with the right sums in recording.json."""
    folder.mkdir(parents=True, exist_ok=True)
    sums = {}
    for part, lines in (("quotes", quote_lines), ("posts", post_lines)):
        content = b"".join(line + b"\n" for line in lines)
        sums[part] = hashlib.sha256(content).hexdigest()
        (folder / f"{part}.jsonl.gz").write_bytes(gzip.compress(content))
    manifest = {"name": name, "source": "made by a test", "licence": "ours", "sha256": sums}
    (folder / "recording.json").write_text(json.dumps(manifest), "utf-8")
    return folder


def read_log(bootstrap: str, *topics: str) -> list[Message]:
    """Every committed message of the topics, partition by partition in the order of the log.

    To the logs' ends, behind the markers: these are written a moment after a commit was acknowledged, to one partition
    after the other, and a reader that asks for the last stable offset would miss what stands before them.
    """
    return sorted(read_to_end(bootstrap, topics), key=lambda m: (m.topic(), m.partition(), m.offset()))


def write_recording(folder: Path, facts: Iterable[RawQuote | RawPost], log: Log | None = None) -> None:
    """Write facts as the recorder does; ``log`` is of the archive that stands in the folder already."""
    recording = RecordingWriter(folder)
    for fact in facts:
        recording.add(fact)
    recording.finish(log)
