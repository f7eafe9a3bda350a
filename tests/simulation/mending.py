"""The flow whose code is mended in between: what the first version gives up the next one could read.

Versions only go forward: what a mended worker folded, one of the version before could not fold again.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from infra.errors import PoisonError
from schemas.records import RawQuote
from streams.stage import Emit, Stage

from .counting import TallyFold, counting_stages, prices
from .flows import Flow, Logs
from .inputs import Input


class Narrow(TallyFold):
    """Gives up odd prices."""

    def fact(self, topic: str, record: RawQuote, watermark: int | None, answers: Mapping[str, Any]) -> Sequence[Emit]:
        if record.price % 2:
            raise PoisonError("invalid", "an odd price")
        return super().fact(topic, record, watermark, answers)


@cache
def narrow_stages() -> Sequence[Stage]:
    """The counting stage before it is mended."""
    (stage,) = counting_stages()
    return (replace(stage, fold=Narrow),)


def some_prices(rng: random.Random) -> list[Input]:
    """Up to two dozen prices, half of them odd."""
    return prices(rng, rng.randint(4, 24), bug=False)


def nothing_compared(plain: Logs, wild: Logs) -> list[str]:
    """Which version meets which price is different in each history: what was committed tells, not a plain run."""
    return []


MENDING = Flow(
    name="mending",
    stages=narrow_stages,
    inputs=some_prices,
    differences=nothing_compared,
    stored=(),
    mended=counting_stages,
)
