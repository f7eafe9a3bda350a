"""The flow that tells what the engine does: the cheapest fold that would notice anything lost, repeated or late."""

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import msgspec

from schemas.clocks import Clock
from schemas.codec import encode
from schemas.records import Quote, RawQuote
from schemas.topics import QUOTES, RAW_QUOTES
from streams.stage import Emit, Fold, Stage

from .flows import Flow, same_logs
from .inputs import HOUR, MINUTE, SECOND, START, SYMBOLS, Input, clock, fact

STUMBLES = 13.0


class TallyFold(Fold):
    """Numbers the prices of each symbol, marks those behind the watermark, adds them up whenever it moves."""

    def __init__(self) -> None:
        self._counts: dict[str, list[float]] = {}
        self._open: dict[str, None] = {}
        self._changed: dict[str, None] = {}

    def fact(self, topic: str, record: RawQuote, watermark: int | None, answers: Mapping[str, Any]) -> Sequence[Emit]:
        if record.price == STUMBLES:
            raise ZeroDivisionError("a price of 13")
        tally = self._counts.setdefault(record.symbol, [0, 0.0])
        tally[0] += 1
        tally[1] += record.price
        self._open[record.symbol] = self._changed[record.symbol] = None
        late = watermark is not None and record.event_time <= watermark
        return [self._emit(record.symbol, record.event_time, ("late",) if late else ())]

    def advance(self, watermark: int) -> Sequence[Emit]:
        sums = [self._emit(symbol, watermark, ("sum",)) for symbol in sorted(self._open)]
        self._changed.update(self._open)
        self._open.clear()
        return sums

    def flush(self) -> Sequence[Emit]:
        return self.advance(0)

    def _emit(self, symbol: str, time: int, flags: tuple[str, ...]) -> Emit:
        count, total = self._counts[symbol]
        record = Quote(
            source="yahoo",
            symbol=symbol,
            event_time=time,
            ingest_time=time,
            price=total,
            sequence=int(count),
            flags=flags,
        )
        return Emit(QUOTES, symbol, record)

    def dump(self) -> Iterable[tuple[str, bytes | None]]:
        for symbol in self._changed:
            yield symbol, msgspec.msgpack.encode([*self._counts[symbol], symbol in self._open])
        self._changed.clear()

    def load(self, key: str, value: bytes) -> None:
        count, total, is_open = msgspec.msgpack.decode(value)
        self._counts[key] = [count, total]
        if is_open:
            self._open[key] = None


@cache
def counting_stages() -> Sequence[Stage]:
    """The counting stage, in the place of ``quotes``."""
    stage = Stage(
        name="quotes", inputs=(RAW_QUOTES,), upstream=(None,), clocked=(QUOTES,), fold=TallyFold, lateness=5 * SECOND,
        chunks_in_flight=4,
    )  # fmt: skip
    return (stage,)


def few_prices(rng: random.Random) -> list[Input]:
    """Up to two dozen prices, a few late, one a bug, one unreadable."""
    return prices(rng, rng.randint(4, 24), bug=rng.random() < 0.3)


def prices(rng: random.Random, count: int, *, bug: bool) -> list[Input]:
    """Prices with what goes wrong with them; ``bug``: one is 13, on which the counting fold stumbles."""
    now, sent, out = START, list[RawQuote](), list[Input]()
    for number in range(count):
        now += rng.choice((SECOND, 7 * SECOND, MINUTE, 11 * MINUTE))
        at_ms = now // 1000
        back = rng.choice((0, 0, 0, 3 * SECOND, 4 * MINUTE, 3 * HOUR if rng.random() < 0.2 else 0))
        price = STUMBLES if bug and number == count // 3 else float(rng.randint(20, 99))
        one = RawQuote(
            source="yahoo",
            symbol=rng.choice(SYMBOLS),
            event_time=now - back,
            ingest_time=now,
            price=price,
            volume=float(rng.randint(0, 50)),
        )
        if sent and rng.random() < 0.1:
            again = rng.choice(sent)
            one = replace(again, price=again.price + rng.choice((0.0, 1.0)), ingest_time=now)
        if one.price != STUMBLES:  # three in a row would end every worker for good
            sent.append(one)
        out.append(fact(RAW_QUOTES, one.symbol, encode(one), at_ms, f"{one.symbol} {one.price} at {one.event_time}"))
        if rng.random() < 0.25:
            out.append(clock(RAW_QUOTES, Clock(kind="time", origin="yahoo/0", time=now - 1), at_ms))
        if number == count // 2 and rng.random() < 0.3:
            out.append(clock(RAW_QUOTES, Clock(kind="end", origin="yahoo/0"), at_ms))
    if rng.random() < 0.3:
        out.append(fact(RAW_QUOTES, "AAPL", b"\0\0\0\0\1broken", now // 1000, "unreadable"))
    out.append(clock(RAW_QUOTES, Clock(kind="time", origin="yahoo/0", time=now), now // 1000))
    out.append(clock(RAW_QUOTES, Clock(kind="end", origin="yahoo/0"), now // 1000))
    return out


COUNTING = Flow(
    name="counting",
    stages=counting_stages,
    inputs=few_prices,
    differences=same_logs((QUOTES, f"{RAW_QUOTES}.dlq")),
    stored=(QUOTES,),
)
