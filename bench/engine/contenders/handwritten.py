"""A loop as one writes it by hand with confluent-kafka: poll, process, produce; commit every 100 ms.

Without transactions it waits for the deliveries and then commits the offsets (at least once); with them outputs and
offsets go in one transaction. It keeps no state beyond the process and knows no dead letters.
"""

import signal
import time
from typing import Any

from confluent_kafka import Consumer, Producer, TopicPartition

from bench.engine.wire import worker
from infra.kafka import consumer_config, producer_config

from .options import Options, read_options

COMMIT_SECONDS = 0.1


class Loop:
    """Consumer and producer of one run."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.stopped = False
        self.ends: dict[int, int] = {}
        self.worker = worker(options.workload)
        extra: dict[str, Any] = {}
        if options.transactions:
            extra = {"transactional.id": options.name, "transaction.timeout.ms": 10_000}
        self.producer = Producer(producer_config(options.bootstrap, **extra))
        self.consumer = Consumer(consumer_config(options.bootstrap, options.group))

    def run(self) -> None:
        """Until SIGTERM."""
        signal.signal(signal.SIGTERM, lambda *_: setattr(self, "stopped", True))
        if self.options.transactions:
            self.producer.init_transactions(30)
        self.consumer.subscribe([self.options.input])
        due = time.monotonic() + COMMIT_SECONDS
        while not self.stopped:
            messages = self.consumer.consume(1000, 0.02)
            if messages:
                self._process(messages)
            if self.ends and time.monotonic() >= due:
                self._commit()
                due = time.monotonic() + COMMIT_SECONDS
        self.consumer.close()

    def _process(self, messages: list[Any]) -> None:
        if self.options.transactions and not self.ends:
            self.producer.begin_transaction()
        process, produce, output = self.worker.process, self.producer.produce, self.options.output
        for message in messages:
            if message.error() is not None:
                raise RuntimeError(message.error().str())
            out = process(message.value())
            if out is not None:
                while True:
                    try:
                        produce(output, out[1], out[0])
                        break
                    except BufferError:
                        self.producer.poll(0.05)
            self.ends[message.partition()] = message.offset() + 1
        self.producer.poll(0)

    def _commit(self) -> None:
        offsets = [TopicPartition(self.options.input, p, end) for p, end in self.ends.items()]
        if self.options.transactions:
            self.producer.send_offsets_to_transaction(offsets, self.consumer.consumer_group_metadata(), 10)
            self.producer.commit_transaction(10)
        else:
            if self.producer.flush(30):
                raise RuntimeError("outputs were not delivered")
            self.consumer.commit(offsets=offsets, asynchronous=False)
        self.ends.clear()


if __name__ == "__main__":
    Loop(read_options()).run()
