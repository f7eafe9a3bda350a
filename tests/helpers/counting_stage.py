"""A stage for tests of the engine: numbers the prices of each symbol, so that a lost or repeated one shows.

``python -m tests.helpers.counting_stage`` runs one worker of it with the environment's settings. A price of 13 is
a bug unless ``COUNTING_MENDED`` is set, one of 14 hangs where ``COUNTING_HANGS`` is set; every output carries the
running number of its symbol, kept in the snapshots.
"""

import os
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from infra.endpoints import find_endpoints
from infra.log import configure_logging
from infra.settings import Settings
from schemas.records import Quote, RawQuote
from schemas.topics import QUOTES, RAW_QUOTES
from streams.engine.worker import run_stage
from streams.stage import Emit, Fold, Stage

BUG_PRICE = 13.0
HANG_PRICE = 14.0


class CountingFold(Fold):
    """Counts the facts of each symbol."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._changed: dict[str, None] = {}

    def fact(self, topic: str, record: RawQuote, watermark: int | None, answers: Mapping[str, Any]) -> Sequence[Emit]:
        """The price, with its number as the sequence."""
        if record.price == BUG_PRICE and "COUNTING_MENDED" not in os.environ:
            raise ZeroDivisionError("a price of 13")
        if record.price == HANG_PRICE and "COUNTING_HANGS" in os.environ:
            print("hangs", file=sys.stderr, flush=True)
            threading.Event().wait()
        number = self._counts.get(record.symbol, 0) + 1
        self._counts[record.symbol] = number
        self._changed[record.symbol] = None
        quote = Quote(
            source=record.source,
            symbol=record.symbol,
            event_time=record.event_time,
            ingest_time=record.ingest_time,
            price=record.price,
            sequence=number,
        )
        return [Emit(QUOTES, record.symbol, quote)]

    def dump(self) -> Iterable[tuple[str, bytes | None]]:
        """The counts that changed."""
        for symbol in self._changed:
            yield symbol, msgspec.msgpack.encode(self._counts[symbol])
        self._changed.clear()

    def load(self, key: str, value: bytes) -> None:
        """A count."""
        self._counts[key] = msgspec.msgpack.decode(value)


def counting_stage() -> Stage:
    """The stage, in the place of ``quotes``."""
    return Stage(
        name="quotes",
        inputs=(RAW_QUOTES,),
        upstream=(None,),
        clocked=(QUOTES,),
        fold=CountingFold,
        consume_records=50,
    )


if __name__ == "__main__":
    settings = Settings()
    configure_logging("info", "counting")
    run_stage(counting_stage(), settings, find_endpoints(settings))
