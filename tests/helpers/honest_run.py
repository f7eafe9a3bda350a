"""A small run of the real folds in memory, from raw facts to correlations, and the way of its logs onto a broker.

Names of symbols begin with what they have: ``B`` prices, ``Q`` prices whose bars are still open at the end, ``N`` and
``M`` posts, ``C`` both, for half an hour.
"""

import random
from collections.abc import Iterator, Sequence
from typing import Any

from infra.instruments import InstrumentTable
from infra.settings import Settings
from schemas.clocks import Clock
from schemas.codec import codec_for
from schemas.records import Instrument, RawPost, RawQuote, SentimentScore
from schemas.topics import PARTITIONS, RAW_POSTS, RAW_QUOTES, TOPICS, partition_of
from streams import topology
from streams.engine.core import Entry, PartitionCore
from streams.stage import Stage
from tests.helpers.sinking import Writer
from tests.helpers.world import World

SECOND = 1_000_000
MINUTE = 60 * SECOND
BEGIN = 1_650_002_400 * SECOND
"""The beginning of an hour and of a five-minute bucket."""
MINUTES, LAST = 30, 150
ORIGIN = "simulator/1"
LATE_SYMBOL_PREFIX = "BSTALE"


def honest_run(symbols: Sequence[str]) -> World:
    """What the stages make of half an hour of some symbols; the days stay open."""
    rng = random.Random(7)
    world = World()
    texts: dict[str, SentimentScore] = {}
    for minute in range(MINUTES):
        for symbol in symbols:
            if minute < 3 or symbol[0] in "BC":
                _feed(world, rng, symbol, minute, texts)
        if minute % 5 == 4:
            _tell(world, BEGIN + (minute + 1) * MINUTE)
        if minute == 10:
            for symbol in symbols:
                if symbol.startswith(LATE_SYMBOL_PREFIX):
                    put(world, RAW_QUOTES, price_of(rng, symbol, 0))
    _tell(world, BEGIN + LAST * MINUTE)
    for stage in _stages(symbols):
        _run(world, stage, texts)
    return world


def _feed(world: World, rng: random.Random, symbol: str, minute: int, texts: dict[str, SentimentScore]) -> None:
    if symbol[0] in "QBCK":
        put(world, RAW_QUOTES, price_of(rng, symbol, minute + (LAST + 1 if symbol[0] == "Q" else 0)))
    if symbol[0] in "NMC":
        for number in range(rng.randint(1, 3) if symbol[0] == "C" else 1):
            post = _post(rng, symbol, f"{symbol.lower()}-{minute}-{number}", minute)
            texts[post.text] = _score(rng)
            put(world, RAW_POSTS, post)


def price_of(rng: random.Random, symbol: str, minute: int) -> RawQuote:
    """A price in a minute, first seen two minutes later."""
    time = BEGIN + minute * MINUTE + rng.randrange(1, MINUTE)
    price = round(rng.uniform(9, 11), 4)
    return RawQuote(
        source="simulator", symbol=symbol, event_time=time, ingest_time=time + 2 * MINUTE, price=price, volume=3.0
    )


def _post(rng: random.Random, symbol: str, post_id: str, minute: int) -> RawPost:
    time = BEGIN + minute * MINUTE + rng.randrange(1, MINUTE)
    text = " ".join("".join(rng.choices("abcdefghij", k=7)) for _ in range(12))
    return RawPost(
        source="reddit", post_id=post_id, event_time=time, ingest_time=time, author=f"a-{post_id}",
        url=f"u-{post_id}", text=text, symbols=(symbol,),
    )  # fmt: skip


def _score(rng: random.Random) -> SentimentScore:
    positive, negative = rng.uniform(0, 0.5), rng.uniform(0, 0.5)
    chances = {"positive": positive, "negative": negative, "neutral": 1 - positive - negative}
    return SentimentScore(
        **chances, score=positive - negative, label=max(chances, key=lambda name: chances[name]), model="m",
        model_version="1",
    )  # fmt: skip


def put(world: World, topic: str, record: Any) -> None:
    """Append a fact where it belongs."""
    key = TOPICS[topic].key(record)
    world.append(topic, partition_of(key, TOPICS[topic].partitions), key.encode(), codec_for(topic).encode(record), [])


def _tell(world: World, moment: int) -> None:
    for topic in (RAW_QUOTES, RAW_POSTS):
        for partition in range(PARTITIONS):
            world.append(topic, partition, None, None, Clock(kind="time", origin=ORIGIN, time=moment).headers())


def _stages(symbols: Sequence[str]) -> Iterator[Stage]:
    settings = Settings(quote_sources=("simulator",), post_sources=("simulator",))
    table = InstrumentTable([Instrument(symbol=symbol) for symbol in symbols])

    async def nobody(texts: Sequence[str]) -> dict[str, Any]:
        raise AssertionError("the answers are given")

    yield topology.quotes(settings, table)
    yield topology.bars(settings)
    yield topology.posts(settings, table, nobody)
    yield topology.moods(settings)
    yield topology.correlations(settings)


def _run(world: World, stage: Stage, answers: dict[str, SentimentScore]) -> None:
    """One stage over all partitions: first all of one input, then all of the next."""
    for partition in range(PARTITIONS):
        core = PartitionCore(stage, partition, now=lambda: 0)
        for topic in stage.inputs:
            log = list(world.logs[topic, partition])
            for output in core.run(log, core.decode(log), answers):
                home = output.partition
                home = partition_of((output.key or b"").decode()) if home is None else home
                world.append(output.topic, home, output.key, output.value, output.headers)


def records(log: Sequence[Entry], topic: str) -> Iterator[tuple[int, Any]]:
    """The facts of a log with their places."""
    for place, entry in enumerate(log):
        if entry.value is not None:
            yield place, codec_for(topic).decode(entry.value)


def write(world: World, bootstrap: str) -> None:
    """Put all logs onto a broker, in one transaction, so that offsets are places in the logs."""
    writer = Writer(bootstrap)
    with writer.transaction():
        for (topic, partition), log in world.logs.items():
            for entry in log:
                writer.put(topic, partition, entry.key, entry.value, entry.headers)
