"""Random worlds of prices and mentions with all that can go wrong in time, and what the verifier says of them."""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from infra.settings import Settings
from moodtape.verify.account import Edge
from moodtape.verify.bars_again import BarsAgain
from moodtape.verify.buckets import Calendar
from moodtape.verify.correlations_again import CorrelationsAgain
from moodtape.verify.matching import Matching
from moodtape.verify.moods_again import MoodsAgain
from moodtape.verify.reading import Fact, Heard
from schemas.clocks import Blind, Clock, parse_clock
from schemas.codec import codec_for
from schemas.records import Mention, Quote, SourceBar
from schemas.topics import BARS, CORRELATIONS, MENTIONS, QUOTES, RAW_POSTS, RAW_QUOTES, SENTIMENT, partition_of
from streams import topology
from streams.engine.core import Entry
from streams.stage import Stage
from tests.helpers.world import PARTITIONS, World, run_history

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
START = 1_700_000_040 * SECOND
SYMBOLS = ("AAPL", "TSLA", "GME", "AMC")
PREFERENCE = ("yahoo", "simulator")
ZONE = "America/New_York"
WHOLE = {QUOTES: 0, BARS: 0, SENTIMENT: 0, MENTIONS: 0}


def world_of(seed: int, steps: int = 150, returns: bool = True) -> World:
    """Quotes and mentions as the first stages would have written them: late, corrected, deleted, moved; blind sources.

    ``returns``: sources are idle or at their end, and back.
    """
    rng = random.Random(seed)
    world, now = World(), START
    told: list[Mention] = []
    priced: list[Quote] = []
    for number in range(steps):
        now += rng.choice((SECOND, 20 * SECOND, MINUTE, 5 * MINUTE, HOUR if rng.random() < 0.05 else SECOND))
        back = rng.choice((0, 0, 0, 0, 3 * SECOND, 6 * MINUTE, 100 * MINUTE if rng.random() < 0.3 else 0))
        if rng.random() < 0.5:
            told.append(_mention(rng, number, now, back, told))
            _put(world, MENTIONS, told[-1])
        else:
            priced.append(_quote(rng, now, back, priced))
            _put(world, QUOTES, priced[-1])
        if rng.random() < 0.35:
            _tell(world, rng, now)
        if returns and rng.random() < 0.01:
            _tell(world, rng, now, rng.choice(("end", "idle")))
    _tell(world, rng, now)
    _tell(world, rng, now, "end")
    return world


def lived(seed: int, returns: bool) -> World:
    """A random world after its stages have read everything."""
    world = world_of(seed, 100, returns)
    run_history(world, stages_of(), seed, crashes=0.0 if returns else 0.1, most=17)
    return world


def stages_of() -> list[Stage]:
    """The stages that make figures."""
    settings = Settings(quote_sources=PREFERENCE)
    return [topology.bars(settings), topology.moods(settings), topology.correlations(settings)]


def _mention(rng: random.Random, number: int, now: int, back: int, told: Sequence[Mention]) -> Mention:
    chances = (rng.random(), rng.random(), rng.random()) if rng.random() < 0.8 else (0.4, 0.4, 0.2)
    scored = rng.random() < 0.8
    fresh = Mention(
        symbol=rng.choice(SYMBOLS),
        source=rng.choice(("x", "reddit")),
        post_id=f"p{number}",
        event_time=now - back,
        ingest_time=now - back + rng.choice((0, 0, 2 * SECOND, 10 * MINUTE)),
        author=rng.choice((None, "a", "b")),
        confidence=rng.choice((0.5, 0.9)),
        spam=rng.choice((0.0, 0.4, 0.6)),
        score=chances[0] - chances[1] if scored else None,
        positive=chances[0] if scored else None,
        negative=chances[1] if scored else None,
        neutral=chances[2] if scored else None,
        model=rng.choice(("m", "m", "l")) if scored else None,
        model_version="1" if scored else None,
        fingerprint=rng.choice((None, rng.getrandbits(63), 7 << rng.randint(0, 3))),
        words=tuple(rng.sample(("calls", "puts", "moon", "dip"), rng.randint(0, 3))),
        flags=("late",) if rng.random() < 0.03 else (),
    )
    if told and rng.random() < 0.2:
        old = rng.choice(told)
        place = {name: getattr(old, name) for name in ("symbol", "source", "post_id")}
        moved = fresh.event_time if rng.random() < 0.5 else old.event_time
        again = replace(fresh, **place, revision=old.revision + 1, event_time=moved, deleted=rng.random() < 0.4)
        return again if again.revision > max(m.revision for m in told if m.post_id == old.post_id) else fresh
    return fresh


