"""Technical indicators of a series of bars, one bar at a time, equal to TA-Lib over the whole series.

TA-Lib's arithmetic is kept operation by operation (running totals, seeds, Wilder's means). The deviation of the
bands is taken from the window itself, as TA-Lib does from 0.8 on; older ones lose digits where prices are large
against their moves. What depends on the whole series is state, so a bar costs the same however long it is.
"""

from collections.abc import Callable
from dataclasses import fields, replace
from math import dist, inf, isfinite, isnan, log, sqrt
from operator import attrgetter
from typing import Any

from schemas.quick import maker
from schemas.records import Indicators

# One bar of the series: high, low, close, volume, and when the last fact in it was known.
Candle = tuple[float, float, float, float, int]

SMA, FAST, SLOW, SIGNAL, WILDER, RETURNS = 20, 12, 26, 9, 14, 20
ROOT_SMA, ROOT_RETURNS = sqrt(SMA), sqrt(RETURNS - 1)
FAST_K, SLOW_K, SIGNAL_K = 2 / (FAST + 1), 2 / (SLOW + 1), 2 / (SIGNAL + 1)

make_indicators = maker(Indicators)


class IndicatorState:
    """Everything the next bar's indicators need of the bars before it.

    ``known`` is when the last fact in any of them was known, as of the emissions that count.
    """

    __slots__ = (
        "atr",
        "closes",
        "count",
        "ema12",
        "ema26",
        "fast",
        "gain",
        "known",
        "loss",
        "macd",
        "mean",
        "obv",
        "returns",
        "signal",
        "total",
    )

    def __init__(self) -> None:
        self.count = self.known = 0
        self.closes: list[float] = []
        self.returns: list[float] = []
        self.total = self.mean = 0.0
        # Until an average has its first value, its field holds the sum that seeds it.
        self.ema12 = self.ema26 = self.fast = self.signal = self.macd = 0.0
        self.gain = self.loss = self.atr = self.obv = 0.0

    def push(self, candle: Candle) -> None:
        """Take the next bar."""
        high, low, close, volume, known = candle
        if known > self.known:
            self.known = known
        index = self.count
        self.count = index + 1
        if index:
            self._change(index, high, low, close)
            previous = self.closes[-1]
            if close > previous:
                self.obv += volume
            elif close < previous:
                self.obv -= volume
        else:
            self.obv = volume
        self._averages(index, close)
        self._window(index, close)

    def _change(self, index: int, high: float, low: float, close: float) -> None:
        """Wilder's means of gains, losses and true range; the log return."""
        previous = self.closes[-1]
        change = close - previous
        gain, loss, atr = self.gain, self.loss, self.atr
        if index > WILDER:
            gain, loss, atr = gain * (WILDER - 1), loss * (WILDER - 1), atr * (WILDER - 1)
        if change < 0:
            loss -= change
        else:
            gain += change
        atr += max(high - low, abs(previous - high), abs(previous - low))
        if index >= WILDER:
            gain, loss, atr = gain / WILDER, loss / WILDER, atr / WILDER
        self.gain, self.loss, self.atr = gain, loss, atr
        returns = self.returns
        if len(returns) == RETURNS:
            del returns[0]
        ratio = close / previous
        # Prices more than the range of a float apart have no ratio, yet a distance.
        returns.append(log(ratio) if 0 < ratio < inf else log(close) - log(previous))

    def _averages(self, index: int, close: float) -> None:
        """Exponential means and MACD."""
        if index > SLOW + SIGNAL:  # all seeded
            self.ema12 += (close - self.ema12) * FAST_K
            self.ema26 += (close - self.ema26) * SLOW_K
            self.fast += (close - self.fast) * FAST_K
            self.macd = self.fast - self.ema26
            self.signal += (self.macd - self.signal) * SIGNAL_K
            return
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
        windowed, wilder, signalled = last >= SMA - 1, last >= WILDER, last >= SLOW + SIGNAL - 2
        band = 2 * dist(self.closes, (self.mean,) * SMA) / ROOT_SMA if windowed else 0.0
        values = make_indicators(
            return_log=self.returns[-1] if last else None,
            sma20=self.mean if windowed else None,
            ema12=self.ema12 if last >= FAST - 1 else None,
            ema26=self.ema26 if last >= SLOW - 1 else None,
            macd=self.macd if signalled else None,
            macd_signal=self.signal if signalled else None,
            rsi14=self._strength() if wilder else None,
            bollinger_upper=self.mean + band if windowed else None,
            bollinger_lower=self.mean - band if windowed else None,
            atr14=self.atr if wilder else None,
            volatility20=self._volatility() if len(self.returns) == RETURNS else None,
            obv=self.obv,
        )
        # Every total is finite unless prices or volumes near the range of a float have overflowed one.
        whole = self.mean + band + self.ema12 + self.ema26 + self.signal + self.gain + self.loss + self.atr + self.obv
        return values if isfinite(whole) else _known(values)

    def _strength(self) -> float:
        both = self.gain + self.loss
        return 0.0 if both == 0 else 100 * (self.gain / both)

    def _volatility(self) -> float:
        """Sample deviation of the last 20 log returns."""
        mean = sum(self.returns) / RETURNS
        return dist(self.returns, (mean,) * RETURNS) / ROOT_RETURNS

    def dump(self) -> list[Any]:
        """The state as a plain list."""
        return [list(v) if type(v) is list else v for v in _STATE(self)]

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


_STATE: Callable[[IndicatorState], tuple[Any, ...]] = attrgetter(*IndicatorState.__slots__)


def _smooth(mean: float, index: int, period: int, k: float, value: float) -> float:
    """The next exponential mean of a series; the seeding sum before ``index`` reaches the period's last."""
    if index >= period:
        return (value - mean) * k + mean
    total = mean + value
    return total / period if index == period - 1 else total


def _known(values: Indicators) -> Indicators:
    """None for not-a-number."""
    unknown = {f.name: None for f in fields(values) if (value := getattr(values, f.name)) is not None and isnan(value)}
    return replace(values, **unknown)
