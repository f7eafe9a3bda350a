"""Archives: the logs of the raw topics as a file, beside a recording, for a replay when the topics hold them no more.

``log.avro`` is an Avro object container of every committed record, clocks and broken ones too, with its offset and
append time, in the order of each partition's log. ``recording.json`` says of which logs it is and from where to where.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import msgspec
from fastavro import parse_schema, reader
from fastavro.write import Writer

from infra.files import sha256_of

LOG_FILE = "log.avro"
Place = tuple[str, int]
_BYTES = ["null", "bytes"]
_SCHEMA = parse_schema(
    {
        "type": "record",
        "name": "LoggedRecord",
        "namespace": "moodtape",
        "doc": "One record of a raw topic as it lay in the log.",
        "fields": [
            {"name": "topic", "type": "string"},
            {"name": "partition", "type": "int"},
            {"name": "offset", "type": "long"},
            {"name": "append_ms", "type": "long", "doc": "The broker's time of it, milliseconds UTC."},
            {"name": "key", "type": _BYTES},
            {"name": "value", "type": _BYTES},
            {
                "name": "headers",
                "doc": "In their order; a name may stand there more than once.",
                "type": {
                    "type": "array",
                    "items": {
                        "type": "record",
                        "name": "Header",
                        "fields": [{"name": "name", "type": "string"}, {"name": "value", "type": _BYTES}],
                    },
                },
            },
        ],
    }
)
# Larger blocks than fastavro's own compress better; one is held in memory.
_BLOCK_BYTES = 256 * 1024


class Logged(NamedTuple):
    """One record as it lay in the log; ``append_ms`` is the broker's time of it."""

    topic: str
    partition: int
    offset: int
    append_ms: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]

    @property
    def place(self) -> Place:
        """Its topic and partition."""
        return self.topic, self.partition


def logged(message: Any) -> Logged:
    """A consumer's message, without error, as it lay in the log."""
    return Logged(
        message.topic(),
        message.partition(),
        message.offset(),
        message.timestamp()[1],
        message.key(),
        message.value(),
        message.headers() or [],
    )


class Span(msgspec.Struct, frozen=True):
    """What an archive holds of one partition: everything that was committed at offsets in [first, end)."""

    topic: str
    partition: int
    first: int
    end: int


class Log(msgspec.Struct, frozen=True):
    """What ``recording.json`` says of ``log.avro``. ``topics``: the identity of each in its cluster."""

    sha256: str
    records: int
    cluster: str
    topics: dict[str, str]
    spans: tuple[Span, ...]

    @property
    def firsts(self) -> dict[Place, int]:
        """First offset of each partition."""
        return {(span.topic, span.partition): span.first for span in self.spans}

    @property
    def ends(self) -> dict[Place, int]:
        """End of each partition."""
        return {(span.topic, span.partition): span.end for span in self.spans}


class LogWriter:
    """Writes ``log.avro`` record by record, none of which is held longer than a block; no half of it stays."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / LOG_FILE
        self._file = self._path.open("wb")
        self._writer = Writer(self._file, _SCHEMA, "deflate", sync_interval=_BLOCK_BYTES)
        self._written = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        if error is not None:
            self._path.unlink()

    def append(self, record: Logged) -> None:
        """Write the next record of its partition."""
        fields = record._asdict()
        fields["headers"] = [{"name": name, "value": value} for name, value in record.headers]
        self._writer.write(fields)
        self._written += 1

    def finish(
        self, cluster: str, topics: Mapping[str, str], firsts: Mapping[Place, int], ends: Mapping[Place, int]
    ) -> Log:
        """Write what is left; what the manifest shall say."""
        self._writer.flush()
        self._file.close()
        spans = tuple(Span(*place, firsts[place], end) for place, end in sorted(ends.items()))
        return Log(sha256_of(self._path), self._written, cluster, dict(topics), spans)


def read_log(folder: Path) -> Iterator[Logged]:
    """The records of an archive, block by block."""
    with (folder / LOG_FILE).open("rb") as file:
        for fields in reader(file):
            headers = [(header["name"], header["value"]) for header in fields.pop("headers")]
            yield Logged(**fields, headers=headers)
