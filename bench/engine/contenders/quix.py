"""quixstreams with its state store, tuned as well as we can: raw bytes, wide prefetch, no log.

Its state lies in RocksDB and in a changelog topic, serialised as quixstreams does by default (orjson); packing it
with struct was tried and cost as much. It delivers at least once, as by default, or, with transactions, exactly once
and as often as the others. It runs in an environment of its own (:mod:`bench.engine.extras`).
"""

from collections import deque
from typing import Any

from quixstreams import Application, State

from bench.engine.job import SymbolState
from bench.engine.wire import Enriching, worker
from infra.kafka import PARTITIONER

from .options import Options, read_options

# Its default is 5 s; a checkpoint costs little beside the records of a second.
COMMIT_SECONDS = 1.0
TRANSACTION_SECONDS = 0.1


def main(options: Options) -> None:
    """Run until SIGTERM."""
    app = Application(
        broker_address=options.bootstrap,
        consumer_group=options.group,
        auto_offset_reset="earliest",
        commit_interval=TRANSACTION_SECONDS if options.transactions else COMMIT_SECONDS,
        processing_guarantee="exactly-once" if options.transactions else "at-least-once",
        state_dir=f"{options.data_dir}/quix-{options.name}",
        loglevel=None,
        consumer_extra_config={"isolation.level": "read_committed", "fetch.queue.backoff.ms": 20, "log_level": 3},
        producer_extra_config={
            "acks": "all",
            "compression.type": "lz4",
            "partitioner": PARTITIONER,
            "linger.ms": 50,
            "batch.size": 262_144,
            "log_level": 3,
        },
    )
    raw = {"key_serializer": "bytes", "value_serializer": "bytes"}
    source = app.topic(options.input, key_deserializer="bytes", value_deserializer="bytes")
    flow = app.dataframe(source)
    if options.workload == "w0":
        copy = worker("w0")
        flow = flow.apply(lambda value: _value(copy.process(value)))
    else:
        flow = flow.apply(_Stateful(), stateful=True, metadata=True)
    flow = flow.filter(lambda value: value is not None)
    flow.to_topic(app.topic(options.output, **raw))
    app.run()


class _Stateful:
    """W1 with the state of a record's symbol taken from the store and put back."""

    def __init__(self) -> None:
        self._work = Enriching()
        self._states = self._work.job.states

    def __call__(self, value: bytes, key: bytes, timestamp: int, headers: Any, state: State) -> bytes | None:
        symbol = key.decode()
        held = state.get("s")
        if held is not None:
            self._states[symbol] = _from_json(held)
        out = self._work.process(value)
        current = self._states.pop(symbol, None)
        if out is None or current is None:
            return None
        state.set("s", _to_json(current))
        return out[1]


def _from_json(held: dict[str, Any]) -> SymbolState:
    state = SymbolState()
    for name, value in held.items():
        setattr(state, name, deque(value) if name == "window" else value)
    return state


def _to_json(state: SymbolState) -> dict[str, Any]:
    held = {name: getattr(state, name) for name in state.__slots__}
    return {**held, "window": list(state.window)}


def _value(out: tuple[bytes, bytes] | None) -> bytes | None:
    return None if out is None else out[1]


if __name__ == "__main__":
    main(read_options())
