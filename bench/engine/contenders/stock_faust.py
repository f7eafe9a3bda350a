"""Stock Faust, tuned as well as we can: raw bytes, its own linger, no debug log, no web server.

At least once, as Faust does it: the agent awaits the deliveries of earlier records while it goes on with later ones.
"""

import asyncio
import logging
import sys
from typing import Any

import faust

from bench.engine.wire import worker

from .options import Options, read_options

BATCH = 500
WITHIN_SECONDS = 0.1
LINGER_SECONDS = 0.1
MOST_PENDING = 4 * BATCH


def build(options: Options) -> Any:
    """The app of one run."""
    app = faust.App(
        options.group,
        broker=f"kafka://{options.bootstrap}",
        datadir=f"{options.data_dir}/faust-{options.name}",
        store="memory://",
        web_enabled=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        producer_acks=-1,
        # No compression: cheaper for its CPU than any that its driver has without another package.
        producer_compression_type=None,
        producer_linger=LINGER_SECONDS,
        producer_max_batch_size=262_144,
        consumer_max_fetch_size=4 * 1024 * 1024,
        broker_max_poll_records=2000,
        broker_commit_interval=0.5,
        broker_check_crcs=False,
        stream_buffer_maxsize=16_384,
        stream_wait_empty=False,
        consumer_auto_offset_reset="earliest",
    )
    quotes = app.topic(options.input, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")
    work = worker(options.workload)
    pending: list[asyncio.Future[Any]] = []

    async def put(value: bytes) -> None:
        out = work.process(value)
        if out is not None:
            pending.append(await app.producer.send(options.output, out[0], out[1], None, None, None))

    async def deliver() -> None:
        if len(pending) >= MOST_PENDING:
            await asyncio.gather(*pending[:-BATCH])
            del pending[:-BATCH]

    @app.agent(quotes)
    async def agent(stream: Any) -> None:
        if options.variant == "each":
            async for value in stream:
                await put(value)
                await deliver()
        async for batch in stream.take(BATCH, within=WITHIN_SECONDS):
            for value in batch:
                await put(value)
            await deliver()

    return app


def main() -> None:
    """Run until SIGTERM."""
    logging.disable(logging.WARNING)
    app = build(read_options())
    faust.Worker(
        app, loglevel="ERROR", quiet=True, redirect_stdouts=False, console_port=None
    ).execute_from_commandline()


if __name__ == "__main__":
    sys.exit(main())
