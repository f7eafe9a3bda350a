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
from .simulated_market import BLOCK, BLOCK_SECONDS, Block, Market, Plant
from .simulated_texts import STYLES, Choose, Mood, about, chatter
from .source import Event, Fact

SOURCE = "simulator"
INSTANCE = "0"
DEFAULT_START = 1_735_689_600_000_000  # 2025-01-01T00:00:00Z
DAY = 86_400 * MICROS
LEDGER = "simulator-ledger.json"
MAX_SYMBOLS = 10_000

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
_WRITERS = 400
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
        if self.preload_days < 0 or (self.days is not None and self.days <= 0):
            raise UserError("--preload-days and --days: give numbers from 0")
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
        self._writers = _writers(options.seed)
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
        crowd = _Crowd(self, random, number, start)
        posts = [crowd.about(self.plants[index], float(block.moods[index])) for index in topics]
        posts += [crowd.chatter() for _ in range(idle)]
        reposts = random.random(len(posts)) < _REPOST_SHARE
        return posts + [crowd.repost(post) for post, repeated in zip(posts, reposts, strict=True) if repeated]

    @staticmethod
    def _activity(start: int) -> float:
        return _QUIET if start // (3600 * MICROS) % 24 in _QUIET_HOURS else 1.0

    def writer(self, number: int) -> str:
        """The hash that stands for a writer."""
        return self._writers[number]


class _Crowd:
    """Writes the posts of one block."""

    def __init__(self, source: SimulatorSource, random: np.random.Generator, block: int, start: int) -> None:
        self._source = source
        self._random = random
        self._block = block
        self._start = start
        self._count = 0
        self._choose: Choose = lambda below: int(random.integers(below))

    def about(self, plant: Plant, mood: float) -> RawPost:
        """A post about one instrument in its hidden mood, or nearly so."""
        felt = 1.6 * mood + 0.6 * float(self._random.standard_normal())
        label: Mood = "positive" if felt > 0.35 else "negative" if felt < -0.35 else "neutral"
        writer = self._choose(_WRITERS)
        style = STYLES[writer % len(STYLES)]
        text = about(style, label, plant.symbol, plant.name, self._choose)
        symbols = (plant.symbol,) if style.tags else ()
        return self._post(self._moment(1), text, writer, style.community, symbols)

    def chatter(self) -> RawPost:
        """A post about nothing."""
        writer = self._choose(_WRITERS)
        return self._post(self._moment(1), chatter(self._choose), writer, STYLES[writer % len(STYLES)].community, ())

    def repost(self, post: RawPost) -> RawPost:
        """Somebody else's copy of a post, later in the same block."""
        after = post.event_time - self._start
        text = f"RT: {post.text}"
        return self._post(
            self._moment(after), text, self._choose(_WRITERS), post.community, post.symbols, repost_of=post.post_id
        )

    def _moment(self, after: int) -> int:
        return self._start + after + int(self._random.integers(0, BLOCK - after + 1))

    def _post(
        self,
        moment: int,
        text: str,
        writer: int,
        community: str | None,
        symbols: tuple[str, ...],
        repost_of: str | None = None,
    ) -> RawPost:
        self._count += 1
        return RawPost(
            source=SOURCE,
            post_id=f"{self._source.options.seed}-{self._block}-{self._count}",
            event_time=moment,
            ingest_time=moment,
            author=self._source.writer(writer),
            text=text,
            community=community,
            language="en",
            repost_of=repost_of,
            likes=self._choose(40),
            symbols=symbols,
        )


def _writers(seed: int) -> tuple[str, ...]:
    return tuple(hashlib.sha256(f"{SOURCE}:{seed}:{number}".encode()).hexdigest()[:16] for number in range(_WRITERS))
