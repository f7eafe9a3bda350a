"""Forecasts of this process: each is worked out once for the same rows, in a thread, and the last few are kept."""

import asyncio
from collections import OrderedDict

from .forecast import Forecast, forecast
from .series import Series

MOST = 256


class Forecasts:
    """Forecasts by what they are made of: rows that changed in any value are others."""

    def __init__(self) -> None:
        self._made: OrderedDict[tuple[int, bytes], Forecast | None] = OrderedDict()

    async def of(self, series: Series, interval: int) -> Forecast | None:
        """What :func:`api.forecast.forecast` says."""
        key = interval, series.digest()
        if key not in self._made:
            self._made[key] = await asyncio.to_thread(forecast, series, interval)
            if len(self._made) > MOST:
                self._made.popitem(last=False)
        self._made.move_to_end(key)
        return self._made[key]
