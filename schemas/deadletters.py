"""Dead letters: the headers that say where a record failed, why, and who gave it up.

A dead letter keeps key, value and headers of the original byte for byte; the headers below are appended.
Where a record failed more than once the last header of a name counts, as everywhere in Kafka.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from .clocks import Headers

TOPIC_HEADER = "__connect.errors.topic"
PARTITION_HEADER = "__connect.errors.partition"
OFFSET_HEADER = "__connect.errors.offset"
STAGE_HEADER = "__connect.errors.stage"
ERROR_HEADER = "__connect.errors.exception.class.name"
MESSAGE_HEADER = "__connect.errors.exception.message"
REASON_HEADER = "x-dlq-reason"
ATTEMPTS_HEADER = "x-dlq-attempts"
GROUP_HEADER = "x-dlq-group"
FAILED_AT_HEADER = "x-dlq-first-failed-at"

DEAD_LETTER_HEADERS = (
    TOPIC_HEADER,
    PARTITION_HEADER,
    OFFSET_HEADER,
    STAGE_HEADER,
    ERROR_HEADER,
    MESSAGE_HEADER,
    REASON_HEADER,
    ATTEMPTS_HEADER,
    GROUP_HEADER,
    FAILED_AT_HEADER,
)
MAX_MESSAGE = 500


class NotADeadLetter(ValueError):
    """Headers lack what a dead letter must have, or it cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """What the headers of a dead letter say.

    ``topic``, ``partition`` and ``offset`` are the original's place and its identity; ``failed_at`` is
    microseconds UTC; ``headers`` are the original's own.
    """

    topic: str
    partition: int
    offset: int
    stage: str
    error: str
    message: str
    reason: str
    attempts: int
    group: str
    failed_at: int
    headers: Headers


def dead_letter_headers(
    *,
    topic: str,
    partition: int,
    offset: int,
    stage: str,
    error: str,
    message: str,
    reason: str,
    attempts: int,
    group: str,
    failed_at: int,
    original: Sequence[tuple[str, bytes]] | None,
) -> Headers:
    """Headers of a dead letter: the original's, byte for byte, then ours as UTF-8 text.

    Args:
        topic: where the original stands, with ``partition`` and ``offset``.
        partition: of the original.
        offset: of the original.
        stage: which stage or sink gave it up.
        error: class name of the error.
        message: what the error says, cut at 500 characters; never a post's text and never a secret.
        reason: one of ``infra.errors.PoisonReason``.
        attempts: how often it was tried, this time included.
        group: the consumer group that gave it up.
        failed_at: when it failed first, microseconds UTC.
        original: headers of the original, None for none.
    """
    texts = (
        topic,
        str(partition),
        str(offset),
        stage,
        error,
        message[:MAX_MESSAGE],
        reason,
        str(attempts),
        group,
        str(failed_at),
    )
    ours = zip(DEAD_LETTER_HEADERS, (text.encode(errors="replace") for text in texts), strict=True)
    return [*(original or ()), *ours]


def parse_dead_letter(headers: Sequence[tuple[str, bytes]] | None) -> DeadLetter:
    """The inverse of :func:`dead_letter_headers`.

    Raises:
        NotADeadLetter: a header is missing or is not what it should be.
    """
    last = {name: index for index, (name, _) in enumerate(headers or ()) if name in DEAD_LETTER_HEADERS}
    missing = [name for name in DEAD_LETTER_HEADERS if name not in last]
    if headers is None or missing:
        raise NotADeadLetter(f"no header {', '.join(missing)}")
    texts = {name: (headers[index][1] or b"").decode(errors="replace") for name, index in last.items()}
    ours = set(last.values())
    try:
        return DeadLetter(
            topic=texts[TOPIC_HEADER],
            partition=int(texts[PARTITION_HEADER]),
            offset=int(texts[OFFSET_HEADER]),
            stage=texts[STAGE_HEADER],
            error=texts[ERROR_HEADER],
            message=texts[MESSAGE_HEADER],
            reason=texts[REASON_HEADER],
            attempts=int(texts[ATTEMPTS_HEADER]),
            group=texts[GROUP_HEADER],
            failed_at=int(texts[FAILED_AT_HEADER]),
            headers=[header for index, header in enumerate(headers) if index not in ours],
        )
    except ValueError as error:
        raise NotADeadLetter(f"unreadable header: {error}") from error


def attempts_before(headers: Sequence[tuple[str, bytes]] | None) -> int:
    """How often a record was given up already: 0, or what a redriven record carries."""
    try:
        return max((int(value) for name, value in headers or () if name == ATTEMPTS_HEADER and value), default=0)
    except ValueError:
        return 0
