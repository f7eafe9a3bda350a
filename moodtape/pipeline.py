"""Which processes make up the pipeline on one machine, and how to tell that all has drained."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import psycopg
from psycopg import sql

from infra.database import connected
from infra.endpoints import Endpoints
from infra.offsets import committed_offsets, log_ends, read_to_end
from infra.settings import Settings
from schemas.clocks import CLOCK_HEADER
from schemas.replays import LIVE
from schemas.topics import RAW_POSTS, RAW_QUOTES, TOPICS, dead_letter_topic
from streams.topology import STAGES

from .supervisor import Child

GROUPS: dict[str, tuple[str, ...]] = {
    "moodtape.quotes": ("raw.quotes.v1",),
    "moodtape.bars": ("quotes.v1",),
    "moodtape.posts": ("raw.posts.v1",),
    "moodtape.moods": ("mentions.v1",),
    "moodtape.correlations": ("bars.v1", "sentiment.v1"),
    "moodtape.sink.latest": ("quotes.v1", "sentiment.v1", "correlations.v1"),
}
TABLES = ("quote", "bar", "post", "mention", "sentiment", "correlation", "gap", "instrument", "dead_letter")
TABLE_TOPICS = tuple(name for name in TOPICS if name not in (RAW_QUOTES, RAW_POSTS))


def children(settings: Settings, workers: int) -> list[Child]:
    """Every process but servers and producers; ``workers`` of each stage."""
    found = scorers(settings)
    for stage in STAGES:
        for number in range(1, workers + 1):
            name = f"stream-{stage}" if number == 1 else f"stream-{stage}-{number}"
            found.append(Child(name, ("stream", stage)))
    found += [Child("sink-timescale", ("sink", "timescale")), Child("sink-latest", ("sink", "latest"))]
    return [*found, Child("api", ("api",))]


def scorers(settings: Settings) -> list[Child]:
    """The scorers' processes; none where the user names one of their own."""
    if settings.scorer_url:
        return []
    numbers = range(1, settings.scorer_processes + 1)
    return [Child(f"score-{number}", ("score", "--port", "0", "--number", str(number))) for number in numbers]


def drained(endpoints: Endpoints) -> bool:
    """Whether every group and the ledger of the database stand at the ends of their logs, and the ends stand still."""
    topics = [*TOPICS, *map(dead_letter_topic, TOPICS)]
    ends = log_ends(endpoints.kafka, topics)
    for group, inputs in GROUPS.items():
        committed = committed_offsets(endpoints.kafka, group, inputs)
        if any(committed.get(key, 0) < end for key, end in ends.items() if key[0] in inputs):
            return False
    stored = stored_offsets(endpoints.database)
    sunk = (*TABLE_TOPICS, *map(dead_letter_topic, TOPICS))
    if any(stored.get(key, 0) < end for key, end in ends.items() if key[0] in sunk):
        return False
    return log_ends(endpoints.kafka, topics) == ends


def stored_offsets(database: str, replay: str = LIVE) -> dict[tuple[str, int], int]:
    """Up to where the database holds the topics of the live flow or of a replay, by (topic, partition)."""
    query = "SELECT topic, partition, next_offset FROM sink_offset WHERE replay = %s"
    with connected(database) as connection:
        rows = connection.execute(query, (replay,))
        return {(topic, partition): offset for topic, partition, offset in rows}


def counts(endpoints: Endpoints) -> dict[str, dict[str, int]]:
    """Facts by topic, rows by table, dead letters by reason. Clocks are not facts."""
    topics = dict(_facts(endpoints.kafka, list(TOPICS)))
    with psycopg.connect(endpoints.database) as connection:
        return {"topics": topics, **table_counts(connection, LIVE)}


def table_counts(connection: psycopg.Connection, replay: str) -> dict[str, dict[str, int]]:
    """Rows by table, dead letters by reason, of the live flow or of a replay."""
    tables = {name: _count(connection, name, replay) for name in TABLES}
    letters = connection.execute(
        "SELECT reason, count(*) FROM dead_letter WHERE replay = %s GROUP BY reason ORDER BY reason", (replay,)
    )
    return {"tables": tables, "dead_letters": dict(letters.fetchall())}


def _facts(bootstrap: str, topics: Sequence[str]) -> Iterator[tuple[str, int]]:
    found: Counter[str] = Counter()
    for message in read_to_end(bootstrap, topics):
        if all(name != CLOCK_HEADER for name, _ in message.headers() or ()):
            found[message.topic()] += 1
    yield from ((topic, found[topic]) for topic in topics)


def _count(connection: psycopg.Connection[tuple[int]], table: str, replay: str) -> int:
    query = sql.SQL("SELECT count(*) FROM {} WHERE replay = %s").format(sql.Identifier(table))
    row = connection.execute(query, (replay,)).fetchone()
    return row[0] if row else 0


def api_url(data_dir: Path) -> str | None:
    """Where the API of this data folder listens; None while it does not."""
    try:
        url: str = json.loads((data_dir / "api.json").read_text())["url"]
    except (OSError, ValueError, KeyError):
        return None
    return url
