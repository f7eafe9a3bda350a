"""What a world came to, held against ``moodtape verify``, and against a pipeline with the same log and no faults."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from infra.kafka import plain_producer
from infra.offsets import read_to_end
from infra.services import start_services, stop_services
from infra.settings import Settings
from infra.topics import create_topics
from schemas.topics import RAW_TOPICS
from tests.helpers.playing import NOT_COMPARED, TABLES, rows_of

from .world import DRAIN_SECONDS, Setting, World

# A dead letter names the place of its original, which is another one in a copy; the account has looked at them.
COMPARED = tuple(table for table in TABLES if table != "dead_letter")
LOGICAL_KEY = ("symbol", "interval", "start")
# Facts a second through a whole pipeline, on a machine with little to spare.
LEAST_RATE = 200.0
AS_KNOWN = ("revision", "known_time", "buzz_z")


def finish(world: World, *, alone: bool = False) -> list[str]:
    """End all origins and let everything drain; sentences of what is not as it must be.

    ``alone``: what was done makes another truth of the log, so there is no undisturbed run to compare with.
    """
    for feeder in world.feeders:
        if feeder.is_alive():
            feeder.end()
    world.drain()
    found = world.account.check()
    return [*([] if found.clean else [str(found)]), *verified(world), *([] if alone else same_undisturbed(world))]


def verified(world: World) -> Iterator[str]:
    """What ``moodtape verify`` finds wrong."""
    command = [sys.executable, "-m", "moodtape", "verify", "--json", "--data-dir", str(world.folder)]
    done = subprocess.run(command, env=world.environment, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = done.stdout.strip().splitlines()
        edges: list[dict[str, Any]] = json.loads(lines[-1])["edges"] if lines else []
        problems = [problem for edge in edges for problem in edge["problems"]]
        yield f"verify: {problems[:3] or done.stderr[-300:]}"


def same_undisturbed(world: World) -> list[str]:
    """Tables that are not what a pipeline without faults makes of a copy of the raw topics."""
    folder = world.folder.with_name("undisturbed")
    settings = Settings(data_dir=folder / "data")
    endpoints = start_services(settings)
    try:
        create_topics(endpoints.kafka, settings)
        copy_raw(world.endpoints.kafka, endpoints.kafka)
    finally:
        stop_services(settings)
    with World(folder / "data", world.seed, Setting.UNFED, inside=world.inside) as plain:
        plain.drain(max(DRAIN_SECONDS, world.ledger.facts.total() / LEAST_RATE))
        return list(differences(world.endpoints.database, plain.endpoints.database, came_late="late" in world.notes))


def copy_raw(source: str, target: str) -> None:
    """The raw topics' records, byte for byte, partition by partition in the order of the log."""
    producer = plain_producer(target)
    for message in read_to_end(source, RAW_TOPICS):
        while True:
            try:
                producer.produce(
                    message.topic(),
                    message.value(),
                    message.key(),
                    partition=message.partition(),
                    headers=message.headers(),
                )
            except BufferError:
                producer.poll(0.1)
            else:
                break
    assert producer.flush(120) == 0


def differences(ours: str, theirs: str, *, came_late: bool) -> Iterator[str]:
    """Sentences for each table in which two databases differ.

    Where facts came later than the allowed lateness only the last revision of a mood is a function of the raw topics,
    but for its ``buzz_z``, which knows of earlier buckets what was known then; a correlation that was emitted stands.
    """
    for table in COMPARED:
        if came_late and table == "correlation":
            continue
        left, right = (Counter(map(_line, _rows(url, table, came_late))) for url in (ours, theirs))
        if left != right:
            for where, surplus in (("with faults", left - right), ("undisturbed", right - left)):
                yield f"{table}: {surplus.total()} rows only {where}, such as {next(iter(surplus), None)}"


def _rows(url: str, table: str, came_late: bool) -> Iterable[dict[str, Any]]:
    rows = rows_of(url, table)
    return _last_revisions(rows) if came_late and table == "sentiment" else rows


def _last_revisions(rows: Sequence[dict[str, Any]]) -> Iterable[dict[str, Any]]:
    last: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in sorted(rows, key=lambda row: row["revision"]):
        last[tuple(row[name] for name in LOGICAL_KEY)] = {**row, **dict.fromkeys(AS_KNOWN)}
    return last.values()


def _line(row: dict[str, Any]) -> str:
    return json.dumps({k: v for k, v in row.items() if k not in NOT_COMPARED}, sort_keys=True, default=repr)
