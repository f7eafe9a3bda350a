"""What is served before anything happened, and what is served no more when it is somebody else's."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from random import Random
from threading import Event
from types import SimpleNamespace
from typing import Any, get_args

import pytest
from confluent_kafka import TopicPartition
from prometheus_client import REGISTRY

from infra import metrics
from infra.clock import MICROS
from infra.errors import PoisonReason
from infra.metrics import Health, announce, serve_health
from infra.settings import Settings
from producers.runner import Runner
from schemas.clocks import Clock
from schemas.deadletters import REASON_HEADER
from schemas.replays import LIVE
from schemas.topics import BARS, QUOTES, RAW_TOPICS, SENTIMENT, dead_letter_topic
from sinks.ledger import Bounds, Part
from sinks.letters import Letters
from sinks.loop import SinkLoop
from sinks.reading import Reader
from streams import topology
from streams.engine.chunks import Handover
from streams.engine.core import Output
from streams.engine.ends import Ends
from streams.engine.progress import report_lag
from streams.engine.pump import Pump, count_written

NOWHERE = "127.0.0.1:1"


def value(name: str, **labels: str) -> float | None:
    """What is served; None = nothing."""
    return REGISTRY.get_sample_value(name, labels)


@pytest.fixture(autouse=True)
def nothing_counted() -> None:
    """Forget what earlier tests showed."""
    for metric in (metrics.DEAD_LETTERS, metrics.CONSUMER_LAG, metrics.WATERMARK, metrics.RECORDS_OUT):
        metric.clear()


def nothing(*_: object) -> Any:
    """Whatever is asked for."""


def worker() -> Pump:
    """Of correlations, before it starts."""
    stage = topology.correlations(Settings())
    return Pump(stage, Settings(), NOWHERE, "a", send=nothing, handover=Handover(), end=nothing, now=lambda: 0)


def sink() -> None:
    """What a sink writes its letters with."""
    Letters(NOWHERE, "sink.timescale", "group", Reader(LIVE, "group").fact_topics, lambda: 0)


def producer() -> None:
    """Of a source that says nothing."""
    Runner(NOWHERE, SimpleNamespace(origin="silent/1", live=False), Event())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("made", "topics"),
    [(worker, (BARS, SENTIMENT)), (sink, (QUOTES, BARS)), (producer, RAW_TOPICS)],
    ids=lambda given: getattr(given, "__name__", ""),
)
def test_dead_letters_are_served_before_there_are_any(made: Callable[[], object], topics: tuple[str, ...]) -> None:
    """Each reason of each topic is 0: an alert on a rise would not see a series that begins at 1."""
    made()
    for topic in topics:
        for reason in get_args(PoisonReason):
            assert value("moodtape_dead_letters_total", topic=topic, reason=reason) == 0


def test_facts_are_counted_as_written_and_dead_letters_apart() -> None:
    """Clocks and dead letters are no facts; a head of a replay, which has a key, is."""
    clock = Clock(kind="tick").headers()
    letter = Output(dead_letter_topic(BARS), 0, None, None, [*clock, (REASON_HEADER, b"undecodable")])
    count_written([Output(QUOTES, None, b"A", b"1", []), Output(QUOTES, None, b"A", None, []), letter])
    count_written([Output(QUOTES, 3, None, None, clock)])
    assert value("moodtape_records_out_total", topic=QUOTES) == 2
    assert value("moodtape_records_out_total", topic=dead_letter_topic(BARS)) is None
    assert value("moodtape_dead_letters_total", topic=BARS, reason="undecodable") == 1


def test_a_worker_shows_nothing_of_partitions_that_it_gave_up() -> None:
    """Lag and watermark of a partition that another worker has would stand still here; the rest stays."""
    core = SimpleNamespace(watermark=7 * MICROS)
    owned: Any = [SimpleNamespace(partition=number, committed={BARS: 1}, core=core) for number in (0, 1)]
    client: Any = SimpleNamespace(get_watermark_offsets=lambda *_, **__: (0, 5), unassign=nothing)
    assert report_lag(client, owned, [BARS], Ends({}), ask=False) == 8
    worker()._revoke(client, [TopicPartition(topic, number) for topic in (BARS, SENTIMENT) for number in (0, 2)])
    lags = [value("kafka_consumergroup_lag", topic=BARS, partition=number) for number in "01"]
    marks = [value("moodtape_watermark_seconds", partition=number) for number in "01"]
    assert (lags, marks) == ([None, 4], [None, 7])


class Shared:
    """A log with facts to come, of which a group gives partitions; the store takes whatever comes."""

    name, given = "shared", 1

    def __init__(self) -> None:
        self.parts, self.moved = [Part(QUOTES, 0), Part(QUOTES, 1)], True

    def place(self, bounds: dict[Part, Bounds]) -> dict[Part, int]:
        return {part: held.low for part, held in bounds.items()}

    def bounds(self) -> dict[Part, Bounds]:
        return {part: Bounds(0, 9, None) for part in self.parts}

    def seek(self, offsets: dict[Part, int]) -> None:
        self.moved = False

    def read(self, seconds: float) -> None:
        """Nothing yet."""

    def idle(self, seconds: float = 0.0) -> None:
        """Nothing to do."""

    def lags(self) -> dict[Part, int]:
        return dict.fromkeys(self.parts, 9)


def test_a_sink_shows_nothing_of_partitions_that_it_gave_up() -> None:
    """After a rebalance it shows the lag of what it has now."""
    log: Any = Shared()
    loop = SinkLoop(log, log, lambda: 10 * MICROS, Random(0))

    def shown() -> list[float | None]:
        return [value("kafka_consumergroup_lag", topic=QUOTES, partition=number) for number in "01"]

    for _ in range(2):
        loop.step()
    before = shown()
    log.parts, log.moved = log.parts[1:], True
    for _ in range(2):
        loop.step()
    assert (before, shown()) == ([9, 9], [None, 9])


def test_prometheus_is_told_where_to_ask(tmp_path: Path) -> None:
    """One file a process, with its name; those of processes that are gone go with the next one that comes."""
    folder = tmp_path / "metrics"
    folder.mkdir()
    (folder / "stream-quotes-999999999.json").write_text("[]")
    port = serve_health(Health(), Settings(data_dir=tmp_path), "supervisor")
    announce(tmp_path, "score", "http://[::1]:80")
    told = {path.name: json.loads(path.read_text()) for path in folder.iterdir()}
    assert told == {
        f"supervisor-{os.getpid()}.json": [{"targets": [f"127.0.0.1:{port}"], "labels": {"process": "supervisor"}}],
        f"score-{os.getpid()}.json": [{"targets": ["[::1]:80"], "labels": {"process": "score"}}],
    }


def test_what_cannot_be_announced_is_served(tmp_path: Path) -> None:
    """A folder that cannot be made is no reason to end."""
    (tmp_path / "metrics").write_text("in the way")
    assert serve_health(Health(), Settings(data_dir=tmp_path), "score") > 0
