"""The topics as code: what each shall be, how to create them, and how a broker's differ."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

from schemas.replays import DERIVED, LIVE, replayed
from schemas.topics import (
    DAY_MS,
    HOUR_MS,
    PARTITIONS,
    RAW_POSTS,
    RAW_TOPICS,
    STATE_MESSAGE_BYTES,
    TOPICS,
    TopicSpec,
    dead_letter_topic,
    state_topic,
)

from .errors import ServiceUnavailable, UserError
from .kafka import admin_client
from .settings import Settings

STAGES = ("quotes", "bars", "posts", "moods", "correlations")
_TIMEOUT_SECONDS = 30.0
_ANSWER_SECONDS = 10.0
_DESCRIBE_SECONDS, _TRIES = 5.0, 4
_SHOWN_DIFFERENCES = 3
_FACT_BYTES = 1024 * 1024
# A dead letter is the original and some headers more.
_DEAD_LETTER_BYTES = 2 * _FACT_BYTES
# The limit is one of batches, and these are cut anew.
_COPY_BYTES = 2 * _FACT_BYTES


@dataclass(frozen=True, slots=True)
class DesiredTopic:
    """A topic as it shall be. Only the listed configuration is ours; the rest is the broker's."""

    name: str
    partitions: int
    config: dict[str, str]


def desired_topics(settings: Settings, replay: str = LIVE, copied: Collection[str] = ()) -> list[DesiredTopic]:
    """Every topic of the live flow or of a replay: facts, dead letters, states, and its copies of live topics."""
    copies = {"min.insync.replicas": "2" if settings.replication_factor >= 3 else "1"}
    made = tuple(TOPICS) if replay == LIVE else DERIVED
    owners = (*STAGES, "redrive") if replay == LIVE else STAGES
    topics = [_fact_topic(TOPICS[name]) for name in made]
    topics += [_dead_letter_topic(TOPICS[name]) for name in dict.fromkeys((*RAW_TOPICS, *made))]
    topics += [_state_topic(owner) for owner in owners]
    topics += [_copy_topic(TOPICS[name]) for name in copied]
    return [
        DesiredTopic(replayed(topic.name, replay), topic.partitions, {**topic.config, **copies}) for topic in topics
    ]


def create_topics(bootstrap: str, settings: Settings, replay: str = LIVE, copied: Collection[str] = ()) -> list[str]:
    """Create the topics that are missing; returns their names. Never changes one that is there.

    Raises:
        ServiceUnavailable: Kafka does not answer or refuses.
    """
    admin = admin_client(bootstrap)
    present = _partition_counts(admin, bootstrap)
    missing = [topic for topic in desired_topics(settings, replay, copied) if topic.name not in present]
    if not missing:
        return []
    new = [
        NewTopic(t.name, num_partitions=t.partitions, replication_factor=settings.replication_factor, config=t.config)
        for t in missing
    ]
    for name, future in admin.create_topics(new, operation_timeout=_TIMEOUT_SECONDS).items():
        # Somebody else created it at the same time; diff_topics tells whether as we want it.
        _settle(name, future, "create", KafkaError.TOPIC_ALREADY_EXISTS)
    return [topic.name for topic in missing]


def delete_topics(bootstrap: str, names: Iterable[str]) -> None:
    """Delete those of the topics that are there.

    Raises:
        ServiceUnavailable: Kafka does not answer or refuses.
    """
    admin = admin_client(bootstrap)
    present = _partition_counts(admin, bootstrap)
    left = [name for name in names if name in present]
    if not left:
        return
    for name, future in admin.delete_topics(left, operation_timeout=_TIMEOUT_SECONDS).items():
        _settle(name, future, "delete", KafkaError.UNKNOWN_TOPIC_OR_PART)


def diff_topics(bootstrap: str, settings: Settings) -> list[str]:
    """Differences between the broker's topics and ours, one sentence each; empty when all is right.

    Raises:
        ServiceUnavailable: Kafka does not answer.
    """
    desired = desired_topics(settings)
    present, configs = _found(bootstrap, [topic.name for topic in desired])
    return [line for topic in desired for line in _differences(topic, present, configs)]


def require_topics(bootstrap: str, settings: Settings) -> None:
    """Refuse to go on unless the topics are as they shall be.

    Raises:
        UserError: they are not; the message names the first differences and the command that mends them.
        ServiceUnavailable: Kafka does not answer.
    """
    lines = diff_topics(bootstrap, settings)
    if not lines:
        return
    shown = "; ".join(lines[:_SHOWN_DIFFERENCES])
    more = f" and {len(lines) - _SHOWN_DIFFERENCES} more" if len(lines) > _SHOWN_DIFFERENCES else ""
    mend = "run `moodtape topics create`" if any("is missing" in line for line in lines) else _MEND_BY_HAND
    raise UserError(f"topics: {shown}{more}: {mend} (`moodtape topics diff` lists all)")


_MEND_BY_HAND = "set the configuration back with kafka-configs, or remove the topic and run `moodtape topics create`"


