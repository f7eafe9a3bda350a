"""Technical indicators of a series of bars, one bar at a time, equal to TA-Lib over the whole series.

TA-Lib's arithmetic is kept operation by operation (running totals, seeds, Wilder's means). The deviation of the
bands is taken from the window itself, as TA-Lib does from 0.8 on; older ones lose digits where prices are large
against their moves. What depends on the whole series is state, so a bar costs the same however long it is.
"""

from math import dist, isnan, log, sqrt
from typing import Any

from schemas.records import Indicators

# One bar of the series: high, low, close, volume.
Candle = tuple[float, float, float, float]

SMA, FAST, SLOW, SIGNAL, WILDER, RETURNS = 20, 12, 26, 9, 14, 20
FAST_K, SLOW_K, SIGNAL_K = 2 / (FAST + 1), 2 / (SLOW + 1), 2 / (SIGNAL + 1)


class IndicatorState:
    """Everything the next bar's indicators need of the bars before it."""

    __slots__ = (
        "atr",
        "closes",
        "count",
        "ema12",
        "ema26",
        "fast",
        "gain",
        "loss",
        "macd",
        "mean",
        "obv",
        "returns",
        "signal",
        "total",
    )

    def __init__(self) -> None:
        self.count = 0
        self.closes: list[float] = []
        self.returns: list[float] = []
        self.total = self.mean = 0.0
        # Until an average has its first value, its field holds the sum that seeds it.
        self.ema12 = self.ema26 = self.fast = self.signal = self.macd = 0.0
        self.gain = self.loss = self.atr = self.obv = 0.0

    def push(self, candle: Candle) -> None:
        """Take the next bar."""
        high, low, close, volume = candle
        index = self.count
        if index:
            previous = self.closes[-1]
            self._move(index, close - previous)
            self._range(index, high, low, previous)
            if close > previous:
                self.obv += volume
            elif close < previous:
                self.obv -= volume
            self._return(close, previous)
        else:
            self.obv = volume
        self._averages(index, close)
        self._window(index, close)
        self.count = index + 1

    def _move(self, index: int, change: float) -> None:
        """Wilder's means of gains and losses, for RSI."""
        if index > WILDER:
            self.gain *= WILDER - 1
            self.loss *= WILDER - 1
        if change < 0:
            self.loss -= change
        else:
            self.gain += change
        if index >= WILDER:
            self.gain /= WILDER
            self.loss /= WILDER

    def _range(self, index: int, high: float, low: float, previous: float) -> None:
        """Wilder's mean of the true range."""
        reach = max(high - low, abs(previous - high), abs(previous - low))
        if index > WILDER:
            self.atr *= WILDER - 1
        self.atr += reach
        if index >= WILDER:
            self.atr /= WILDER

    def _return(self, close: float, previous: float) -> None:
        ratio = close / previous
        # Prices more than the range of a float apart have no ratio, yet a distance.
        value = log(ratio) if 0 < ratio < float("inf") else log(close) - log(previous)
        returns = self.returns
        returns.append(value)
        if len(returns) > RETURNS:
            del returns[0]

    def _averages(self, index: int, close: float) -> None:
        self.ema12 = _smooth(self.ema12, index, FAST, FAST_K, close)
        self.ema26 = _smooth(self.ema26, index, SLOW, SLOW_K, close)
        # MACD starts where the slow mean does, its fast mean seeded just before: it is not ema12 - ema26 at first.
        begin = index - (SLOW - FAST)
        if begin >= 0:
            self.fast = _smooth(self.fast, begin, FAST, FAST_K, close)
        if index >= SLOW - 1:
            self.macd = self.fast - self.ema26
            self.signal = _smooth(self.signal, index - (SLOW - 1), SIGNAL, SIGNAL_K, self.macd)

    def _window(self, index: int, close: float) -> None:
        """The last 20 closes and their running total."""
        closes = self.closes
        if index >= SMA:
            self.total -= closes.pop(0)
        closes.append(close)
        self.total += close
        if index >= SMA - 1:
            self.mean = self.total / SMA

    def values(self) -> Indicators:
        """The indicators at the last bar pushed; None where TA-Lib has NaN."""
        last = self.count - 1
        windowed = last >= SMA - 1
        band = 2 * self._deviation() if windowed else 0.0
        signalled = last >= SLOW + SIGNAL - 2
        return Indicators(
            return_log=self.returns[-1] if last else None,
            sma20=_known(self.mean) if windowed else None,
            ema12=_known(self.ema12) if last >= FAST - 1 else None,
            ema26=_known(self.ema26) if last >= SLOW - 1 else None,
            macd=_known(self.macd) if signalled else None,
            macd_signal=_known(self.signal) if signalled else None,
            rsi14=self._strength() if last >= WILDER else None,
            bollinger_upper=_known(self.mean + band) if windowed else None,
            bollinger_lower=_known(self.mean - band) if windowed else None,
            atr14=_known(self.atr) if last >= WILDER else None,
            volatility20=self._volatility() if len(self.returns) == RETURNS else None,
            obv=_known(self.obv),
        )

    def _deviation(self) -> float:
        """Deviation (of the whole, not of a sample) of the last 20 closes."""
        return dist(self.closes, (self.mean,) * SMA) / sqrt(SMA)

    def _strength(self) -> float | None:
        both = self.gain + self.loss
        return 0.0 if both == 0 else _known(100 * (self.gain / both))

    def _volatility(self) -> float:
        """Sample deviation of the last 20 log returns."""
        mean = sum(self.returns) / RETURNS
        return dist(self.returns, (mean,) * RETURNS) / sqrt(RETURNS - 1)

    def dump(self) -> list[Any]:
        """The state as a plain list."""
        return [list(v) if isinstance(v, list) else v for v in (getattr(self, name) for name in self.__slots__)]

    @classmethod
    def load(cls, values: list[Any]) -> "IndicatorState":
        """The state that :meth:`dump` wrote."""
        state = cls()
        for name, value in zip(cls.__slots__, values, strict=True):
            setattr(state, name, list(value) if isinstance(value, list) else value)
        return state

    def copy(self) -> "IndicatorState":
        """An independent copy."""
        return self.load(self.dump())


def _smooth(mean: float, index: int, period: int, k: float, value: float) -> float:
    """The next exponential mean of a series; the seeding sum before ``index`` reaches the period's last."""
    if index >= period:
        return (value - mean) * k + mean
    total = mean + value
    return total / period if index == period - 1 else total


def _known(value: float) -> float | None:
    """None for not-a-number."""
    return None if isnan(value) else value
