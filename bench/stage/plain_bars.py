"""Bars and indicators of the hand-written loop."""

from bisect import bisect_left
from collections import deque
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from math import log, sqrt
from typing import Any
from zoneinfo import ZoneInfo

SECOND = 1_000_000
_ZONE = ZoneInfo("America/New_York")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def bucket_of(time: int, interval: int) -> tuple[int, int]:
    """(start, end] of a moment."""
    if interval == 86400:
        return _day(-(-time // (900 * SECOND)))  # a zone's midnight lies on a quarter of an hour
    width = interval * SECOND
    end = -(-time // width) * width
    return end - width, end


@lru_cache(4096)
def _day(quarter: int) -> tuple[int, int]:
    day = (_EPOCH + timedelta(minutes=15 * quarter, microseconds=-1)).astimezone(_ZONE).date()
    midnights = (datetime(d.year, d.month, d.day, tzinfo=_ZONE) for d in (day, day + timedelta(days=1)))
    start, end = ((m.astimezone(UTC) - _EPOCH) // timedelta(microseconds=1) for m in midnights)
    return start, end


class Bucket:
    """The facts of one symbol and interval."""

    def __init__(self, start: int, end: int) -> None:
        self.start, self.end = start, end
        self.facts: dict[tuple[int, int], dict[str, Any]] = {}
        self.pending = False
        self.revision = 0

    def bar(self, symbol: str, interval: int, line: "Line") -> dict[str, Any]:
        """The next emission."""
        facts = [fact for _, fact in sorted(self.facts.items())]
        first, last = facts[0]["bar"], facts[-1]
        seen, volume, turnover, straddles = self.end, 0.0, 0.0, False
        high, low = 0.0, float("inf")
        for fact in facts:
            bar, price = fact["bar"], fact["price"]
            size = (fact if bar is None else bar)["volume"] or 0.0
            volume += size
            turnover += price * size
            high = max(high, price if bar is None else bar["high"])
            low = min(low, price if bar is None else bar["low"])
            seen = max(seen, fact["ingest_time"])
            if bar is not None and not bar["interval"] == interval == 86400:
                straddles = straddles or fact["event_time"] - bar["interval"] * SECOND < self.start
        revision, self.revision, self.pending = self.revision, self.revision + 1, False
        return {
            "symbol": symbol,
            "interval": interval,
            "start": self.start,
            "event_time": self.end,
            "known_time": seen,
            "revision": revision,
            "open": facts[0]["price"] if first is None else first["open"],
            "high": high,
            "low": low,
            "close": last["price"],
            "volume": volume,
            "trades": len(facts),
            "vwap": turnover / volume if volume and first is None else None,
            "source": last["source"],
            "flags": ["straddles"] if straddles else [],
            "indicators": line.put(self.end, (high, low, last["price"], volume)),
        }


class Line:
    """The bars of one symbol and interval."""

    def __init__(self) -> None:
        self.ends: list[int] = []
        self.candles: list[tuple[float, float, float, float]] = []
        self.state = Indicators()

    def put(self, end: int, candle: tuple[float, float, float, float]) -> dict[str, float | None]:
        """Indicators at a bar; from the beginning where it is not the last."""
        if not self.ends or end > self.ends[-1]:
            self.ends.append(end)
            self.candles.append(candle)
            self.state.push(*candle)
            return self.state.values()
        at = bisect_left(self.ends, end)
        if self.ends[at] != end:
            self.ends.insert(at, end)
            self.candles.insert(at, candle)
        self.candles[at] = candle
        self.state = Indicators()
        values: dict[str, float | None] = {}
        for i, each in enumerate(self.candles):
            self.state.push(*each)
            if i == at:
                values = self.state.values()
        return values


class Indicators:
    """All indicators, bar by bar."""

    def __init__(self) -> None:
        self.closes: deque[float] = deque(maxlen=20)
        self.returns: deque[float] = deque(maxlen=20)
        self.n = 0
        self.previous = self.total = self.ema12 = self.ema26 = self.fast = self.macd = self.signal = 0.0
        self.gain = self.loss = self.range = self.obv = 0.0

    def push(self, high: float, low: float, close: float, volume: float) -> None:
        """Take a bar."""
        n, self.n = self.n, self.n + 1
        if n == 0:
            self.obv = volume
        else:
            self.returns.append(log(close / self.previous))
            move = close - self.previous
            self.obv += volume if move > 0 else -volume if move < 0 else 0.0
            true = max(high - low, abs(self.previous - high), abs(self.previous - low))
            self.gain = mean(self.gain, n - 1, 14, 1 / 14, max(move, 0.0))
            self.loss = mean(self.loss, n - 1, 14, 1 / 14, max(-move, 0.0))
            self.range = mean(self.range, n - 1, 14, 1 / 14, true)
        if n >= 20:
            self.total -= self.closes[0]
        self.closes.append(close)
        self.total += close
        self.ema12 = mean(self.ema12, n, 12, 2 / 13, close)
        self.ema26 = mean(self.ema26, n, 26, 2 / 27, close)
        if n >= 14:
            self.fast = mean(self.fast, n - 14, 12, 2 / 13, close)
        if n >= 25:
            self.macd = self.fast - self.ema26
            self.signal = mean(self.signal, n - 25, 9, 2 / 10, self.macd)
        self.previous = close

    def values(self) -> dict[str, float | None]:
        """At the last bar."""
        last = self.n - 1
        sma = self.total / 20
        band = 2 * deviation(self.closes, sma, 20) if last >= 19 else 0.0
        both = self.gain + self.loss
        volatility = None
        if len(self.returns) == 20:
            volatility = deviation(self.returns, sum(self.returns) / 20, 19)
        return {
            "return_log": self.returns[-1] if last else None,
            "sma20": sma if last >= 19 else None,
            "ema12": self.ema12 if last >= 11 else None,
            "ema26": self.ema26 if last >= 25 else None,
            "macd": self.macd if last >= 33 else None,
            "macd_signal": self.signal if last >= 33 else None,
            "rsi14": (100 * self.gain / both if both else 0.0) if last >= 14 else None,
            "bollinger_upper": sma + band if last >= 19 else None,
            "bollinger_lower": sma - band if last >= 19 else None,
            "atr14": self.range if last >= 14 else None,
            "volatility20": volatility,
            "obv": self.obv,
        }


def mean(value: float, index: int, period: int, k: float, new: float) -> float:
    """An exponential mean that is seeded by the plain mean of its first values."""
    if index >= period:
        return value + (new - value) * k
    value += new
    return value / period if index == period - 1 else value


def deviation(values: deque[float], middle: float, below: int) -> float:
    """Deviation around a known mean."""
    return sqrt(sum((value - middle) ** 2 for value in values) / below)
