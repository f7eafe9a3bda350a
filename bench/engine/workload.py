"""The input of W0 and W1: 500 symbols with Zipf weights on 12 partitions. Seeded, with an oracle."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from fastavro import schemaless_writer

from .formats import IN_HEAD, PARSED_IN, SYMBOLS
from .wire import worker

ZIPF = 1.1
SEED = 20_240_607
START = 1_717_740_000_000_000
SECOND = 1_000_000


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


def oracle(workload: str, count: int) -> Oracle:
    """What must come out of the first ``count`` records, by working on them in order."""
    work, outputs, checksum = worker(workload), 0, 0
    for _, value in records(count):
        out = work.process(value)
        if out is not None:
            outputs += 1
            checksum = (checksum + digest(*out)) % 2**64
    return Oracle(outputs, checksum)
