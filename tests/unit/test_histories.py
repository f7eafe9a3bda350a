"""Thousands of histories: whatever the chunks, the crashes and the order of work, the committed outputs are the same.

The worlds of ``tests/helpers/world.py`` run the real cores and folds. Five mutants show that the histories
would tell: each breaks one thing on purpose and is caught.
"""

import os
import random
from collections.abc import Iterator
from dataclasses import replace

import pytest

from infra.grid import Grid
from infra.instruments import InstrumentTable, shipped_table
from infra.settings import Settings
from schemas.clocks import Clock, Headers
from schemas.codec import codec_for, encode
from schemas.records import Mention, RawQuote
from schemas.topics import BARS, CORRELATIONS, MENTIONS, QUOTES, RAW_POSTS, RAW_QUOTES, SENTIMENT
from streams import topology
from streams.engine import core as core_module
from streams.engine import watermarks
from streams.engine.core import Output, PartitionCore
from streams.stage import Stage
from tests.helpers.world import PARTITIONS, Worker, World, run_history, run_plainly

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
START = 1_700_000_040 * SECOND
SYMBOLS = ("AAPL", "TSLA", "GME", "AMC")
HISTORIES = int(os.environ.get("MOODTAPE_HISTORIES", "1500" if os.environ.get("CI") else "300"))


@pytest.fixture(autouse=True)
def _small_world(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core_module, "PARTITIONS", PARTITIONS)


@pytest.fixture(scope="module")
def instruments() -> InstrumentTable:
    """The shipped table."""
    return shipped_table()


def price_stages(instruments: InstrumentTable) -> list[Stage]:
    """Quotes and bars, as the topology has them."""
    settings = Settings()
    return [topology.quotes(settings, instruments), topology.bars(settings)]


def raw_quotes(seed: int, count: int = 60) -> World:
    """A log of raw prices: disorder within and beyond the lateness, very late ones, duplicates, corrections, ends."""
    rng = random.Random(seed)
    world = World()
    now, sent = START, []
    for number in range(count):
        now += rng.choice((SECOND, 7 * SECOND, MINUTE, 11 * MINUTE))
        back = rng.choice((0, 0, 0, 3 * SECOND, 4 * MINUTE, 3 * HOUR if rng.random() < 0.2 else 0))
        fact = RawQuote(
            source="yahoo",
            symbol=rng.choice(SYMBOLS),
            event_time=now - back,
            ingest_time=now,
            price=round(rng.uniform(1, 100), 2),
            volume=float(rng.randint(0, 50)),
        )
        if sent and rng.random() < 0.1:
            again = rng.choice(sent)
            fact = replace(again, price=again.price + rng.choice((0.0, 1.0)), ingest_time=now)
        sent.append(fact)
        put(world, RAW_QUOTES, fact.symbol, encode(fact))
        if rng.random() < 0.2:
            tell(world, RAW_QUOTES, Clock(kind="time", origin="yahoo/0", time=now - 1))
        if number == count // 2 and rng.random() < 0.5:
            tell(world, RAW_QUOTES, Clock(kind="end", origin="yahoo/0"))
    put(world, RAW_QUOTES, "AAPL", b"\0\0\0\0\1broken")
    tell(world, RAW_QUOTES, Clock(kind="time", origin="yahoo/0", time=now))
    tell(world, RAW_QUOTES, Clock(kind="end", origin="yahoo/0"))
    return world


def put(world: World, topic: str, key: str, value: bytes) -> None:
    """A fact, to the partition of its key."""
    world.produce(Output(topic, None, key.encode(), value, []))


def tell(world: World, topic: str, clock: Clock) -> None:
    """A clock, to every partition."""
    headers: Headers = clock.headers()
    for partition in range(PARTITIONS):
        world.append(topic, partition, None, None, headers)


def outcome(world: World) -> list[object]:
    """All that a consumer of the price topics would see, clocks and dead letters included."""
    return [world.everything(topic) for topic in (QUOTES, BARS, f"{RAW_QUOTES}.dlq")]


@pytest.mark.timeout(1800)
def test_prices_are_the_same_in_every_history(instruments: InstrumentTable) -> None:
    """Quotes, bars with all revisions, their clocks and dead letters are a function of the raw log alone."""
    for seed in range(HISTORIES):
        stages = price_stages(instruments)
        plain, wild = raw_quotes(seed), raw_quotes(seed)
        run_plainly(plain, stages)
        run_history(wild, stages, seed, crashes=0.1, most=17)
        assert outcome(wild) == outcome(plain), f"seed {seed}"
        assert any(any(log) for log in plain.facts(BARS))


class CommitsEarly(Worker):
    """Commits offsets before outputs: a crash between the two loses the outputs."""

    def work(self) -> bool:
        moved = super().work()
        self.commit_offsets()
        return moved


class ForgetsSnapshots(Worker):
    """Keeps the first snapshot of a fold for ever while offsets go on: restores what is stale."""

    def restore(self) -> None:
        super().restore()
        for partition in range(PARTITIONS):
            stale = self.world.state[f"{self.stage.name}.stale", partition]
            for key, value in self.world.state[self.stage.name, partition].items():
                if key.startswith("fold:"):
                    stale.setdefault(key, value)
            core = PartitionCore(self.stage, partition, now=lambda: 0)
            core.load({**self.world.state[self.stage.name, partition], **stale})
            for topic in self.stage.inputs:
                end = self.world.offsets[self.stage.name, topic, partition]
                silent = self.world.logs[topic, partition][core.offsets.get(topic, 0) : end]
                core.run(silent, core.decode(silent), {})
                core.offsets[topic] = end
            self.cores[partition] = core


