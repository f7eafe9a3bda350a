"""The simulator: a market and its crowd, made from a seed, with a relation between them that we know.

It trades round the clock. Posts grow fewer between 03:00 and 07:00 UTC. Event times begin at a fixed moment, so the
same options give the same facts, whatever the pace and however often it was killed. What was planted is written to
``<data_dir>/simulator-ledger.json``.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from infra.clock import MICROS, to_rfc3339
from infra.errors import UserError
from schemas.records import RawPost, RawQuote

from .pacing import Pacing
from .simulated_crowd import SOURCE, Crowd, writer_hashes
from .simulated_market import BLOCK, BLOCK_SECONDS, Block, Market, Plant
from .source import Event, Fact

INSTANCE = "0"
DEFAULT_START = 1_735_689_600_000_000  # 2025-01-01T00:00:00Z
DAY = 86_400 * MICROS
LEDGER = "simulator-ledger.json"
MAX_SYMBOLS = 10_000
MAX_DAYS = 36_500

_PLANTED: tuple[Plant, ...] = (
    Plant("TSLA", "Tesla", 1, 0.85, 240.0, 0.0022),
    Plant("AAPL", "Apple", 2, 0.8, 190.0, 0.0012),
    Plant("NVDA", "NVIDIA", -1, 0.8, 480.0, 0.0020),
    Plant("GME", "GameStop", 3, 0.85, 25.0, 0.0035),
    Plant("AMZN", "Amazon", 0, 0.7, 150.0, 0.0014),
    Plant("MSFT", "Microsoft", -2, 0.7, 370.0, 0.0011),
    Plant("AMC", "AMC Entertainment", 1, 0.5, 40.0, 0.0040),
    Plant("INTC", "Intel", 0, 0.0, 45.0, 0.0015),
)
_STRENGTHS = (0.8, 0.6, 0.0)
_QUIET_HOURS = range(3, 7)
_QUIET = 0.25
_CHATTER_SHARE = 0.15
_REPOST_SHARE = 0.04


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatorOptions:
    """What to simulate.

    Attributes:
        symbols: how many, 1 to 10,000.
        seed: everything random follows from it.
        start: first event time, microseconds UTC.
        preload_days: so much event time comes at full speed.
        days: so much event time in all; None = no end.
        speed: event seconds in a wall second after the preload; None = as fast as it goes.
        tick_seconds: mean time between two quotes of a symbol.
        posts_per_hour: mean number of posts about a symbol.
    """

    symbols: int = 8
    seed: int = 1
    start: int = DEFAULT_START
    preload_days: float = 2.0
    days: float | None = None
    speed: float | None = 60.0
    tick_seconds: int = 15
    posts_per_hour: float = 24.0

    def check(self) -> None:
        """Refuse what makes no sense.

        Raises:
            UserError: the message names the option.
        """
        if not 1 <= self.symbols <= MAX_SYMBOLS:
            raise UserError(f"--symbols {self.symbols}: give 1 to {MAX_SYMBOLS}")
        if not 0 <= self.seed < 2**63:
            raise UserError(f"--seed {self.seed}: give a whole number from 0")
        if not (0 <= self.preload_days <= MAX_DAYS and (self.days is None or 0 < self.days <= MAX_DAYS)):
            raise UserError(f"--preload-days and --days: give numbers from 0 to {MAX_DAYS}, --days above 0")
        if self.days is None and self.speed is None:
            raise UserError("--speed max needs --days: without an end it would fill the disk")
        if self.start % BLOCK:
            raise UserError(f"--start {to_rfc3339(self.start)}: give a moment on a full five minutes")


def planted(symbols: int) -> tuple[Plant, ...]:
    """What is planted for each symbol: eight known ones by hand, then made-up ones ``ZQAAA``, ``ZQAAB`` ..."""
    return (*_PLANTED[:symbols], *(_made_up(number) for number in range(symbols - len(_PLANTED))))


def _made_up(number: int) -> Plant:
    letters = "".join(chr(ord("A") + number // 26**power % 26) for power in (2, 1, 0))
    symbol = f"ZQ{letters}"
    lag = number % 7 - 3
    return Plant(symbol, symbol, lag, _STRENGTHS[number % 3], 20.0 + number % 180, 0.001 + 0.0005 * (number % 5))


class SimulatorSource:
    """The simulator as a source.

    Args:
        options: what to simulate.

    Raises:
        UserError: an option makes no sense.
    """

    live = False
    origin = f"{SOURCE}/{INSTANCE}"

    def __init__(self, options: SimulatorOptions) -> None:
        options.check()
        self.options = options
        self.plants = planted(options.symbols)
        self.begins: int | None = options.start
        self._ticks = max(1, BLOCK_SECONDS // options.tick_seconds)
        self._writers = writer_hashes(options.seed)
        said = (options.symbols, options.seed, options.start, self._ticks, options.posts_per_hour)
        self._digest = hashlib.sha256(repr(said).encode()).hexdigest()[:16]

    @property
    def blocks(self) -> int | None:
        """How many blocks there are in all, None = no end."""
        days = self.options.days
        return None if days is None else max(1, round(days * DAY / BLOCK))

    def events(self, position: str | None) -> Iterator[Event]:
        """Facts and clocks from a position on.

        Raises:
            UserError: the topics hold a simulation with other options.
        """
        start = (0, 0) if position is None else self._parse(position)
        preloaded = self.options.start + int(self.options.preload_days * DAY)
        return Pacing(self._write, self.options.speed, preloaded).events(self._facts(*start), start)

    def ledger(self) -> dict[str, Any]:
        """What is planted, as JSON values."""
        return {
            "seed": self.options.seed,
            "start": to_rfc3339(self.options.start),
            "bar_seconds": BLOCK_SECONDS,
            "meaning": "lag in bars; positive: mood leads the return; strength: correlation of hidden mood and return",
            "symbols": [asdict(plant) for plant in self.plants],
        }

    def write_ledger(self, data_dir: Path) -> Path:
        """Write the ledger into the data folder."""
        path = data_dir / LEDGER
        data_dir.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.ledger(), indent=1) + "\n", "utf-8")
        return path

    def _write(self, position: Sequence[int]) -> str:
        return ":".join([self._digest, *map(str, position)])

    def _parse(self, position: str) -> tuple[int, int]:
        digest, block, done = position.split(":")
        if digest != self._digest:
            raise UserError(
                "the topics hold a simulation with other options (symbols, seed, start, rates); "
                "give the same ones, or topics of its own with --data-dir"
            )
        return int(block), int(done)

    def _facts(self, first: int, done: int) -> Iterator[Fact]:
        """Facts in order of event time; a position is (block, facts of it that are done)."""
        market = Market(self.options.seed, self.plants, self._ticks)
        market.skip(first)
        while self.blocks is None or market.block_number < self.blocks:
            number = market.block_number
            records = self._block(market, number)
            for count, record in enumerate(records[done:], done + 1):
                yield Fact(record, (number, count))
            done = 0

    def _block(self, market: Market, number: int) -> list[RawQuote | RawPost]:
        block, start = market.next(), self.options.start + number * BLOCK
        records: list[RawQuote | RawPost] = [*self._quotes(block, number, start), *self._posts(market, block, number)]
        records.sort(key=lambda record: record.event_time)
        return records

    def _quotes(self, block: Block, number: int, start: int) -> Iterator[RawQuote]:
        times = (block.offsets + start).tolist()
        prices, spreads, sizes = block.prices.tolist(), block.half_spreads.tolist(), block.sizes.tolist()
        first = number * self._ticks
        for plant, *row in zip(self.plants, times, prices, spreads, sizes, strict=True):
            for tick, (time, price, spread, size) in enumerate(zip(*row, strict=True)):
                yield RawQuote(
                    source=SOURCE,
                    symbol=plant.symbol,
                    event_time=time,
                    ingest_time=time,
                    price=round(price, 4),
                    volume=size,
                    bid=round(price - spread, 4),
                    ask=round(price + spread, 4),
                    bid_size=100.0,
                    ask_size=100.0,
                    currency="USD",
                    session="REGULAR",
                    sequence=first + tick,
                )

    def _posts(self, market: Market, block: Block, number: int) -> list[RawPost]:
        random = market.post_random(number)
        start = self.options.start + number * BLOCK
        rate = self.options.posts_per_hour / (3600 / BLOCK_SECONDS) * self._activity(start)
        counts = random.poisson(rate * np.exp(0.35 * (np.abs(block.moods) - 0.8)))
        topics = [index for index, count in enumerate(counts.tolist()) for _ in range(count)]
        idle = int(random.poisson(rate * len(self.plants) * _CHATTER_SHARE))
        crowd = Crowd(self.options.seed, self._writers, random, number, start)
        posts = [crowd.about(self.plants[index], float(block.moods[index])) for index in topics]
        posts += [crowd.chatter() for _ in range(idle)]
        reposts = random.random(len(posts)) < _REPOST_SHARE
        return posts + [crowd.repost(post) for post, repeated in zip(posts, reposts, strict=True) if repeated]

    @staticmethod
    def _activity(start: int) -> float:
        return _QUIET if start // (3600 * MICROS) % 24 in _QUIET_HOURS else 1.0
