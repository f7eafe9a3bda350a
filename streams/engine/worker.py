"""A worker process: a Faust app whose agent reads chunks from a channel, with the Kafka thread beside it.

Faust gives the agent, its stream and the supervision of services; its own Kafka transport is switched off.
"""

import asyncio
import faulthandler
import os
import sys
import threading
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import faust
from faust.app.base import BootStrategy
from mode import Service

from infra.clock import now_micros
from infra.endpoints import Endpoints
from infra.errors import FatalError
from infra.failpoints import failpoint
from infra.instances import claim_instance
from infra.log import get_logger
from infra.memory import settle
from infra.metrics import Health, serve_health
from infra.settings import Settings
from infra.stopping import on_stop
from streams.stage import Stage

from .chunks import Chunk, Finished, Handover
from .pump import Pump

_log = get_logger(__name__)
# Longer than any call of the client may take, but for asking where the state ends while the broker is away.
SILENCE_SECONDS = 12.0
STOP_SECONDS = 8.0
_NO_ANSWERS: Mapping[str, Any] = {}


class _NoKafka(BootStrategy):  # type: ignore[misc]  # Faust is untyped here
    enable_kafka = False
    enable_kafka_consumer = False
    enable_kafka_producer = False
    enable_web = False


async def process_chunk(stage: Stage, chunk: Chunk, handover: Handover) -> Finished:
    """What the agent does with a chunk: decode, ask for scores, fold. Nothing, if its partition was given up."""
    owned = chunk.owned
    if not owned.live:
        return Finished(owned, chunk.topic, chunk.end, ())
    core = owned.core
    decoded = core.decode(chunk.entries)
    answers = _NO_ANSWERS
    if stage.ask is not None:
        questions = core.questions(decoded)
        if questions:
            handover.waiting = True
            try:
                answers = await stage.ask(questions)
            finally:
                handover.waiting = False
    outputs = core.run(chunk.entries, decoded, answers) if chunk.entries else []
    core.offsets[chunk.topic] = chunk.end
    state = core.state(due=chunk.snapshot)
    failpoint("folded")
    return Finished(owned, chunk.topic, chunk.end, outputs, state)


class PumpService(Service):  # type: ignore[misc]  # mode is untyped here
    """Runs the Kafka thread beside the agents and ends the process when it falls silent or fails."""

    def __init__(self, pump: Pump, channel: Any, inbox: "asyncio.Queue[Sequence[Chunk]]", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._pump = pump
        self._channel = channel
        self._inbox = inbox
        self._thread = threading.Thread(target=self._run, name="kafka", daemon=True)

    async def on_start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def _run(self) -> None:
        try:
            self._pump.run()
        except FatalError as error:
            _end(str(error), FatalError.exit_code)
        except BaseException as error:  # noqa: BLE001  # a thread that dies silently would look healthy
            _log.error("kafka thread failed", exc_info=error)
            _end(repr(error), FatalError.exit_code)

    @Service.task
    async def _feed(self) -> None:
        while not self.should_stop:
            await self._channel.send(value=await self._inbox.get())

    @Service.task
    async def _watch(self) -> None:
        while not self.should_stop:
            await self.sleep(1.0)
            problem = self._pump.silence(SILENCE_SECONDS)
            if problem is not None:
                faulthandler.dump_traceback(file=sys.__stderr__ or sys.stderr)
                _end(problem, 72)

    async def on_stop(self) -> None:
        """Let the thread commit and leave the group."""
        self._pump.stop()
        await asyncio.to_thread(self._thread.join, STOP_SECONDS)


def _end(why: str, code: int) -> NoReturn:
    _log.critical("worker ends, to be started again from its last commit", why=why)
    sys.stderr.flush()
    os._exit(code)


class _App(faust.App):  # type: ignore[misc]  # Faust is untyped here
    BootStrategy = _NoKafka


def build_app(stage: Stage, settings: Settings) -> Any:
    """The Faust app of one stage, with Kafka switched off."""
    folder = settings.data_dir / "faust" / stage.name  # Faust insists on one, nothing of ours is in it
    folder.mkdir(parents=True, exist_ok=True)
    return _App(
        f"moodtape-{stage.name}",
        broker="kafka://unused",
        datadir=str(folder),
        web_enabled=False,
    )


def run_stage(stage: Stage, settings: Settings, endpoints: Endpoints) -> None:
    """Run one worker of a stage until SIGTERM or SIGINT; a second signal ends it at once."""
    instance = claim_instance(settings.data_dir, stage.label, settings.instance)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    app = build_app(stage, settings)
    channel = app.channel(maxsize=stage.chunks_in_flight * 4)
    handover = Handover()
    inbox: asyncio.Queue[Sequence[Chunk]] = asyncio.Queue()

    @app.agent(channel, name=stage.name)
    async def _agent(polls: Any) -> None:
        # An event of Faust's costs as much as several records: one for all chunks of a poll.
        async for chunks in polls:
            for chunk in chunks:
                try:
                    finished = await process_chunk(stage, chunk, handover)
                except asyncio.CancelledError:
                    raise
                except BaseException as error:  # Faust would acknowledge and go on
                    handover.fail(error)
                    raise
                handover.put(finished)
                await asyncio.sleep(0)  # a full queue would keep the loop from its other tasks

    pump = Pump(
        stage,
        settings,
        endpoints.kafka,
        instance.name,
        send=lambda chunks: _hand_to(loop, inbox, chunks),
        handover=handover,
        end=lambda why: _end(why, FatalError.exit_code),
        now=now_micros,
    )
    app.service(PumpService(pump, channel, inbox))
    health = Health()
    health.live["kafka"] = lambda: pump.silence(SILENCE_SECONDS)
    health.ready["assignment"] = lambda: None if pump.assigned else "no partitions assigned yet"
    port = serve_health(health, settings, f"stream-{stage.label}")
    _log.info("worker starts", stage=stage.label, instance=instance.name, metrics_port=port)
    settle()
    loop.run_until_complete(_serve(app, loop))


def _hand_to(loop: asyncio.AbstractEventLoop, inbox: "asyncio.Queue[Sequence[Chunk]]", chunks: Sequence[Chunk]) -> None:
    loop.call_soon_threadsafe(inbox.put_nowait, chunks)


async def _serve(app: Any, loop: asyncio.AbstractEventLoop) -> None:
    stopped = asyncio.Event()
    on_stop(lambda: loop.call_soon_threadsafe(stopped.set))
    await app.start()
    app.flow_control.resume()
    waiter = asyncio.ensure_future(stopped.wait())
    crashed = asyncio.ensure_future(app.wait_until_stopped())
    await asyncio.wait({waiter, crashed}, return_when=asyncio.FIRST_COMPLETED)
    asked_to_stop = stopped.is_set()
    stopped.set()
    await app.stop()
    if not asked_to_stop:
        raise FatalError("the agents stopped by themselves")
