"""The flows of our own stages: prices alone, and everything."""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Any

from infra.instruments import shipped_table
from infra.settings import Settings
from schemas.clocks import Clock
from schemas.codec import codec_for, encode
from schemas.records import RawPost, RawQuote
from schemas.topics import BARS, CORRELATIONS, MENTIONS, POSTS, QUOTES, RAW_POSTS, RAW_QUOTES, SENTIMENT
from streams import topology
from streams.engine.watermarks import IDLE_AFTER_MS
from streams.stage import Stage

from .broker import PARTITIONS
from .counting import prices
from .flows import Flow, Logs, answer, same_logs
from .inputs import HOUR, MINUTE, SECOND, START, SYMBOLS, Input, clock, fact
from .joining import each_once


@cache
def price_stages() -> Sequence[Stage]:
    """Quotes and bars, as the topology has them."""
    return topology.quotes(Settings(), shipped_table()), topology.bars(Settings())


async def _ask(questions: Sequence[str]) -> Mapping[str, Any]:
    return answer(questions)


@cache
def five_stages() -> Sequence[Stage]:
    """The whole topology."""
    settings, instruments = Settings(), shipped_table()
    stages = (topology.posts(settings, instruments, _ask), topology.moods(settings), topology.correlations(settings))
    return (*price_stages(), *stages)


