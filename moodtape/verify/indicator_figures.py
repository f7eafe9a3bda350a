"""The indicators of a bar, told again from the bars before it in the log.

A bar's indicators are made of the bars that were known when it was emitted: for each bucket before it the last
revision that stands before it in the log. Bars that may still be revised are kept one by one; those further back
only as the state that they leave (means of Wilder and exponential means have no end of memory).
"""

import math
from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from statistics import fmean
from typing import NamedTuple

from schemas.records import Bar, Indicators

from .buckets import KEPT, MICROS

NAMES = tuple(field.name for field in fields(Indicators))
TOLERANCE = 1e-9
Told = dict[str, float | None]


class Candle(NamedTuple):
    """What indicators take of a bar."""

    end: int
    high: float
    low: float
    close: float
    volume: float


class Mean:
    """A mean that begins as the plain mean of ``period`` values and then moves ``share`` of the way to each next."""

    def __init__(self, period: int, share: float) -> None:
        self._period, self._share = period, share
        self._first: list[float] = []
        self.value: float | None = None

    def push(self, value: float) -> None:
        """Take the next value."""
        if self.value is not None:
            self.value += (value - self.value) * self._share
            return
        self._first.append(value)
        if len(self._first) == self._period:
            self.value = sum(self._first) / self._period

    def copy(self) -> "Mean":
        """One that goes on by itself."""
        twin = Mean(self._period, self._share)
        twin._first, twin.value = list(self._first), self.value
        return twin


def exponential(period: int) -> Mean:
    """The exponential mean of a period."""
    return Mean(period, 2 / (period + 1))


def wilder(period: int) -> Mean:
    """Wilder's mean of a period."""
    return Mean(period, 1 / period)


@dataclass(slots=True)
class State:
    """What the bars so far leave behind."""

    count: int
    closes: deque[float]
    returns: deque[float]
    means: dict[str, Mean]
    obv: float = 0.0

    @classmethod
    def empty(cls) -> "State":
        """Before the first bar."""
        means = {"ema12": exponential(12), "ema26": exponential(26), "fast": exponential(12), "signal": exponential(9)}
        means |= {"gain": wilder(14), "loss": wilder(14), "atr14": wilder(14)}
        return cls(0, deque(maxlen=20), deque(maxlen=20), means)

    def copy(self) -> "State":
        """One that goes on by itself."""
        means = {name: mean.copy() for name, mean in self.means.items()}
        return replace(self, closes=self.closes.copy(), returns=self.returns.copy(), means=means)

    def push(self, candle: Candle) -> None:
        """Take the next bar."""
        means, close = self.means, candle.close
        if self.count:
            before = self.closes[-1]
            change = close - before
            self.returns.append(math.log(close) - math.log(before))
            means["gain"].push(max(change, 0.0))
            means["loss"].push(max(-change, 0.0))
            means["atr14"].push(max(candle.high, before) - min(candle.low, before))
            self.obv += math.copysign(candle.volume, change) if change else 0.0
        else:
            self.obv = candle.volume
        self.closes.append(close)
        self.count += 1
        means["ema12"].push(close)
        means["ema26"].push(close)
        # The fast mean inside MACD begins so that it is first there together with the slow one.
        if self.count > 26 - 12:
            means["fast"].push(close)
        slow, fast = means["ema26"].value, means["fast"].value
        if slow is not None and fast is not None:
            means["signal"].push(fast - slow)

    def values(self) -> Told:
        """The indicators at the last bar; None before there are enough bars."""
        value = {name: mean.value for name, mean in self.means.items()}
        slow, fast, signal = value["ema26"], value["fast"], value["signal"]
        gain, loss = value["gain"], value["loss"]
        macd = fast - slow if fast is not None and slow is not None and signal is not None else None
        told: Told = {
            "return_log": self.returns[-1] if self.returns else None,
            "ema12": value["ema12"],
            "ema26": slow,
            "macd": macd,
            "macd_signal": signal,
            "rsi14": None if gain is None or loss is None else 100 * gain / (gain + loss) if gain + loss else 0.0,
            "atr14": value["atr14"],
            "obv": self.obv,
            **dict.fromkeys(("sma20", "bollinger_upper", "bollinger_lower", "volatility20")),
        }
        if len(self.closes) == 20:
            mean = fmean(self.closes)
            band = 2 * math.sqrt(fmean((close - mean) ** 2 for close in self.closes))
            told |= {"sma20": mean, "bollinger_upper": mean + band, "bollinger_lower": mean - band}
        if len(self.returns) == 20:
            mean = fmean(self.returns)
            told["volatility20"] = math.sqrt(math.fsum((each - mean) ** 2 for each in self.returns) / 19)
        return told


class Series:
    """The bars of one instrument and interval, in whatever order the log has them."""

    def __init__(self, interval: int) -> None:
        # A bucket takes facts for KEPT behind the watermark, which is at most one bucket behind the newest bar.
        self._reach = KEPT + 2 * interval * MICROS
        self._base, self._last = State.empty(), State.empty()
        self._settled = 0
        self._ends: list[int] = []
        self._candles: list[Candle] = []

    def take(self, bar: Bar) -> State | None:
        """Put a bar in its place; the state right after it, None for one from before the bars that are kept."""
        if bar.event_time <= self._settled:
            return None
        candle = Candle(bar.event_time, bar.high, bar.low, bar.close, bar.volume)
        if not self._ends or candle.end > self._ends[-1]:
            self._ends.append(candle.end)
            self._candles.append(candle)
            self._last.push(candle)
            self._settle()
            return self._last
        at = bisect_left(self._ends, candle.end)
        if self._ends[at] == candle.end:
            self._candles[at] = candle
        else:
            self._ends.insert(at, candle.end)
            self._candles.insert(at, candle)
        here = self._after(self._base, self._candles[: at + 1])
        self._last = self._after(here, self._candles[at + 1 :])
        return here

    @staticmethod
    def _after(state: State, candles: Sequence[Candle]) -> State:
        state = state.copy()
        for candle in candles:
            state.push(candle)
        return state

    def _settle(self) -> None:
        """Let go of the bars that nothing can revise any more, half of the kept ones at a time."""
        cut = bisect_left(self._ends, self._ends[-1] - self._reach)
        if cut > 64 and 2 * cut > len(self._ends):
            self._base = self._after(self._base, self._candles[:cut])
            self._settled = self._ends[cut - 1]
            del self._ends[:cut], self._candles[:cut]


def differing(told: Told, bar: Bar) -> list[str]:
    """Names of the indicators in which a bar differs by more than one part in 10^9 of itself or of the price."""
    slack = TOLERANCE * max(abs(bar.close), abs(bar.high))
    least = {"return_log": 1e-12, "volatility20": 1e-12, "rsi14": 1e-7, "obv": 0.0}
    return [name for name in NAMES if not _close(getattr(bar.indicators, name), told[name], least.get(name, slack))]


def _close(kept: float | None, told: float | None, least: float) -> bool:
    if told is not None and not math.isfinite(told):
        return True  # prices near the range of a float: whatever was written, there is nothing to compare it with
    if kept is None or told is None:
        return kept is told
    return math.isclose(kept, told, rel_tol=TOLERANCE, abs_tol=least)