class LosesClocks(Worker):
    """Drops the last clock of a chunk that it should forward."""

    def commit(self) -> None:
        for item in self.done:
            clocks = [n for n, output in enumerate(item.outputs) if output.value is None]
            if len(clocks) > 1:
                item.outputs = [output for n, output in enumerate(item.outputs) if n != clocks[-1]]
        super().commit()


class SharesWatermarks(Worker):
    """Judges lateness by the greatest watermark of any partition."""

    def fold(self, topic: str, partition: int, chunk: list[object]) -> None:  # type: ignore[override]
        times = [core.watermark for core in self.cores.values() if core.watermark is not None]
        if times:
            self.cores[partition]._watermark.time = max(times)
        super().fold(topic, partition, chunk)  # type: ignore[arg-type]


def closes_too_late(monkeypatch: pytest.MonkeyPatch) -> type[Worker]:
    """The watermark must pass a bucket's end instead of reaching it."""
    rise = watermarks.Watermark._rise
    monkeypatch.setattr(watermarks.Watermark, "_rise", lambda self, candidate: rise(self, candidate - 1))
    return Worker


def mutants(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, type[Worker]]]:
    """Each broken in one way."""
    yield "commit early", CommitsEarly
    yield "lose a clock", LosesClocks
    yield "stale snapshot", ForgetsSnapshots
    yield "lateness across partitions", SharesWatermarks


def found_out(instruments: InstrumentTable, worker: type[Worker], references: list[list[object]]) -> bool:
    """Whether some history of a broken worker differs from the reference."""
    for seed, reference in enumerate(references):
        world = raw_quotes(seed)
        try:
            run_history(world, price_stages(instruments), seed, crashes=0.1, most=17, worker=worker)
        except (AssertionError, IndexError, KeyError, ValueError):
            return True
        if outcome(world) != reference:
            return True
    return False


def references(instruments: InstrumentTable, count: int) -> list[list[object]]:
    """What the unbroken code makes of the first seeds."""
    results = []
    for seed in range(count):
        world = raw_quotes(seed)
        run_plainly(world, price_stages(instruments))
        results.append(outcome(world))
    return results


def test_every_mutant_is_caught(instruments: InstrumentTable, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that is broken in any of five ways is told from a right one within forty histories."""
    right = references(instruments, 40)
    assert not found_out(instruments, Worker, right)
    for name, worker in mutants(monkeypatch):
        assert found_out(instruments, worker, right), name
    assert found_out(instruments, closes_too_late(monkeypatch), right), "closing at < instead of <="


def mood_world(seed: int) -> World:
    """Mentions and bars as their stages would have written them, nothing later than the lateness."""
    rng = random.Random(seed)
    world = World()
    now = START
    for number in range(70):
        now += rng.choice((5 * SECOND, 40 * SECOND, 4 * MINUTE))
        symbol = rng.choice(SYMBOLS)
        if rng.random() < 0.6:
            score = rng.uniform(-1, 1)
            mention = Mention(
                symbol=symbol,
                source="x",
                post_id=str(number),
                event_time=now,
                ingest_time=now,
                confidence=0.9,
                score=score,
                positive=max(score, 0.0),
                negative=max(-score, 0.0),
                neutral=1 - abs(score),
                label="positive",
                model="m",
                model_version="1",
                fingerprint=rng.getrandbits(62),
            )
            put(world, MENTIONS, symbol, codec_for(MENTIONS).encode(mention))
        else:
            price = RawQuote(source="yahoo", symbol=symbol, event_time=now, ingest_time=now, price=rng.uniform(1, 9))
            put(world, RAW_QUOTES, symbol, encode(price))
        if rng.random() < 0.3:
            tell(world, RAW_QUOTES, Clock(kind="time", origin="s/0", time=now))
            tell_moods(world, "time", now)
    tell(world, RAW_QUOTES, Clock(kind="end", origin="s/0"))
    tell_moods(world, "end", now)
    return world


def tell_moods(world: World, kind: str, time: int) -> None:
    """The clocks of every upstream partition."""
    for upstream in range(PARTITIONS):
        origin = f"{RAW_POSTS}/{upstream}"
        tell(world, MENTIONS, Clock(kind=kind, origin=origin, time=time, sources=("x",)))  # type: ignore[arg-type]


def test_moods_and_correlations_are_the_same_in_every_history(instruments: InstrumentTable) -> None:
    """With nothing later than the lateness, moods and correlations do not depend on chunks, crashes or interleaving."""
    settings = Settings()
    for seed in range(HISTORIES // 20):
        stages = [*price_stages(instruments), topology.moods(settings), topology.correlations(settings)]
        plain, wild = mood_world(seed), mood_world(seed)
        run_plainly(plain, stages)
        run_history(wild, stages, seed, crashes=0.1, most=17)
        assert wild.facts(SENTIMENT) == plain.facts(SENTIMENT), f"seed {seed}"
        assert by_key(wild.facts(CORRELATIONS)) == by_key(plain.facts(CORRELATIONS)), f"seed {seed}"
        assert any(any(log) for log in plain.facts(CORRELATIONS))


def by_key(logs: list[list[tuple[bytes | None, bytes | None]]]) -> list[list[tuple[bytes | None, bytes | None]]]:
    """The facts without the order in which symbols of one partition took turns."""
    return [sorted(log, key=repr) for log in logs]


def test_the_grid_of_the_tests_is_the_settings_one() -> None:
    """Bars of the histories lie on New York days."""
    assert Grid(Settings().day_zone).bucket(START, 60)[1] % MINUTE == 0