def prices_and_posts(rng: random.Random) -> list[Input]:
    """Prices and posts about them, nothing later than the lateness; all arrives so fast that no origin idles."""
    now, out = START, list[Input]()
    for number in range(rng.randint(8, 30)):
        now += rng.choice((5 * SECOND, 40 * SECOND, 4 * MINUTE))
        out += _price(rng, now) if rng.random() < 0.5 else _post(rng, now, number)
        if rng.random() < 0.3:
            out += _some("time", now, "x/0")
    out += [*_some("time", now + HOUR, "x/0"), *(_some("end", 0, "x/0") if rng.random() < 0.8 else ())]
    return [replace(each, at_ms=START // 1000 + place) for place, each in enumerate(out)]


def _price(rng: random.Random, now: int) -> list[Input]:
    symbol, price, time = rng.choice(SYMBOLS[:2]), float(rng.randint(20, 99)), now - rng.choice((0, 0, 3 * SECOND))
    one = RawQuote(source="yahoo", symbol=symbol, event_time=time, ingest_time=now, price=price)
    return [fact(RAW_QUOTES, symbol, encode(one), now // 1000, f"{symbol} {price} at {time}")]


def _post(rng: random.Random, now: int, number: int) -> list[Input]:
    words = " ".join(rng.sample(("moon", "dip", "calls", "puts", "squeeze", "bank"), 3))
    named = " and ".join(f"${symbol}" for symbol in rng.sample(SYMBOLS[:2], rng.choice((1, 1, 2))))
    one = RawPost(
        source="x",
        post_id=str(number),
        event_time=now - rng.choice((0, 0, MINUTE)),
        ingest_time=now,
        author=rng.choice((None, "a", "b")),
        text=f"{named} {words}",
    )
    edited = replace(one, revision=1, text=f"$TSLA {words}", deleted=rng.random() < 0.3)
    revisions = [one, *([one] if rng.random() < 0.1 else []), *([edited] if rng.random() < 0.2 else [])]
    key = f"{one.source}:{one.post_id}"
    return [fact(RAW_POSTS, key, encode(r), now // 1000, f"post {key} {r.revision} {r.text!r}") for r in revisions]


def same_answers(plain: Logs, wild: Logs) -> list[str]:
    """Prices to the byte; posts and mentions in any order; the last revision of moods; correlations by their keys."""
    out = same_logs((QUOTES, BARS))(plain, wild)
    for topic in (POSTS, MENTIONS, SENTIMENT, CORRELATIONS):
        wanted, found = _by_identity(topic, plain), _by_identity(topic, wild)
        out += [
            f"{topic}: {key} is {found.get(key)} and should be {wanted.get(key)}"
            for key in sorted(wanted.keys() | found.keys(), key=repr)
            if wanted.get(key) != found.get(key)
        ][:3]
    return out


def _by_identity(topic: str, logs: Logs) -> dict[Any, Any]:
    facts = [e.value for n in range(PARTITIONS) for e in logs.get((topic, n), ()) if e.value is not None]
    if topic in (POSTS, MENTIONS):
        return Counter(facts)
    found: dict[Any, Any] = {}
    for value in facts:
        record = codec_for(topic).decode(value)
        names = ("symbol", "interval", "event_time", "window", "pair", "method")
        key = tuple(getattr(record, name, None) for name in names)
        if key in found and topic == CORRELATIONS:
            found[key, "again"] = record
        found[key] = replace(record, revision=0)
    return found


def many_prices(rng: random.Random) -> list[Input]:
    """Prices over hours: disorder, late ones, duplicates, corrections."""
    return prices(rng, rng.randint(10, 40), bug=False)


def returning_sources(rng: random.Random) -> list[Input]:
    """Prices and posts whose sources end, fall silent for as long as makes them idle, and come back."""
    return _interrupted(rng, ends=0.15, start=START, silence=0)[0]


def sources_in_turn(rng: random.Random) -> list[Input]:
    """The same, but that one ends only with the other, and the next ones are of another day and begin with a clock."""
    parts, start, late = list[Input](), START, 0
    for turn in range(rng.randint(1, 3)):
        opening = [replace(each, at_ms=START // 1000 + late) for each in _both("time", start - 1)]
        part, start, late = _interrupted(rng, ends=0.0, start=start, silence=late, first=100 * turn)
        parts += [*opening, *part]
        start += 48 * HOUR
    return parts


def _interrupted(
    rng: random.Random, ends: float, start: int, silence: int, first: int = 0
) -> tuple[list[Input], int, int]:
    """One part, the time and the silence at its end; posts are numbered from ``first`` on."""
    now, out = start, list[Input]()
    for number in range(first, first + rng.randint(8, 24)):
        now += rng.choice((5 * SECOND, 40 * SECOND, 4 * MINUTE, rng.choice((MINUTE, 2 * HOUR))))
        some = _price(rng, now) if rng.random() < 0.6 else _post(rng, now, number)
        if rng.random() < 0.5:
            some += _some("time", now, rng.choice(("x/0", "x/0", "yahoo/0")))
        if rng.random() < ends:
            some += _some("end", 0, rng.choice(("x/0", "x/0", "yahoo/0")))
        if rng.random() < 0.15:
            silence += IDLE_AFTER_MS + 1
            some += _some("tick", 0, "x/0")
        out += [replace(each, at_ms=START // 1000 + silence) for each in some]
    last = [*_both("time", now), *_both("end", 0)]
    return out + [replace(each, at_ms=START // 1000 + silence) for each in last], now, silence


def _both(kind: Any, time: int) -> list[Input]:
    return [each for origin in ("x/0", "yahoo/0") for each in _some(kind, time, origin)]


def _some(kind: Any, time: int, origin: str) -> list[Input]:
    return [clock(topic, Clock(kind=kind, origin=origin, time=time), 0) for topic in (RAW_QUOTES, RAW_POSTS)]


def same_prices_and_each_once(plain: Logs, wild: Logs) -> list[str]:
    """Prices to the byte; a correlation once."""
    return same_logs((QUOTES, BARS))(plain, wild) + each_once(plain, wild)


PRICES = Flow(
    name="prices",
    stages=price_stages,
    inputs=many_prices,
    differences=same_logs((QUOTES, BARS, f"{RAW_QUOTES}.dlq")),
    stored=(BARS,),
)
_five = partial(Flow, stages=five_stages, stored=(BARS, SENTIMENT, CORRELATIONS))
WHOLE = _five(name="whole", inputs=prices_and_posts, differences=same_answers)
TURNS = _five(name="turns", inputs=sources_in_turn, differences=same_answers)
RETURNING = _five(name="returning", inputs=returning_sources, differences=same_prices_and_each_once)
