"""Prices and moods of the simulator, as numbers: everything is a function of the seed and of the block's number.

Time is cut into blocks of 300 s. In each block every symbol has a mood ``u``, drawn anew, standard normal. Its
log return over the block is ``sigma z`` with ``z = s u(block - lag) + sqrt(1 - s^2) (c f + sqrt(1 - c^2) e)``:
``s`` is the planted strength, ``f`` one factor common to all symbols, ``e`` its own noise. ``sigma`` follows a
GARCH(1,1), so that wild blocks come in clusters. A positive lag: the mood leads the return.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BLOCK_SECONDS = 300
BLOCK = BLOCK_SECONDS * 1_000_000
COMMON = 0.4
ALPHA, BETA = 0.06, 0.92
BRIDGE = 0.35

Floats = NDArray[np.float64]

_MOODS, _NOISE, _TICKS, _POSTS = range(4)
# Lags reach before the first block.
_OFFSET = 1 << 32


@dataclass(frozen=True, slots=True)
class Plant:
    """What is planted for one symbol.

    Attributes:
        symbol: as in the facts.
        name: of the company.
        lag: in blocks of 300 s; positive = mood leads the return, negative = it follows.
        strength: correlation of the hidden mood with the standardised return, 0 = none.
        price: at the start.
        volatility: standard deviation of a block's log return, in the long run.
    """

    symbol: str
    name: str
    lag: int
    strength: float
    price: float
    volatility: float


@dataclass(frozen=True, slots=True)
class Block:
    """One block of all symbols, arrays of shape (symbols,) or (symbols, ticks).

    Attributes:
        moods: hidden moods, standard normal.
        returns: log returns over the block.
        offsets: microseconds of each tick after the block's start, within (0, 300 s], ascending.
        prices: of each tick, unrounded; the last one carries the whole return.
        half_spreads: of each tick, in the unit of the prices.
        sizes: of each tick, shares.
    """

    moods: Floats
    returns: Floats
    offsets: NDArray[np.int64]
    prices: Floats
    half_spreads: Floats
    sizes: Floats


class Market:
    """The simulated market; blocks are taken in order from 0.

    Args:
        seed: of everything.
        plants: one a symbol.
        ticks: of each symbol in a block.
    """

    def __init__(self, seed: int, plants: Sequence[Plant], ticks: int) -> None:
        self._seed = seed
        self._ticks = ticks
        self._lags = np.array([plant.lag for plant in plants])
        self._strength = np.array([plant.strength for plant in plants])
        self._base = np.array([plant.volatility for plant in plants]) ** 2
        self._variance = self._base.copy()
        self._log_price = np.log([plant.price for plant in plants])
        self._distinct = sorted({plant.lag for plant in plants})
        self.block_number = 0

    def moods(self, block: int) -> Floats:
        """Hidden moods of a block, (symbols,)."""
        return self.random(_MOODS, block).standard_normal(len(self._lags))

    def random(self, stream: int, block: int) -> np.random.Generator:
        """Random numbers of one block, the same whatever was drawn before."""
        counter = [0, 0, block + _OFFSET, 0]
        return np.random.Generator(np.random.Philox(key=[self._seed, stream], counter=counter))

    def post_random(self, block: int) -> np.random.Generator:
        """Random numbers for the posts of a block."""
        return self.random(_POSTS, block)

    def skip(self, blocks: int) -> None:
        """Go on by so many blocks without their ticks."""
        for _ in range(blocks):
            self._returns()

    def next(self) -> Block:
        """The next block, whole."""
        number, before = self.block_number, self._log_price.copy()
        sigma = np.sqrt(self._variance)
        returns = self._returns()
        random = self.random(_TICKS, number)
        shape = (len(self._lags), self._ticks)
        paths = before[:, None] + self._paths(returns, sigma, random.standard_normal(shape))
        prices = np.exp(paths)
        return Block(
            moods=self.moods(number),
            returns=returns,
            offsets=self._offsets(random.random(shape)),
            prices=prices,
            half_spreads=prices * 1e-4 * (0.5 + random.random(shape)),
            sizes=np.ceil(100 * np.exp(random.standard_normal(shape)) * (1 + np.abs(returns / sigma))[:, None]),
        )

    def _returns(self) -> Floats:
        number = self.block_number
        random = self.random(_NOISE, number)
        common, own = random.standard_normal(), random.standard_normal(len(self._lags))
        rest = COMMON * common + np.sqrt(1 - COMMON**2) * own
        z = self._strength * self._leading(number) + np.sqrt(1 - self._strength**2) * rest
        returns: Floats = np.sqrt(self._variance) * z
        self._variance = (1 - ALPHA - BETA) * self._base + ALPHA * returns**2 + BETA * self._variance
        self._log_price = self._log_price + returns
        self.block_number = number + 1
        return returns

    def _leading(self, number: int) -> Floats:
        """The mood that moves each symbol's return in this block: that of ``lag`` blocks before."""
        moved = np.empty(len(self._lags))
        for lag in self._distinct:
            chosen = self._lags == lag
            moved[chosen] = self.moods(number - lag)[chosen]
        return moved

    def _paths(self, returns: Floats, sigma: Floats, noise: Floats) -> Floats:
        share = np.arange(1, self._ticks + 1) / self._ticks
        walk = np.cumsum(noise, axis=1) * (BRIDGE * sigma / np.sqrt(self._ticks))[:, None]
        bridge = walk - share * walk[:, -1:]
        paths: Floats = returns[:, None] * share + bridge
        return paths

    def _offsets(self, uniform: Floats) -> NDArray[np.int64]:
        step = BLOCK // self._ticks
        ends = np.arange(1, self._ticks + 1) * step
        offsets: NDArray[np.int64] = ends - (uniform * 0.9 * step).astype(np.int64)
        return offsets
