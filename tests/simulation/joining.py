"""The flow of the one stage with two inputs, whose origins end, go idle and come back at their own times."""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from infra.settings import Settings
from schemas.clocks import Clock
from schemas.codec import codec_for
from schemas.records import Bar, Indicators, Record, Sentiment
from schemas.topics import BARS, CORRELATIONS, MENTIONS, QUOTES, SENTIMENT
from streams import topology
from streams.stage import Stage

from .broker import PARTITIONS
from .flows import Flow, Logs
from .inputs import MINUTE, START, SYMBOLS, Input, fact

FIVE = 5 * MINUTE


@cache
def correlating_stage() -> Sequence[Stage]:
    """Correlations alone, as the topology has them."""
    return (topology.correlations(Settings()),)


def bars_and_moods(rng: random.Random) -> list[Input]:
    """Bars and moods as their stages would write them; each input ends, idles and comes back as it likes."""
    out, now = list[Input](), START - START % FIVE
    for _ in range(rng.randint(4, 16)):
        now += FIVE
        for topic, make in ((BARS, _bar), (SENTIMENT, _mood)):
            for symbol in SYMBOLS[: rng.randint(0, 2)]:
                record = make(rng, symbol, now)
                out.append(fact(topic, symbol, codec_for(topic).encode(record), 0, f"{topic} {symbol} {now}"))
            kind = rng.choice(("time", "time", "time", "end", "idle", None))
            out += [] if kind is None else _told(topic, kind, now)
    return [*out, *_told(BARS, "time", now), *_told(SENTIMENT, "time", now), *_told(BARS, "end", 0)] + (
        _told(SENTIMENT, "end", 0) if rng.random() < 0.7 else []
    )


def _bar(rng: random.Random, symbol: str, now: int) -> Record:
    change = Indicators(return_log=rng.uniform(-0.1, 0.1))
    return Bar(symbol=symbol, interval=300, start=now - FIVE, event_time=now, known_time=now, indicators=change)


def _mood(rng: random.Random, symbol: str, now: int) -> Record:
    return Sentiment(
        symbol=symbol, interval=60, start=now - MINUTE, event_time=now, known_time=now, score=rng.uniform(-1, 1),
        positive=1, mentions=1,
    )  # fmt: skip


def _told(topic: str, kind: Any, time: int) -> list[Input]:
    """The clock of the stage before, in every partition that origin's own."""
    upstream = {BARS: QUOTES, SENTIMENT: MENTIONS}[topic]
    return [
        Input(f"{topic}/{n} {kind} {time}", 0, ((topic, n),), None, None, told.headers())
        for n in range(PARTITIONS)
        for told in [Clock(kind=kind, origin=f"{upstream}/{n}", time=time)]
    ]


def each_once(plain: Logs, wild: Logs) -> list[str]:
    """No correlation is there twice."""
    names = ("symbol", "interval", "event_time", "window", "pair", "method")
    decode: Callable[[bytes], Any] = codec_for(CORRELATIONS).decode
    values = [e.value for n in range(PARTITIONS) for e in wild.get((CORRELATIONS, n), ()) if e.value is not None]
    found = Counter(tuple(getattr(decode(value), name) for name in names) for value in values)
    return [f"{CORRELATIONS}: {key} is there {count} times" for key, count in found.items() if count > 1][:3]


JOINING = Flow(
    name="joining",
    stages=correlating_stage,
    inputs=bars_and_moods,
    differences=each_once,
    stored=(CORRELATIONS,),
)
