"""Bytes to bytes, as a hand-written program does it: plain dictionaries, no classes for records."""

import io
from typing import Any, Protocol

from fastavro import schemaless_reader, schemaless_writer

from .formats import COPY_HEAD, IN_HEAD, OUT_HEAD, PARSED_IN, PARSED_OUT, SYMBOLS
from .job import Job

_BROKEN = (ValueError, EOFError, IndexError, TypeError)


class Worker(Protocol):
    """The work on one encoded record."""

    def process(self, value: bytes) -> tuple[bytes, bytes] | None:
        """Key and value of the output; None for a record that is rejected or cannot be decoded."""


def worker(workload: str) -> Worker:
    """The work of ``w0`` or ``w1``."""
    return Copying() if workload == "w0" else Enriching()


class Copying:
    """W0: decode and encode again."""

    def __init__(self) -> None:
        self._buffer = io.BytesIO()

    def process(self, value: bytes) -> tuple[bytes, bytes] | None:
        quote = decode(value)
        return None if quote is None else (quote["symbol"].encode(), encode(self._buffer, COPY_HEAD, PARSED_IN, quote))


class Enriching:
    """W1: decode, validate, fold, encode."""

    def __init__(self) -> None:
        self.job = Job(SYMBOLS)
        self._buffer = io.BytesIO()

    def process(self, value: bytes) -> tuple[bytes, bytes] | None:
        quote = decode(value)
        if quote is None:
            return None
        symbol, moment, price = quote["symbol"], quote["event_time"], quote["price"]
        derived = self.job.fold(symbol, moment, price, quote["size"])
        if derived is None:
            return None
        ema, mean, deviation, count, bar, opened, high, low, close, volume = derived
        enriched = {
            "source": quote["source"],
            "symbol": symbol,
            "event_time": moment,
            "ingest_time": quote["ingest_time"],
            "price": price,
            "ema20": ema,
            "mean20": mean,
            "deviation20": deviation,
            "count20": count,
            "bar_start": bar,
            "open": opened,
            "high": high,
            "low": low,
            "close": close,
            "volume": volume,
        }
        return symbol.encode(), encode(self._buffer, OUT_HEAD, PARSED_OUT, enriched)


def decode(value: bytes) -> dict[str, Any] | None:
    """The quote in framed bytes; None if it cannot be decoded."""
    try:
        if value[:5] != IN_HEAD:
            return None
        quote: dict[str, Any] = schemaless_reader(io.BytesIO(value[5:]), PARSED_IN, None)
    except _BROKEN:
        return None
    return quote


def encode(buffer: io.BytesIO, head: bytes, schema: Any, record: dict[str, Any]) -> bytes:
    """Framed bytes, by way of a buffer that is used again and again."""
    buffer.seek(0)
    buffer.truncate()
    buffer.write(head)
    schemaless_writer(buffer, schema, record)
    return buffer.getvalue()
