"""The job of W1, the same for every contender: EMA 20, mean and deviation of 20, a one-minute bar, by symbol."""

from collections import deque
from math import sqrt
from typing import NamedTuple

ALPHA = 2.0 / 21.0
MINUTE = 60_000_000
TOO_LATE = 5 * MINUTE


class Derived(NamedTuple):
    """What is known of a symbol after a quote."""

    ema20: float
    mean20: float
    deviation20: float
    count20: int
    bar_start: int
    open: float
    high: float
    low: float
    close: float
    volume: float


class SymbolState:
    """State of one symbol."""

    __slots__ = ("bar", "close", "ema", "high", "low", "newest", "open", "squares", "sum", "volume", "window")

    def __init__(self) -> None:
        self.ema: float | None = None
        self.window: deque[float] = deque()
        self.sum = self.squares = 0.0
        self.newest, self.bar = 0, -1
        self.open = self.high = self.low = self.close = self.volume = 0.0


class Job:
    """Folds quotes; rejects unknown symbols, impossible prices, and what is five minutes late."""

    def __init__(self, symbols: tuple[str, ...]) -> None:
        self.known = frozenset(symbols)
        self.states: dict[str, SymbolState] = {}

    def fold(self, symbol: str, moment: int, price: float, size: float) -> Derived | None:
        """Take one quote; None if it is rejected."""
        if not price > 0.0 or symbol not in self.known:
            return None
        state = self.states.get(symbol)
        if state is None:
            state = self.states[symbol] = SymbolState()
        if moment < state.newest - TOO_LATE:
            return None
        if moment > state.newest:
            state.newest = moment
        state.ema = ema = price if state.ema is None else state.ema + ALPHA * (price - state.ema)
        window = state.window
        window.append(price)
        state.sum += price
        state.squares += price * price
        if len(window) > 20:
            gone = window.popleft()
            state.sum -= gone
            state.squares -= gone * gone
        count = len(window)
        mean = state.sum / count
        variance = state.squares / count - mean * mean
        self._bar(state, moment - moment % MINUTE, price, size)
        return Derived(
            ema,
            mean,
            sqrt(variance) if variance > 0.0 else 0.0,
            count,
            state.bar,
            state.open,
            state.high,
            state.low,
            state.close,
            state.volume,
        )

    @staticmethod
    def _bar(state: SymbolState, start: int, price: float, size: float) -> None:
        if start > state.bar:
            state.bar = start
            state.open = state.high = state.low = state.close = price
            state.volume = size
        elif start == state.bar:
            if price > state.high:
                state.high = price
            if price < state.low:
                state.low = price
            state.close = price
            state.volume += size
