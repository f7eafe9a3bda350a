"""What the tests of sinks share: facts, a transactional writer, a sink in a thread."""

import contextlib
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import psycopg
from confluent_kafka import Producer, TopicPartition
from psycopg import sql
from psycopg.rows import dict_row

from infra.errors import ServiceUnavailable
from infra.kafka import admin_client, producer_config
from infra.offsets import log_ends
from schemas.clocks import Clock
from schemas.codec import codec_for
from schemas.records import (
    Bar,
    Correlation,
    Gap,
    Indicators,
    Instrument,
    Mention,
    PostMention,
    Quote,
    Record,
    ScoredPost,
    Sentiment,
    SentimentScore,
    SourceBar,
)
from schemas.topics import TOPIC_OF_RECORD, TOPICS, dead_letter_topic, partition_of
from sinks.rows import TABLE_OF_TOPIC
from tests.helpers.waiting import wait_for

MINUTE = 60_000_000
START = 1_650_000_000_000_000
SINK_TOPICS = (*TABLE_OF_TOPIC, *map(dead_letter_topic, TOPICS))


def quote(symbol: str = "TSLA", minute: int = 0, **more: Any) -> Quote:
    """A quote so many minutes after the start."""
    moment = START + minute * MINUTE
    return Quote(**{"source": "simulator", "symbol": symbol, "event_time": moment, "ingest_time": moment, **more})


def sample_records() -> list[Record]:
    """Every kind of fact, once with every field filled and once with as little as can be."""
    time_ = {"event_time": START + MINUTE}
    name = {"symbol": "BRK-B"}
    return [
        quote(
            symbol="^GSPC", price=12.5, volume=3.0, bid=12.4, ask=12.6, bid_size=1.0,
            ask_size=2.0, currency="USD", session="PRE", sequence=2**40, revision=1,
            bar=SourceBar(interval=60, open=1.0, high=2.0, low=0.5, volume=9.0),
            flags=("jump", "stale"),
        ),
        quote(),
        Bar(
            **name, **time_, interval=300, start=START, known_time=START + 2 * MINUTE, revision=3,
            open=1.0, high=2.5, low=0.5, close=2.0, volume=7.0, trades=4, vwap=1.5,
            source="yahoo", flags=("straddles",), indicators=Indicators(return_log=0.1, rsi14=50.0, obv=-3.0),
        ),
        Bar(**name, **time_, interval=60, start=START),
        ScoredPost(
            source="reddit", post_id="t3_ö", revision=2, **time_, ingest_time=START, author="h", community="stocks",
            url="https://example.org/1", language="en", spam=0.25, flags=("late",),
            mentions=(PostMention(symbol="TSLA", rule="cashtag", confidence=0.9), PostMention(symbol="GME")),
            sentiment=SentimentScore(score=0.5, positive=0.6, negative=0.1, neutral=0.3, label="positive", model="m"),
        ),
        ScoredPost(source="x", post_id="1", **time_),
        Mention(
            **name, source="reddit", post_id="t3_ö", **time_, author="h", community="c", url="u", rule="name",
            confidence=0.5, spam=0.1, flags=("late",), score=0.2, positive=0.5, negative=0.3, neutral=0.2,
            label="positive", model="m", model_version="1", fingerprint=-(2**63), words=("moon", "été"),
        ),
        Mention(**name, source="x", post_id="1", **time_),
        Sentiment(
            **name, **time_, interval=300, start=START, known_time=START, revision=1, mentions=5,
            duplicates=1, authors=3, score=0.1, positive=2, negative=1, neutral=1, score_stddev=0.2,
            score_weighted=0.3, buzz_z=1.1, sources={"reddit": 4, "x": 1}, keywords=("moon",), coverage=0.5,
            model="m", model_version="mixed",
        ),
        Sentiment(**name, **time_, interval=60, start=START),
        Correlation(
            **name, **time_, interval=300, window=60, known_time=START, pair="MOOD_RETURN", method="PEARSON", n=60,
            n_effective=30.5, r=0.4, p_value=0.01, ci_low=0.1, ci_high=0.6, lags=(-1, 0, 1),
            r_by_lag=(None, 0.4, 0.2), best_lag=0, p_best=0.03, status="OK",
        ),
        Correlation(**name, **time_, interval=60, window=390),
        Gap(source="reddit", stream="posts", start=START, **time_, reason="429", missed=3),
        Gap(source="x", **time_),
        Instrument(
            symbol="META", name="Meta Platforms", exchange="NMS", currency="USD",
            former_symbols=("FB",), aliases=("Facebook",),
        ),
        Instrument(symbol="X"),
    ]  # fmt: skip


