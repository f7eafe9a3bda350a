"""Reads an instrument's past out of the stores, for what is worked out of it."""

import asyncio

from .desk import Desk
from .patterns import Evidence, judge
from .queries import moment
from .series import Series, make_series

PATTERN_BARS = 1_000
"""Bars of each instrument that patterns are looked for in."""

MOST_SYMBOLS = 50
"""Instruments that are looked at where none is asked for."""


async def series_of(desk: Desk, symbol: str, interval: int, bars: int, as_of: int | None) -> Series:
    """The last ``bars`` bars of an instrument with its moods and correlations, as known at ``as_of``."""
    then = moment(as_of)
    rows = await desk.store.recent_bars(symbol, interval, bars, then)
    if not rows:
        return make_series([], [], [], interval)
    span = {"after": rows[0]["start"], "to": rows[-1]["event_time"], "as_of": then}
    moods = await desk.store.recent_moods(symbol, interval, **span)
    leads = await desk.store.recent_leads(symbol, interval, **span)
    return await asyncio.to_thread(make_series, rows, moods, leads, interval)


async def evidence_of(desk: Desk, symbol: str, interval: int, as_of: int | None) -> list[Evidence]:
    """Every pattern of an instrument; nothing where it has no bars."""
    series = await series_of(desk, symbol, interval, PATTERN_BARS, as_of)
    return await asyncio.to_thread(judge, symbol, series)
