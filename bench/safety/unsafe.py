"""``python -m bench.safety.unsafe ARGUMENTS``: the command ``moodtape ARGUMENTS`` without what makes it safe.

The variable ``BENCH_WITHOUT`` names what is left out, separated by commas: ``transactions`` (outputs are flushed, then
offsets committed, as often), ``snapshots``, ``ledger`` (the sink goes on from its group's offsets). For the measurement
alone: what it writes is not to be trusted after a crash, and no setting of the product leads here.
"""

import os
import sys
from collections.abc import Callable, Container, Mapping, Sequence

import psycopg
from confluent_kafka import Consumer, Producer, TopicPartition

import sinks.timescale
import streams.engine.pump
from infra.kafka import producer_config
from moodtape.cli import main
from sinks.ledger import Part
from streams.engine.chunks import Finished, Owned
from streams.engine.pump import Pump
from streams.engine.transactions import Transactions
from streams.stage import Stage

FLUSH_SECONDS = 30.0


class Untransacted(Transactions):
    """Outputs by an idempotent producer, then offsets by the consumer."""

    def __init__(self, bootstrap: str, stage: Stage, instance: str) -> None:
        super().__init__(bootstrap, stage, instance)
        self._producer = Producer(producer_config(bootstrap))

    def start(self, beat: Callable[[], None]) -> None:
        """Nobody is fenced."""

    def commit(self, finished: Sequence[Finished], consumer: Consumer, beat: Callable[[], None]) -> bool:
        beat()
        ends: dict[tuple[str, int], int] = {}
        for item in finished:
            self._write(item)
            ends[item.topic, item.owned.partition] = item.end
        if self._producer.flush(FLUSH_SECONDS):
            raise RuntimeError("outputs were not delivered")
        offsets = [TopicPartition(topic, partition, end) for (topic, partition), end in ends.items()]
        consumer.commit(offsets=offsets, asynchronous=False)
        return True


class NoLedger:
    """Believes that everything from the log's start is to be stored, and that nobody else stores it."""

    def __init__(self, sink: str, replay: str) -> None:
        """There is nothing to know."""

    def enter(self, connection: psycopg.Connection, starts: Mapping[Part, int]) -> dict[Part, int]:
        return dict(starts)

    def advance(self, connection: psycopg.Connection, begins: Mapping[Part, int], ends: Mapping[Part, int]) -> bool:
        return True


def take_safety_away(without: Container[str]) -> None:
    """Replace mechanisms in this process."""
    if "transactions" in without:
        streams.engine.pump.Transactions = Untransacted  # type: ignore[misc]
    if "ledger" in without:
        sinks.timescale.Ledger = NoLedger  # type: ignore[assignment,misc]
    if "snapshots" in without:
        os.environ |= {"MOODTAPE_SNAPSHOT_INTERVAL_SECONDS": "1000000", "MOODTAPE_SNAPSHOT_RECORDS": "1000000000"}
        Pump._snapshot_last = _no_snapshot  # type: ignore[method-assign]


def _no_snapshot(self: Pump, owned: Owned) -> None:
    """A partition is given up as it stands."""


if __name__ == "__main__":
    take_safety_away(os.environ["BENCH_WITHOUT"].split(","))
    sys.exit(main())
