"""W1: 500 symbols with Zipf weights on 12 partitions; decode, validate, fold, encode. Seeded, with an oracle."""

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
from fastavro import parse_schema, schemaless_writer

SYMBOLS = tuple(f"S{n:03d}" for n in range(500))
ZIPF = 1.1
SEED = 20_240_607
START = 1_717_740_000_000_000
SECOND = 1_000_000
IN_ID, OUT_ID = 900_001, 900_002
IN_HEAD, OUT_HEAD = struct.pack(">bI", 0, IN_ID), struct.pack(">bI", 0, OUT_ID)

IN_SCHEMA: dict[str, Any] = {
    "type": "record",
    "name": "W1Quote",
    "fields": [
        {"name": "source", "type": "string"},
        {"name": "symbol", "type": "string"},
        {"name": "event_time", "type": "long"},
        {"name": "ingest_time", "type": "long"},
        {"name": "price", "type": "double"},
        {"name": "size", "type": "double"},
        {"name": "bid", "type": ["null", "double"], "default": None},
        {"name": "ask", "type": ["null", "double"], "default": None},
    ],
}
OUT_SCHEMA: dict[str, Any] = {
    "type": "record",
    "name": "W1Enriched",
    "fields": [
        {"name": "source", "type": "string"},
        {"name": "symbol", "type": "string"},
        {"name": "event_time", "type": "long"},
        {"name": "ingest_time", "type": "long"},
        *({"name": name, "type": "double"} for name in ("price", "ema20", "mean20", "deviation20")),
        {"name": "count20", "type": "int"},
        {"name": "bar_start", "type": "long"},
        *({"name": name, "type": "double"} for name in ("open", "high", "low", "close", "volume")),
    ],
}
PARSED_IN, PARSED_OUT = parse_schema(IN_SCHEMA), parse_schema(OUT_SCHEMA)


@dataclass(frozen=True, slots=True)
class Oracle:
    """What every contender must write: how many records, and the sum of their digests modulo 2^64."""

    count: int
    checksum: int


def digest(key: bytes, value: bytes) -> int:
    """64 bits of a record; their sum does not depend on how partitions interleave."""
    return int.from_bytes(blake2b(key + b"|" + value, digest_size=8).digest(), "big")


def records(count: int) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of the input, always the same for a count.

    0.5 % come up to 2 s out of order, 0.1 % ten minutes late, 0.1 % twice, 1 in 30,000 cannot be decoded.
    """
    rng = np.random.default_rng(SEED)
    weights = 1.0 / np.arange(1, len(SYMBOLS) + 1) ** ZIPF
    picks = rng.choice(len(SYMBOLS), size=count, p=weights / weights.sum())
    moves = rng.normal(0.0, 2e-4, size=count)
    sizes = rng.integers(1, 500, size=count)
    dice = rng.random(size=count)
    jitter = rng.integers(1, 2 * SECOND, size=count)
    prices = 20.0 + 400.0 * rng.random(len(SYMBOLS))
    last = b""
    for n in range(count):
        symbol = picks[n]
        prices[symbol] *= 1.0 + moves[n]
        moment = START + n * 2_000
        key = SYMBOLS[symbol].encode()
        if n % 30_000 == 29_999:
            yield key, b"\x00broken"
        elif dice[n] < 0.001 and last:
            yield last[:4], last[4:]
        else:
            moment -= int(jitter[n]) if dice[n] < 0.006 else 600 * SECOND if dice[n] < 0.007 else 0
            value = _encode(SYMBOLS[symbol], moment, float(prices[symbol]), float(sizes[n]))
            last = key + value
            yield key, value


def _encode(symbol: str, moment: int, price: float, size: float) -> bytes:
    out = io.BytesIO()
    out.write(IN_HEAD)
    quote = {
        "source": "bench",
        "symbol": symbol,
        "event_time": moment,
        "ingest_time": moment + 40_000,
        "price": price,
        "size": size,
        "bid": price * 0.9999,
        "ask": None if size < 50 else price * 1.0001,
    }
    schemaless_writer(out, PARSED_IN, quote)
    return out.getvalue()


def oracle(count: int) -> Oracle:
    """What must come out of the first ``count`` records, by running the job over them in order."""
    from .wire import Worker

    worker, outputs, checksum = Worker(), 0, 0
    for _, value in records(count):
        out = worker.process(value)
        if out is not None:
            outputs += 1
            checksum = (checksum + digest(*out)) % 2**64
    return Oracle(outputs, checksum)