class Writer:
    """Writes facts, clocks and bytes in transactions, so that the logs hold markers as ours do."""

    def __init__(self, bootstrap: str) -> None:
        self._producer = Producer(producer_config(bootstrap, **{"transactional.id": f"test-{uuid.uuid4()}"}))
        self._producer.init_transactions(30)

    @contextlib.contextmanager
    def transaction(self, *, abort: bool = False) -> Iterator[None]:
        """What is written inside is committed together, or aborted."""
        self._producer.begin_transaction()
        yield
        if abort:
            self._producer.flush(30)
            self._producer.abort_transaction(30)
        else:
            self._producer.commit_transaction(30)

    def facts(self, records: Sequence[Record], *, abort: bool = False) -> None:
        """Write facts in one transaction."""
        with self.transaction(abort=abort):
            for record in records:
                spec = TOPIC_OF_RECORD[type(record)]
                key = spec.key(record)
                self.put(
                    spec.name, partition_of(key, spec.partitions), key.encode(), codec_for(spec.name).encode(record)
                )

    def clocks(self, topic: str, moment: int = START) -> None:
        """A clock to every partition of a topic."""
        with self.transaction():
            for partition in range(TOPICS[topic].partitions):
                headers = Clock(kind="time", origin="simulator/1", time=moment).headers()
                self._producer.produce(topic, None, partition=partition, headers=headers)

    def put(self, topic: str, partition: int, key: bytes | None, value: bytes | None, headers: Any = None) -> None:
        """Write bytes inside a transaction."""
        self._producer.produce(topic, value, key, partition=partition, headers=headers)
        self._producer.poll(0)


@contextlib.contextmanager
def running(run: Callable[..., None], *args: Any) -> Iterator["Future[None]"]:
    """A sink in a thread, as its future; stopped at the end, where an error of it is raised."""
    stop = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(run, *args, stop=stop)
        try:
            yield future
        finally:
            stop.set()
            future.result(30)


def await_true(holds: Callable[[], Any], what: str, seconds: float = 90.0) -> None:
    """Ask until something holds; a server that does not answer yet is asked again."""
    wait_for(lambda: _asked(holds), what, seconds)


def _asked(holds: Callable[[], Any]) -> bool:
    try:
        return bool(holds())
    except ServiceUnavailable:
        return False


def stored_to_end(bootstrap: str, database: str) -> bool:
    """Whether the ledger stands at the end of every log of the sink."""
    ends = log_ends(bootstrap, SINK_TOPICS)
    with psycopg.connect(database) as connection:
        found = connection.execute("SELECT topic, partition, next_offset FROM sink_offset").fetchall()
    stands = {(topic, partition): offset for topic, partition, offset in found}
    return all(stands.get(part) == end for part, end in ends.items())


def rows(database: str, table: str) -> list[dict[str, Any]]:
    """All rows of a table, in the order of the log."""
    query = sql.SQL("SELECT * FROM {} ORDER BY topic_partition, topic_offset").format(sql.Identifier(table))
    with psycopg.connect(database, row_factory=dict_row) as connection:
        return connection.execute(query).fetchall()


def delete_records(bootstrap: str, topic: str, partition: int, before: int) -> None:
    """Cut the start of a log."""
    admin = admin_client(bootstrap)
    for future in admin.delete_records([TopicPartition(topic, partition, before)]).values():
        future.result(30)
