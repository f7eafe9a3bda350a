"""How often a forecast is called better than the base rate: where mood and price are unrelated, and where not."""

from collections.abc import Iterator

import numpy as np

from api.forecast import LOOK_BACK, Record, forecast

from .planted import planted

LEAD = 4
INTERVAL = 300


def forecasts(random: np.random.Generator, series: int) -> Iterator[dict[str, object]]:
    """Series whose return follows the mood of four bars before with correlation r; r = 0 is the size of the test."""
    for r in (0.0, 0.1, 0.2, 0.3):
        told = [forecast(planted(random, LOOK_BACK, LEAD, r), INTERVAL) for _ in range(series)]
        found = [each for each in told if each is not None]
        records = [each.record for each in found if each.record is not None]
        yield {
            "r": r,
            "series": series,
            "called better": sum(each.verdict == "better" for each in found) / series,
            "p below .05": _share(records, "p_base"),
            "against mood-free": _share(records, "p_mood_free"),
            "hit rate": round(float(np.mean([each.model.hit_rate for each in records])), 4),
            "Brier": round(float(np.mean([each.model.brier for each in records])), 4),
            "Brier of the base rate": round(float(np.mean([each.base.brier for each in records])), 4),
        }


def _share(records: list[Record], name: str) -> float:
    return float(np.mean([getattr(each, name) < 0.05 for each in records]))
