"""Streaming indicators against TA-Lib over the whole series."""

import random
from dataclasses import asdict
from math import isinf, isnan

import msgspec
import numpy as np
import pytest
import talib
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.records import Indicators
from streams.indicators import IndicatorState

NAMES = tuple(asdict(Indicators()))
Candle = tuple[float, float, float, float]
"""high, low, close, volume"""


def whole(candles: list[Candle]) -> dict[str, np.ndarray]:
    """Every indicator over the whole series, by TA-Lib (numpy where it has none)."""
    high, low, close, volume = (np.array(column, dtype=float) for column in zip(*candles, strict=True))
    returns = np.append(np.nan, np.diff(np.log(close)))
    volatility = np.full(len(close), np.nan)
    for i in range(20, len(close)):
        volatility[i] = np.std(returns[i - 19 : i + 1], ddof=1)
    upper, _, lower = talib.BBANDS(close, 20, 2, 2)
    macd, signal, _ = talib.MACD(close, 12, 26, 9)
    return {
        "return_log": returns,
        "sma20": talib.SMA(close, 20),
        "ema12": talib.EMA(close, 12),
        "ema26": talib.EMA(close, 26),
        "macd": macd,
        "macd_signal": signal,
        "rsi14": talib.RSI(close, 14),
        "bollinger_upper": upper,
        "bollinger_lower": lower,
        "atr14": talib.ATR(high, low, close, 14),
        "volatility20": volatility,
        "obv": talib.OBV(close, volume),
    }


def streamed(candles: list[Candle]) -> list[Indicators]:
    """The indicators at each bar, one bar at a time."""
    state, out = IndicatorState(), []
    for candle in candles:
        state.push((*candle, 0))
        out.append(state.values())
    return out


def assert_equal_to_talib(candles: list[Candle]) -> None:
    """Equal to 1e-9 of the price (or absolutely, for small ones), and None exactly where TA-Lib has NaN."""
    expected, got = whole(candles), streamed(candles)
    for name in NAMES:
        for i, values in enumerate(got):
            value, want = getattr(values, name), float(expected[name][i])
            place = f"{name}[{i}]: {value} is not {want}"
            if isnan(want) or value is None:
                assert isnan(want), place
                assert value is None, place
            elif isinf(want):
                assert value == want, place
            else:
                assert value == pytest.approx(want, rel=1e-9, abs=1e-9), place


def walk(seed: int, bars: int, price: float, step: float, volume: float = 1000.0) -> list[Candle]:
    """A random walk of bars."""
    rng = random.Random(seed)
    out = []
    for _ in range(bars):
        opened, price = price, price * (1 + rng.gauss(0, step))
        spread = abs(rng.gauss(0, step)) * price
        out.append(
            (max(opened, price) + spread, min(opened, price) - spread, price, float(int(rng.expovariate(1) * volume)))
        )
    return out


@pytest.mark.parametrize("bars", [1, 2, 13, 20, 21, 26, 34, 35, 400, 3000])
def test_random_walks(bars: int) -> None:
    """Random walks of any length have TA-Lib's values."""
    assert_equal_to_talib(walk(bars, bars, 100.0, 0.002))


@pytest.mark.parametrize("price", [1e-14, 1e-7, 0.0031, 1.0, 5e5, 6.2e8, 1e12])
def test_prices_of_any_size(price: float) -> None:
    """Very small and very large prices have TA-Lib's values, its loss of digits included."""
    assert_equal_to_talib(walk(7, 300, price, 0.001))


@pytest.mark.parametrize("price", [0.1, 14.24, 154.61, 1e7])
def test_constant_series(price: float) -> None:
    """A series that never moves has RSI 0 and bands on its mean, as TA-Lib has."""
    candles = [(price, price, price, 0.0)] * 120
    assert_equal_to_talib(candles)
    assert streamed(candles)[-1].rsi14 == 0.0
    assert streamed(candles)[-1].volatility20 == 0.0


def test_steps_and_flat_volume() -> None:
    """Long flats between jumps, with constant volume, have TA-Lib's values."""
    candles = [(p + 0.5, p - 0.5, p, 100.0) for p in (10.0 + 3 * (i // 25 % 3) for i in range(400))]
    assert_equal_to_talib(candles)


def test_first_values() -> None:
    """Each indicator begins at the index where TA-Lib's does."""
    got = streamed(walk(1, 60, 50.0, 0.01))
    first = {name: next(i for i, v in enumerate(got) if getattr(v, name) is not None) for name in NAMES}
    assert first == {
        "return_log": 1, "sma20": 19, "ema12": 11, "ema26": 25, "macd": 33, "macd_signal": 33, "rsi14": 14,
        "bollinger_upper": 19, "bollinger_lower": 19, "atr14": 14, "volatility20": 20, "obv": 0,
    }  # fmt: skip


prices = st.one_of(st.floats(0.01, 1000.0), st.floats(1e-6, 1e9), st.sampled_from([1.0, 1.5, 99.99]))
candles_of = st.lists(
    st.tuples(prices, prices, prices, st.one_of(st.just(0.0), st.floats(0, 1e9))).map(
        lambda c: (max(c[:3]), min(c[:3]), c[2], c[3])
    ),
    min_size=1,
    max_size=90,
)


@settings(max_examples=80)
@given(candles_of)
def test_any_series(candles: list[Candle]) -> None:
    """Whatever the bars are, the values are TA-Lib's."""
    expected, got = whole(candles), streamed(candles)
    scale = max(c[2] for c in candles)
    for name in NAMES:
        for i, values in enumerate(got):
            value, want = getattr(values, name), float(expected[name][i])
            assert (value is None) == isnan(want)
            if value is not None:
                assert value == pytest.approx(want, rel=1e-9, abs=1e-9 * max(1.0, scale * 1e-3)), f"{name}[{i}]"


@given(candles_of, st.integers(0, 90))
def test_dump_and_copy_are_invisible(candles: list[Candle], at: int) -> None:
    """A state that went through bytes, and a copy, go on bit by bit as the original; a copy is independent."""
    state = IndicatorState()
    for candle in candles[:at]:
        state.push((*candle, 0))
    loaded = IndicatorState.load(msgspec.msgpack.decode(msgspec.msgpack.encode(state.dump())))
    copied, before = state.copy(), state.dump()
    for candle in candles[at:]:
        for each in (loaded, copied):
            each.push((*candle, 0))
    assert state.dump() == before
    for candle in candles[at:]:
        state.push((*candle, 0))
    assert loaded.dump() == copied.dump() == state.dump()


def test_prices_beyond_each_others_ratio() -> None:
    """Two prices whose ratio no float can hold still have a finite log return."""
    got = streamed([(1e308, 1e308, 1e308, 1.0), (1e-308, 1e-308, 1e-308, 1.0), (1e308, 1e308, 1e308, 1.0)])
    assert got[1].return_log == pytest.approx(-1418.39, abs=0.01)
    assert got[2].return_log == pytest.approx(1418.39, abs=0.01)
