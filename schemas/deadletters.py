"""Dead letters: the headers that say where a record failed, why, and who gave it up.

A dead letter keeps key, value and headers of the original byte for byte; the headers below are appended.
A letter that is redriven goes back to the topic of its original with the original's headers and six of ours: where
the original stands, which try this is, who tries, and when it failed first. If it fails again its letter has the
same identity and the number of that try.
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
REDRIVEN_HEADERS = (TOPIC_HEADER, PARTITION_HEADER, OFFSET_HEADER, ATTEMPTS_HEADER, GROUP_HEADER, FAILED_AT_HEADER)
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
    headers = headers or ()
    last = _last_of(headers, DEAD_LETTER_HEADERS)
    missing = [name for name in DEAD_LETTER_HEADERS if name not in last]
    if missing:
        raise NotADeadLetter(f"no header {', '.join(missing)}")
    texts = _texts(headers, last)
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
            headers=_without(headers, last),
        )
    except ValueError as error:
        raise NotADeadLetter(f"unreadable header: {error}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Redriven:
    """What the headers of a redriven record say.

    ``topic``, ``partition`` and ``offset`` are the original's place; ``attempts`` counts this try, so it is 2 or
    more; ``group`` gave the record up, and it alone tries again: every other reader has had the original and passes
    over this. ``failed_at`` is when it failed first, microseconds UTC; ``headers`` are the original's own.
    """

    topic: str
    partition: int
    offset: int
    attempts: int
    group: str
    failed_at: int
    headers: Headers


def redriven_headers(letter: DeadLetter) -> Headers:
    """Headers with which a dead letter goes back to the topic of its original."""
    texts = (letter.topic, letter.partition, letter.offset, letter.attempts + 1, letter.group, letter.failed_at)
    ours = zip(REDRIVEN_HEADERS, (str(text).encode() for text in texts), strict=True)
    return [*letter.headers, *ours]


def parse_redriven(headers: Sequence[tuple[str, bytes]] | None) -> Redriven | None:
    """The inverse of :func:`redriven_headers`; None where a record is not redriven."""
    if not headers:
        return None
    last = _last_of(headers, REDRIVEN_HEADERS)
    if len(last) < len(REDRIVEN_HEADERS):
        return None
    texts = _texts(headers, last)
    try:
        return Redriven(
            topic=texts[TOPIC_HEADER],
            partition=int(texts[PARTITION_HEADER]),
            offset=int(texts[OFFSET_HEADER]),
            attempts=int(texts[ATTEMPTS_HEADER]),
            group=texts[GROUP_HEADER],
            failed_at=int(texts[FAILED_AT_HEADER]),
            headers=_without(headers, last),
        )
    except ValueError:
        return None


def failure_headers(
    *,
    topic: str,
    partition: int,
    offset: int,
    headers: Sequence[tuple[str, bytes]] | None,
    stage: str,
    error: str,
    message: str,
    reason: str,
    group: str,
    now: int,
) -> Headers:
    """Headers of the dead letter of a record of a topic, given where it stands and its own headers.

    A redriven record keeps the identity of its original and the time of its first failure, and its tries count on.
    """
    said = {"stage": stage, "error": error, "message": message, "reason": reason, "group": group}
    again = parse_redriven(headers)
    if again is None:
        place = {"topic": topic, "partition": partition, "offset": offset}
        return dead_letter_headers(**place, **said, attempts=1, failed_at=now, original=headers)  # type: ignore[arg-type]
    return dead_letter_headers(
        topic=again.topic,
        partition=again.partition,
        offset=again.offset,
        **said,
        attempts=again.attempts,
        failed_at=again.failed_at,
        original=again.headers,
    )


def _last_of(headers: Sequence[tuple[str, bytes]], names: Sequence[str]) -> dict[str, int]:
    """Index of the last header of each name: where a name recurs the last counts, as everywhere in Kafka."""
    return {name: index for index, (name, _) in enumerate(headers) if name in names}


def _texts(headers: Sequence[tuple[str, bytes]], last: dict[str, int]) -> dict[str, str]:
    return {name: (headers[index][1] or b"").decode(errors="replace") for name, index in last.items()}


def _without(headers: Sequence[tuple[str, bytes]], last: dict[str, int]) -> Headers:
    ours = set(last.values())
    return [header for index, header in enumerate(headers) if index not in ours]