def _fact_topic(spec: TopicSpec) -> DesiredTopic:
    config = {**_common(_FACT_BYTES), **_kept(spec.retention_ms)}
    return DesiredTopic(spec.name, spec.partitions, config)


def _dead_letter_topic(spec: TopicSpec) -> DesiredTopic:
    retention = 48 * HOUR_MS if spec.name == RAW_POSTS else 14 * DAY_MS
    config = {**_common(_DEAD_LETTER_BYTES), **_kept(retention)}
    return DesiredTopic(dead_letter_topic(spec.name), spec.partitions, config)


def _copy_topic(spec: TopicSpec) -> DesiredTopic:
    """What an archive held of a topic, each record with the time at which it once was appended, so none is old."""
    config = {
        **_common(_COPY_BYTES),
        "message.timestamp.type": "CreateTime",
        "message.timestamp.before.max.ms": str(2**63 - 1),
        "cleanup.policy": "delete",
        "retention.ms": "-1",
        "retention.bytes": "-1",
    }
    return DesiredTopic(spec.name, spec.partitions, config)


def _state_topic(stage: str) -> DesiredTopic:
    config = {
        **_common(STATE_MESSAGE_BYTES),
        "cleanup.policy": "compact",
        # Snapshots replace one another every few seconds: small segments and an eager cleaner keep restores short.
        "segment.bytes": str(32 * 1024 * 1024),
        "segment.ms": str(HOUR_MS // 6),
        "min.cleanable.dirty.ratio": "0.1",
        "delete.retention.ms": str(HOUR_MS),
    }
    return DesiredTopic(state_topic(stage), PARTITIONS, config)


def _common(message_bytes: int) -> dict[str, str]:
    # Retention counts from arrival, so that recordings of past years are not deleted as they come in.
    return {
        "message.timestamp.type": "LogAppendTime",
        "compression.type": "producer",
        "max.message.bytes": str(message_bytes),
    }


def _kept(retention_ms: int | None) -> dict[str, str]:
    if retention_ms is None:
        return {"cleanup.policy": "compact", "segment.ms": str(DAY_MS)}
    # Only closed segments are deleted: a twelfth bounds by how much a topic outlives its retention.
    segment_ms = min(retention_ms // 12, 7 * DAY_MS)
    return {"cleanup.policy": "delete", "retention.ms": str(retention_ms), "segment.ms": str(segment_ms)}


def _settle(name: str, future: "object", verb: str, harmless: int) -> None:
    """Wait for what was asked of a topic; ``harmless`` is the code of an error that says it is so already."""
    try:
        future.result()  # type: ignore[attr-defined]  # confluent_kafka has no types
    except KafkaException as error:
        problem: KafkaError = error.args[0]
        if problem.code() != harmless:
            raise ServiceUnavailable(f"kafka did not {verb} {name}: {problem.str()}") from None


def _found(bootstrap: str, names: list[str]) -> tuple[dict[str, int], dict[str, dict[str, str]]]:
    """Partitions of every topic that is there, and the configuration of those that are asked about.

    A client that has met the broker while that had no controller, as after a long pause, waits for one until its
    request times out and never looks again; so each try is short and has a client of its own.

    Raises:
        ServiceUnavailable: Kafka does not answer.
    """
    tries = 0
    while True:
        admin = admin_client(bootstrap)
        present = _partition_counts(admin, bootstrap)
        try:
            return present, _configs(admin, [name for name in names if name in present])
        except ServiceUnavailable:
            tries += 1
            if tries == _TRIES:
                raise


def _partition_counts(admin: AdminClient, bootstrap: str) -> dict[str, int]:
    try:
        metadata = admin.list_topics(timeout=_ANSWER_SECONDS)
    except KafkaException as error:
        raise ServiceUnavailable(f"kafka at {bootstrap} does not answer: {error.args[0].str()}") from None
    return {name: len(topic.partitions) for name, topic in metadata.topics.items()}


def _configs(admin: AdminClient, names: list[str]) -> dict[str, dict[str, str]]:
    if not names:
        return {}
    resources = [ConfigResource(ResourceType.TOPIC, name) for name in names]
    found = {}
    for resource, future in admin.describe_configs(resources, request_timeout=_DESCRIBE_SECONDS).items():
        try:
            found[resource.name] = {key: entry.value for key, entry in future.result().items()}
        except KafkaException as error:
            raise ServiceUnavailable(f"kafka did not describe {resource.name}: {error.args[0].str()}") from None
    return found


def _differences(topic: DesiredTopic, present: dict[str, int], configs: dict[str, dict[str, str]]) -> Iterator[str]:
    if topic.name not in present:
        yield f"{topic.name} is missing"
        return
    if present[topic.name] != topic.partitions:
        yield f"{topic.name} has {present[topic.name]} partitions, not {topic.partitions}"
    for key, wanted in topic.config.items():
        value = configs[topic.name].get(key)
        if value != wanted:
            yield f"{topic.name} has {key} = {value}, not {wanted}"
