"""Bars of a real recording against code that shares nothing with the folds."""

import gzip
import json
import math
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
import talib

from infra.grid import Grid
from schemas.codec import codec_for
from schemas.records import Bar, RawQuote, SourceBar
from schemas.topics import QUOTES
from streams.bars import BarsFold
from streams.quotes import QuotesFold

LINES = 30_000  # four trading days and the clock change before them
ZONE = ZoneInfo("America/New_York")
INDICATORS = (
    "sma20",
    "ema12",
    "ema26",
    "macd",
    "macd_signal",
    "rsi14",
    "bollinger_upper",
    "bollinger_lower",
    "atr14",
    "obv",
)


def read(folder: Path) -> list[dict[str, Any]]:
    """The first lines of a recording's quotes."""
    with gzip.open(folder / "quotes.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line, _ in zip(lines, range(LINES), strict=False)]


def micros(text: str) -> int:
    """Microseconds since 1970 of a whole second."""
    return int(datetime.fromisoformat(text).timestamp()) * 1_000_000


def raw(line: dict[str, Any]) -> RawQuote:
    """A line as the producer writes it."""
    time = micros(line["event_time"])
    return RawQuote(**{**line, "event_time": time, "ingest_time": time, "bar": SourceBar(**line["bar"])})


def folded(lines: list[dict[str, Any]]) -> list[Bar]:
    """Through both folds, a clock after every 1,000 facts, 5 s behind."""
    grid = Grid("America/New_York")
    quotes, bars, out = QuotesFold(lambda symbol: True, grid), BarsFold(("yahoo",), grid), []
    mark: int | None = None
    for at, line in enumerate(lines):
        for emit in quotes.fact("raw.quotes.v1", raw(line), mark, {}):
            assert emit.more is not None
            quote = codec_for(QUOTES).extended(emit.record, emit.more)
            assert "late" not in quote.flags
            bars.fact("quotes.v1", quote, mark, {})
        if at % 1000 == 999 and at + 1 < len(lines):
            mark = micros(lines[at + 1]["event_time"]) - 1 - 5_000_000
            quotes.advance(mark)
            out += bars.advance(mark)
    return [emit.record for emit in (*out, *bars.flush())]


def end_of_bucket(text: str, interval: int) -> int:
    """End of the bucket of a fact, by the calendar."""
    moment = datetime.fromisoformat(text)
    if interval == 86400:
        day = (moment - timedelta(microseconds=1)).astimezone(ZONE).date() + timedelta(days=1)
        return int(datetime(day.year, day.month, day.day, tzinfo=ZONE).astimezone(UTC).timestamp()) * 1_000_000
    return math.ceil(moment.timestamp() / interval) * interval * 1_000_000


def told(lines: list[dict[str, Any]], interval: int) -> dict[str, dict[int, list[dict[str, Any]]]]:
    """Lines by symbol and end of bucket."""
    out: dict[str, dict[int, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for line in lines:
        out[line["symbol"]][end_of_bucket(line["event_time"], interval)].append(line)
    return out


@pytest.mark.shared
def test_bars_of_recording(shared: Path) -> None:
    """Rows, prices, volumes and counts are those of a plain grouping, and indicators those of TA-Lib, all intervals."""
    lines = read(shared / "recordings" / "tsla_2022_03")
    got: dict[tuple[int, str], list[Bar]] = defaultdict(list)
    for bar in folded(lines):
        got[bar.interval, bar.symbol].append(bar)
    assert all(bar.revision == 0 for bars in got.values() for bar in bars)
    for interval in (60, 300, 3600, 86400):
        want = told(lines, interval)
        assert {symbol for i, symbol in got if i == interval} == set(want)
        for symbol, buckets in want.items():
            bars = got[interval, symbol]
            assert [bar.event_time for bar in bars] == sorted(buckets)
            for bar in bars:
                same_prices(bar, buckets[bar.event_time])
            same_indicators(bars)


def same_prices(bar: Bar, lines: list[dict[str, Any]]) -> None:
    """A bar is what its lines say."""
    parts = [line["bar"] for line in lines]
    assert (bar.open, bar.close) == (parts[0]["open"], lines[-1]["price"])
    assert (bar.high, bar.low) == (max(p["high"] for p in parts), min(p["low"] for p in parts))
    assert (bar.volume, bar.trades) == (sum(p["volume"] for p in parts), len(lines))
    assert (bar.vwap, bar.flags, bar.source, bar.known_time) == (None, (), "yahoo", bar.event_time)


def same_indicators(bars: list[Bar]) -> None:
    """A series' indicators are TA-Lib's to 1e-9, None where it has NaN."""
    high, low, close, volume = (
        np.array([getattr(bar, name) for bar in bars]) for name in ("high", "low", "close", "volume")
    )
    upper, _, lower = talib.BBANDS(close, 20, 2, 2)
    macd, signal, _ = talib.MACD(close, 12, 26, 9)
    means = (talib.SMA(close, 20), talib.EMA(close, 12), talib.EMA(close, 26))
    rest = (talib.RSI(close, 14), upper, lower, talib.ATR(high, low, close, 14), talib.OBV(close, volume))
    for name, column in zip(INDICATORS, (*means, macd, signal, *rest), strict=True):
        values = np.array([getattr(bar.indicators, name) for bar in bars], dtype=float)
        np.testing.assert_allclose(values, column, rtol=1e-9, atol=1e-9, err_msg=name)
    returns = np.diff(np.log(close), prepend=np.nan)
    np.testing.assert_allclose(
        np.array([b.indicators.return_log for b in bars], dtype=float), returns, rtol=1e-9, atol=1e-12
    )
    if len(bars) > 20:
        assert bars[20].indicators.volatility20 == pytest.approx(float(np.std(returns[1:21], ddof=1)), rel=1e-9)
