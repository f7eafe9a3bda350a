"""Removes a replay: its topics, groups, rows, and what is known of it."""

import shutil
import time

import psycopg
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from psycopg import sql

from infra.endpoints import Endpoints
from infra.errors import ServiceUnavailable, UserError
from infra.kafka import admin_client
from infra.replays import Plan
from infra.settings import Settings
from infra.topics import delete_topics, desired_topics
from schemas.topics import RAW_TOPICS
from sinks.served import served_version
from sinks.timescale import GROUP
from streams.topology import STAGES

from ..pipeline import TABLES
from ..supervisor import Supervisor
from .switch import switching
from .work import folder_of

_TIMEOUT_SECONDS = 30.0
# A worker that was killed is a member of its group until its session ends.
_SESSION_SECONDS = 30.0


def drop_replay(settings: Settings, endpoints: Endpoints, plan: Plan) -> int:
    """Remove a replay; returns how many rows it had. Done again after a kill, it removes the rest.

    Nobody switches meanwhile. The rows go last and at once: until then a replay that was complete can be read.

    Raises:
        UserError: readers see it, or it is running.
        ServiceUnavailable: a server is away.
    """
    folder = folder_of(settings, plan.id)
    with switching(endpoints.database) as connection:
        if served_version(connection) == plan.id:
            raise UserError(f"readers see replay {plan.id}; `moodtape replay switch live` first")
        if folder.exists():
            # Ends the processes that a killed run left behind, and refuses while one is running.
            Supervisor(settings.model_copy(update={"data_dir": folder})).take_over()
        delete_topics(endpoints.kafka, [topic.name for topic in desired_topics(settings, plan.id, RAW_TOPICS)])
        groups = [*(f"moodtape.{stage}.{plan.id}" for stage in STAGES), f"{GROUP}.{plan.id}"]
        _delete_groups(admin_client(endpoints.kafka), groups)
        rows = _delete_rows(connection, plan.id)
    shutil.rmtree(folder, ignore_errors=True)
    return rows


def _delete_groups(admin: AdminClient, names: list[str]) -> None:
    """Offsets that stayed would let another replay of the same name begin in the middle."""
    deadline = time.monotonic() + _SESSION_SECONDS
    left = names
    while left:
        futures = admin.delete_consumer_groups(left, request_timeout=_TIMEOUT_SECONDS)
        left = [name for name, future in futures.items() if not _done(future)]
        if left and time.monotonic() > deadline:
            raise UserError(f"consumer group {left[0]} has members: end the workers of this replay first")
        time.sleep(1.0 if left else 0.0)


def _done(future: "object") -> bool:
    """Whether a group is deleted, or was not there; False where members keep it."""
    try:
        future.result()  # type: ignore[attr-defined]  # confluent_kafka has no types
    except KafkaException as error:
        problem: KafkaError = error.args[0]
        if problem.code() == KafkaError.NON_EMPTY_GROUP:
            return False
        if problem.code() != KafkaError.GROUP_ID_NOT_FOUND:
            raise ServiceUnavailable(f"Kafka: {problem.str()}") from error
    return True


def _delete_rows(connection: psycopg.Connection, name: str) -> int:
    """Everything at once, so that no half of a replay is left to be switched to."""
    count = 0
    with connection.transaction():
        for table in TABLES:
            query = sql.SQL("DELETE FROM {} WHERE replay = %s").format(sql.Identifier(table))
            count += connection.execute(query, (name,)).rowcount
        connection.execute("DELETE FROM sink_offset WHERE replay = %s", (name,))
        connection.execute("DELETE FROM replay WHERE id = %s", (name,))
    return count
