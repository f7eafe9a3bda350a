"""Bytes to bytes, as a hand-written program does it: plain dictionaries, no classes for records."""

import io

from fastavro import schemaless_reader, schemaless_writer

from .job import Job
from .workload import IN_HEAD, OUT_HEAD, PARSED_IN, PARSED_OUT, SYMBOLS


class Worker:
    """The job over encoded records; counts what cannot be decoded."""

    def __init__(self) -> None:
        self.undecodable = 0
        self._job = Job(SYMBOLS)
        self._buffer = io.BytesIO()

    def process(self, value: bytes) -> tuple[bytes, bytes] | None:
        """Key and value of the output; None for a record that is rejected or cannot be decoded."""
        try:
            if value[:5] != IN_HEAD:
                raise ValueError("framing")
            quote = schemaless_reader(io.BytesIO(value[5:]), PARSED_IN, None)
        except (ValueError, EOFError, IndexError, TypeError):
            self.undecodable += 1
            return None
        symbol, moment, price = quote["symbol"], quote["event_time"], quote["price"]
        derived = self._job.fold(symbol, moment, price, quote["size"])
        if derived is None:
            return None
        ema, mean, deviation, count, bar, opened, high, low, close, volume = derived
        buffer = self._buffer
        buffer.seek(0)
        buffer.truncate()
        buffer.write(OUT_HEAD)
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
        schemaless_writer(buffer, PARSED_OUT, enriched)
        return symbol.encode(), buffer.getvalue()
