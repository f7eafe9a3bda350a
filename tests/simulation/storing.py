"""The flow that tells what the sinks do: facts and clocks straight into the topic that they store."""

import random

from schemas.clocks import Clock
from schemas.codec import encode
from schemas.records import Quote
from schemas.topics import QUOTES

from .flows import Flow, same_logs
from .inputs import SECOND, START, SYMBOLS, Input, clock, fact


def few_quotes(rng: random.Random) -> list[Input]:
    """Up to 30 facts, some clocks between."""
    out: list[Input] = []
    for number in range(rng.randint(3, 30)):
        time, symbol = START + number * SECOND, rng.choice(SYMBOLS)
        one = Quote(source="yahoo", symbol=symbol, event_time=time, ingest_time=time, price=float(number + 1))
        out.append(fact(QUOTES, symbol, encode(one), time // 1000, f"{symbol} {one.price}"))
        if rng.random() < 0.3:
            out.append(clock(QUOTES, Clock(kind="time", origin="raw.quotes.v1/0", time=time), time // 1000))
    return out


STORING = Flow(name="storing", stages=lambda: (), inputs=few_quotes, differences=same_logs((QUOTES,)), stored=(QUOTES,))
