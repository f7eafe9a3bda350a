"""The same job as one writes it by hand: fastavro, dictionaries, one pass; quotes are folded as they are read.

It knows what these workloads hold and no more: one source a symbol, no crash to come back from (so no
snapshots), no dead letters but a count. It shares nothing with ``streams``.
"""

import io
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush
from math import inf, log
from typing import Any

from fastavro import parse_schema, schemaless_reader, schemaless_writer

from schemas.codec import without_logical_types
from schemas.registry import REGISTRY
from schemas.topics import BARS, PARTITIONS, QUOTES, RAW_QUOTES, TOPICS

from .plain_bars import Bucket, Line, bucket_of
from .workload import SYMBOLS, Chunk

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 3600 * SECOND
LATENESS = 5 * SECOND
KEPT = 2 * HOUR
INTERVALS = (60, 300, 3600, 86400)
_VERSIONS = {topic: REGISTRY.versions(TOPICS[topic].subject)[-1] for topic in (RAW_QUOTES, QUOTES, BARS)}
_PARSED = {topic: parse_schema(without_logical_types(v.schema)) for topic, v in _VERSIONS.items()}
_HEADS = {topic: b"\0" + v.id.to_bytes(4, "big") for topic, v in _VERSIONS.items()}
_SYMBOLS = frozenset(SYMBOLS)


def known(symbol: str) -> bool:
    """Whether a symbol is an instrument here: those of W1."""
    return symbol in _SYMBOLS


@dataclass
class Written:
    """What came out: quotes by partition in order, bars, keys of the dead letters."""

    quotes: list[list[tuple[bytes | None, bytes]]] = field(default_factory=lambda: [[] for _ in range(PARTITIONS)])
    bars: list[bytes] = field(default_factory=list)
    dead: list[tuple[int, bytes | None]] = field(default_factory=list)

    def plainly(self) -> tuple[list[list[dict[str, Any]]], list[dict[str, Any]]]:
        """Quotes and bars read back by fastavro, bars in the order of symbol, interval, end and revision."""
        bars = [_read(BARS, value) for value in self.bars]
        bars.sort(key=lambda bar: (bar["symbol"], bar["interval"], bar["event_time"], bar["revision"]))
        return [[_read(QUOTES, value) for _, value in some] for some in self.quotes], bars


def _read(topic: str, value: bytes) -> dict[str, Any]:
    if value[:5] != _HEADS[topic]:
        raise ValueError("framing")
    record: dict[str, Any] = schemaless_reader(io.BytesIO(value[5:]), _PARSED[topic], None)
    return record