def _quote(rng: random.Random, now: int, back: int, priced: Sequence[Quote]) -> Quote:
    width = rng.choice((0, 0, 0, 60, 300, 86_400))
    price = round(rng.uniform(1, 9), 2)
    bar = SourceBar(interval=width, open=price, high=price + 1, low=price / 2, volume=float(rng.randint(0, 9)))
    quote = Quote(
        source=rng.choice(PREFERENCE),
        symbol=rng.choice(SYMBOLS),
        event_time=now - back,
        ingest_time=now - back + rng.choice((0, 0, SECOND, 30 * MINUTE)),
        price=price,
        volume=rng.choice((None, 0.0, float(rng.randint(1, 50)))),
        bar=bar if width else None,
        flags=("late",) if rng.random() < 0.03 else (),
    )
    if priced and rng.random() < 0.1:
        old = priced[-1]
        return replace(old, price=price, revision=old.revision + 1, ingest_time=old.ingest_time + MINUTE)
    return quote


def _put(world: World, topic: str, record: Any) -> None:
    partition = partition_of(record.symbol, PARTITIONS)
    world.append(topic, partition, record.symbol.encode(), codec_for(topic).encode(record), [])


def _tell(world: World, rng: random.Random, now: int, kind: Any = "time") -> None:
    """Clocks of every upstream partition, some of them a little behind."""
    for partition in range(PARTITIONS):
        if kind == "time" or rng.random() < 0.7 or kind == "end":
            clock = Clock(kind=kind, origin=f"{RAW_QUOTES}/{partition}", time=now - rng.choice((0, 0, 2 * MINUTE)))
            world.append(QUOTES, partition, None, None, clock.headers())
        for upstream in range(PARTITIONS):
            blind = (Blind("x", now - 3 * MINUTE, now - MINUTE),) if rng.random() < 0.1 else ()
            clock = Clock(kind=kind, origin=f"{RAW_POSTS}/{upstream}", time=now, sources=("reddit", "x"), blind=blind)
            world.append(MENTIONS, partition, None, None, clock.headers())


def entries(log: Sequence[Entry], topic: str) -> list[Fact | Heard]:
    """A log as the verifier reads it."""
    found: list[Fact | Heard] = []
    for entry in log:
        clock = parse_clock(entry.headers)
        if clock is not None:
            found.append(Heard(entry.offset, clock))
        else:
            record = codec_for(topic).decode(entry.value)
            found.append(Fact(entry.offset, record, entry.key, entry.value, entry.headers))
    return found


def judge_of(output: str, edge: Edge, partition: int, matching: Callable[..., Matching[Any]] = Matching) -> Any:
    """The verifier's judge of one output topic."""
    if output == BARS:
        return BarsAgain(edge, partition, Calendar(ZONE), PREFERENCE, WHOLE, matching)
    if output == SENTIMENT:
        return MoodsAgain(edge, Calendar(ZONE), (), True, partitions=PARTITIONS, matching=matching)
    return CorrelationsAgain(edge, partition, True, matching)


INPUTS = {BARS: (QUOTES,), SENTIMENT: (MENTIONS,), CORRELATIONS: (BARS, SENTIMENT)}


def verdict(
    world: World,
    output: str,
    parts: int = 1,
    tamper: Callable[[list[Fact]], list[Fact]] = lambda facts: facts,
    matching: Callable[..., Matching[Any]] = Matching,
) -> Edge:
    """What the verifier says of an output topic, fed in parts, after each partition's output was tampered with."""
    edge = Edge(output)
    for partition in range(PARTITIONS):
        judge = judge_of(output, edge, partition, matching)
        went = {topic: entries(world.logs[topic, partition], topic) for topic in INPUTS[output]}
        came = tamper([fact for fact in entries(world.logs[output, partition], output) if isinstance(fact, Fact)])
        for part in range(parts):
            for topic, log in went.items():
                for entry in log[len(log) * part // parts : len(log) * (part + 1) // parts]:
                    judge.take(topic, entry, True)
            for fact in came[len(came) * part // parts : len(came) * (part + 1) // parts]:
                judge.find(fact, 1)
            judge.proceed()
        judge.settle(1, True)
    return edge
