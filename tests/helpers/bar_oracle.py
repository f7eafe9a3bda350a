"""Bars worked out straight from the lines of a recording, indicators by TA-Lib; without a line of ``streams``."""

import gzip
import json
import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import talib

from .mood_oracle import INTERVALS, bucket_of

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
INDICATORS = (
    "return_log", "sma20", "ema12", "ema26", "macd", "macd_signal", "rsi14",
    "bollinger_upper", "bollinger_lower", "atr14", "volatility20", "obv",
)  # fmt: skip
Key = tuple[str, int, int]


@dataclass
class Price:
    """One bar of the recording."""

    end: int
    interval: int
    open: float
    high: float
    low: float
    close: float
    volume: float


def lines_of(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of one file of a recording."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def micros(text: str) -> int:
    """Microseconds of an RFC 3339 time."""
    return (datetime.fromisoformat(text) - EPOCH) // timedelta(microseconds=1)


def bars_of(quotes: Path) -> dict[Key, dict[str, Any]]:
    """Every bar of a recording of source bars: (symbol, interval, end) -> fields."""
    prices: dict[str, list[Price]] = defaultdict(list)
    for line in lines_of(quotes):
        bar = line["bar"]
        prices[line["symbol"]].append(
            Price(
                micros(line["event_time"]),
                bar["interval"],
                bar["open"],
                bar["high"],
                bar["low"],
                line["price"],
                bar["volume"],
            )
        )
    found: dict[Key, dict[str, Any]] = {}
    for symbol, own in prices.items():
        for interval in INTERVALS:
            fed = [price for price in own if price.interval <= interval]
            found.update(_bars(symbol, interval, sorted(fed, key=lambda price: price.end)))
    return found


def _bars(symbol: str, interval: int, prices: list[Price]) -> dict[Key, dict[str, Any]]:
    buckets: dict[tuple[int, int], list[Price]] = defaultdict(list)
    for price in prices:
        buckets[bucket_of(price.end, interval)].append(price)
    rows = [_bar(symbol, interval, edges, inside) for edges, inside in sorted(buckets.items())]
    if rows:
        _add_indicators(rows)
    return {(symbol, interval, row["event_time"]): row for row in rows}


def _bar(symbol: str, interval: int, edges: tuple[int, int], inside: list[Price]) -> dict[str, Any]:
    start, end = edges
    return {
        "symbol": symbol,
        "interval": interval,
        "start": start,
        "event_time": end,
        "known_time": max(end, *(price.end for price in inside)),
        "open": inside[0].open,
        "high": max(price.high for price in inside),
        "low": min(price.low for price in inside),
        "close": inside[-1].close,
        "volume": sum(price.volume for price in inside),
        "trades": len(inside),
        "vwap": None,
    }


def _add_indicators(rows: list[dict[str, Any]]) -> None:
    close, high, low, volume = (np.array([row[name] for row in rows]) for name in ("close", "high", "low", "volume"))
    returns = np.full(len(rows), np.nan)
    returns[1:] = np.log(close[1:] / close[:-1])
    macd, signal, _ = talib.MACD(close, 12, 26, 9)
    upper, _, lower = talib.BBANDS(close, 20, 2.0, 2.0)
    spread = [np.nan if i < 20 else np.std(returns[i - 19 : i + 1], ddof=1) for i in range(len(rows))]
    columns = (
        returns, talib.SMA(close, 20), talib.EMA(close, 12), talib.EMA(close, 26), macd, signal, talib.RSI(close, 14),
        upper, lower, talib.ATR(high, low, close, 14), spread, talib.OBV(close, volume),
    )  # fmt: skip
    for name, values in zip(INDICATORS, columns, strict=True):
        for row, value in zip(rows, values, strict=True):
            row[name] = None if math.isnan(value) else float(value)


def same(left: Any, right: Any) -> bool:
    """Equal, numbers to 1e-9."""
    if isinstance(left, float) and isinstance(right, float):
        return math.isclose(left, right, rel_tol=1e-9, abs_tol=1e-9)
    return bool(left == right)