def _write(topic: str, record: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    out.write(_HEADS[topic])
    schemaless_writer(out, _PARSED[topic], record)
    return out.getvalue()


def run(chunks: list[Chunk]) -> Written:
    """All chunks, record by record."""
    written = Written()
    loops = [Loop(written, partition) for partition in range(PARTITIONS)]
    for partition, entries in chunks:
        loop = loops[partition]
        for _, _, _, key, value, headers in entries:
            if headers:
                loop.clock(dict(headers)["moodtape-clock"])
            else:
                loop.record(key, value)
    return written


class Loop:
    """One partition."""

    def __init__(self, written: Written, partition: int) -> None:
        self.quotes, self.bars, self.dead = written.quotes[partition], written.bars, written.dead
        self.partition = partition
        self.watermark = -inf
        self.minutes: dict[int, dict[Any, Any]] = defaultdict(dict)
        self.last: dict[Any, dict[str, Any]] = {}
        self.buckets: dict[tuple[str, int, int], Bucket] = {}
        self.lines: dict[tuple[str, int], Line] = defaultdict(Line)
        self.due: list[tuple[int, int, str]] = []

    def record(self, key: bytes | None, value: Any) -> None:
        """One raw quote."""
        try:
            quote = _read(RAW_QUOTES, value)
        except (ValueError, EOFError, IndexError, TypeError):
            self.dead.append((self.partition, key))
            return
        if key != quote["symbol"].encode() or not valid(quote):
            self.dead.append((self.partition, key))
            return
        late = quote["event_time"] < self.watermark - KEPT
        if not late and not self.is_new(quote):
            return
        flags = ["late"] if late else self.flags(quote)
        bid, ask, bar = quote["bid"], quote["ask"], quote["bar"]
        if bid is not None and ask is not None and bid > ask:
            flags.append("crossed")
        if quote["symbol"] not in _SYMBOLS:
            flags.append("unknown_instrument")
        if bar is not None:
            start, end = bucket_of(quote["event_time"], bar["interval"])
            whole_day = bar["interval"] == 86400 and quote["event_time"] == end
            if not whole_day and quote["event_time"] - bar["interval"] * SECOND < start:
                flags.append("straddles")
        quote["flags"] = flags
        quote.setdefault("revision", 0)
        self.quotes.append((key, _write(QUOTES, quote)))
        if not late:
            self.fold(quote)

    def is_new(self, quote: dict[str, Any]) -> bool:
        """Deduplicate by key; a later payload is a revision."""
        time, bar = quote["event_time"], quote["bar"]
        minute = self.minutes[-(-time // MINUTE)]
        key = (quote["source"], quote["symbol"], bar["interval"] if bar else 0, time, quote["sequence"] or 0)
        content = [v for k, v in quote.items() if k != "ingest_time"]
        kept = minute.get(key)
        if kept is not None:
            if quote["ingest_time"] <= kept[0] or content == kept[2]:
                return False
            quote["revision"] = kept[1] + 1
        minute[key] = (quote["ingest_time"], quote.get("revision", 0), content)
        return True

    def flags(self, quote: dict[str, Any]) -> list[str]:
        """Flags against the quote before."""
        bar = quote["bar"]
        series = (quote["source"], quote["symbol"], bar["interval"] if bar else 0)
        last, said = self.last.get(series), [quote[k] for k in ("price", "bid", "ask", "bid_size", "ask_size")]
        quiet = not quote["volume"]
        if bar is not None and quote["volume"]:
            quiet = last is not None and quote["volume"] == last["volume"]
        if bar is not None:
            quiet = quiet and bar["open"] == bar["high"] == bar["low"] == quote["price"]
        if last is None:
            self.last[series] = {**quote, "said": said, "since": quote["event_time"]}
            return []
        if (quote["event_time"], quote["sequence"] or 0) <= (last["event_time"], last["sequence"] or 0):
            return []
        flags, since = [], last["since"]
        if said != last["said"] or not quiet:
            since = quote["event_time"]
        elif quote["event_time"] - since >= HOUR:
            flags.append("stale")
        if abs(log(quote["price"] / last["price"])) > 0.2:
            flags.append("jump")
        currency = quote["currency"] or last["currency"]
        if quote["currency"] and last["currency"] and currency != last["currency"]:
            flags.append("currency_changed")
        self.last[series] = {**quote, "said": said, "since": since, "currency": currency}
        return flags

    def fold(self, quote: dict[str, Any]) -> None:
        """Put a quote into its buckets."""
        time, symbol, bar = quote["event_time"], quote["symbol"], quote["bar"]
        fact = (time, quote["sequence"] or 0), quote
        for interval in INTERVALS:
            if bar is not None and bar["interval"] > interval:
                continue
            start, end = bucket_of(time, interval)
            bucket = self.buckets.get((symbol, interval, end))
            if bucket is None:
                bucket = self.buckets[symbol, interval, end] = Bucket(start, end)
            bucket.facts[fact[0]] = quote
            if not bucket.pending:
                bucket.pending = True
                heappush(self.due, (end, interval, symbol))

    def clock(self, text: bytes) -> None:
        """Emit what a clock closes; an end closes everything."""
        if text == b"end":
            self.emit(inf)
            return
        mark = int(text) - LATENESS
        if mark <= self.watermark:
            return
        self.watermark = mark
        self.emit(mark)
        for minute in [m for m in self.minutes if m * MINUTE < mark - KEPT]:
            del self.minutes[minute]
        if len(self.buckets) > 10_000:
            self.buckets = {k: b for k, b in self.buckets.items() if b.pending or k[2] >= mark - KEPT}

    def emit(self, until: float) -> None:
        """Bars of all touched buckets that end by a moment."""
        self.bars.extend(_write(BARS, bar) for bar in self.closed(until))

    def closed(self, until: float) -> Iterator[dict[str, Any]]:
        """As records."""
        while self.due and self.due[0][0] <= until:
            end, interval, symbol = heappop(self.due)
            bucket = self.buckets[symbol, interval, end]
            yield bucket.bar(symbol, interval, self.lines[symbol, interval])


def valid(quote: dict[str, Any]) -> bool:
    """Whether a quote makes sense."""
    if not 0 < quote["price"] < inf or quote["event_time"] > quote["ingest_time"] + 300 * SECOND:
        return False
    numbers = [quote[k] for k in ("volume", "bid", "ask", "bid_size", "ask_size")]
    if any(value is not None and not 0 <= value < inf for value in numbers):
        return False
    bar = quote["bar"]
    if bar is None:
        return True
    return bar["interval"] > 0 and 0 < bar["low"] <= bar["high"] < inf and 0 < bar["open"] < inf and bar["volume"] >= 0
