"""Our engine with the same job as a fold: transactions, snapshots of the state, dead letters, everything on.

Written as the stages of the product are: records by ``maker``, topics of numbers read by their layouts.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from bench.engine.formats import COPY_ID, IN_ID, IN_SCHEMA, OUT_ID, OUT_SCHEMA, SYMBOLS
from bench.engine.job import Job, SymbolState
from infra.endpoints import Endpoints
from infra.log import configure_logging
from infra.settings import Settings
from schemas.quick import maker, tuple_maker
from schemas.registry import REGISTRY, SchemaVersion
from schemas.topics import DAY_MS, TOPICS, TopicSpec, symbol_key
from streams.engine.worker import run_stage
from streams.stage import Emit, Fold, Stage

from .options import Options, read_options


@dataclass(frozen=True, slots=True, kw_only=True)
class W1Quote:
    """The input record."""

    source: str
    symbol: str
    event_time: int
    ingest_time: int = 0
    price: float = 0.0
    size: float = 0.0
    bid: float | None = None
    ask: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class W1Enriched:
    """The output record."""

    source: str
    symbol: str
    event_time: int
    ingest_time: int
    price: float
    ema20: float
    mean20: float
    deviation20: float
    count20: int
    bar_start: int
    open: float
    high: float
    low: float
    close: float
    volume: float


_enriched, _emit = maker(W1Enriched), tuple_maker(Emit)


class W0Fold(Fold):
    """Nothing but the engine: what comes in goes out."""

    def __init__(self, output: str) -> None:
        self._output = output

    def fact(self, topic: str, record: W1Quote, watermark: int | None, answers: Mapping[str, Any]) -> Sequence[Emit]:
        """The same record for another topic."""
        return (_emit((self._output, record.symbol, record, None)),)


class W1Fold(Fold):
    """The job with its state in snapshots."""

    def __init__(self, output: str) -> None:
        self._output = output
        self._job = Job(SYMBOLS)
        self._changed: dict[str, None] = {}

    def fact(self, topic: str, record: W1Quote, watermark: int | None, answers: Mapping[str, Any]) -> Sequence[Emit]:
        """One quote in, one enriched quote out."""
        symbol, moment, price = record.symbol, record.event_time, record.price
        derived = self._job.fold(symbol, moment, price, record.size)
        if derived is None:
            return ()
        self._changed[symbol] = None
        enriched = _enriched(record.source, symbol, moment, record.ingest_time, price, *derived)
        return (_emit((self._output, symbol, enriched, None)),)

    def dump(self) -> Iterable[tuple[str, bytes | None]]:
        """The symbols that changed."""
        changed, self._changed = self._changed, {}
        for symbol in changed:
            state = self._job.states[symbol]
            values = [list(state.window) if name == "window" else getattr(state, name) for name in state.__slots__]
            yield symbol, msgspec.msgpack.encode(values)

    def load(self, key: str, value: bytes) -> None:
        """One symbol's state."""
        state = self._job.states[key] = SymbolState()
        for name, content in zip(state.__slots__, msgspec.msgpack.decode(value), strict=True):
            setattr(state, name, deque(content) if name == "window" else content)


def register(topic: str, record: type[Any], number: int, schema: dict[str, Any]) -> None:
    """Make a topic known to the codec of this process."""
    TOPICS[topic] = TopicSpec(topic, record, symbol_key, DAY_MS, numeric=True)
    REGISTRY._all.append(SchemaVersion(f"{topic}-value", 1, number, schema))


def build(options: Options) -> Stage:
    """The workload as a stage."""
    register(options.input, W1Quote, IN_ID, IN_SCHEMA)
    if options.workload == "w0":
        register(options.output, W1Quote, COPY_ID, IN_SCHEMA)
        fold: Callable[[str], Fold] = W0Fold
    else:
        register(options.output, W1Enriched, OUT_ID, OUT_SCHEMA)
        fold = W1Fold
    return Stage(
        name=options.name,
        inputs=(options.input,),
        upstream=(None,),
        clocked=(),
        fold=lambda: fold(options.output),
    )


def main(options: Options) -> None:
    """Run until SIGTERM."""
    configure_logging("warning", options.name)
    settings = Settings(data_dir=Path(options.data_dir))
    run_stage(build(options), settings, Endpoints(kafka=options.bootstrap, database="", redis=""))


if __name__ == "__main__":
    main(read_options())
