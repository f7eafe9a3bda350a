"""Sending dead letters back to where they came from: each try once, whatever dies in between.

Copies and their marks are written in Kafka transactions of one transactional id. A second command fences the first
before it reads the marks, and a command that dies leaves nothing half done, so no letter goes back twice.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message

from infra.clock import Now
from infra.errors import ServiceUnavailable, UserError
from infra.failpoints import failpoint
from infra.kafka import insist, plain_producer
from producers.lines import BadLine
from schemas.clocks import Headers
from schemas.codec import codec_for
from schemas.deadletters import dead_letter_headers, redriven_headers
from schemas.topics import TOPICS, partition_of

from . import marks
from .cases import Case
from .letters import Buried
from .lines import reader_of

TRANSACTIONAL_ID = "moodtape.redrive"
BATCH_LETTERS = 500
BATCH_BYTES = 16 * 1024 * 1024
# A command that dies within a transaction holds the readers of these topics back for so long.
TRANSACTION_TIMEOUT_MS = 10_000
TIMEOUT_SECONDS = 30.0
_FENCED = (KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH)


@dataclass(frozen=True, slots=True, kw_only=True)
class Return:
    """What is written for one letter.

    Attributes:
        attempts: number of the try that it makes.
        group: who is to read it; None where it is an ordinary fact.
        error: why a line cannot be read today either; then what is written is its next letter.
    """

    case: Case
    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    attempts: int
    group: str | None = None
    error: str | None = None

    @property
    def size(self) -> int:
        """Bytes of key and value."""
        return len(self.key or b"") + len(self.value or b"")


@dataclass(slots=True)
class Report:
    """What one command did, or with ``dry_run`` would do; ``first`` names as many letters as were asked for."""

    dry_run: bool
    limit: int
    sent: int = 0
    failed_again: int = 0
    first: list[tuple[Return, str]] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)

    def take(self, item: Return, outcome: str) -> None:
        """Note what became of one letter."""
        if len(self.first) < self.limit:
            self.first.append((item, outcome))


def return_of(case: Case, now: Now) -> Return:
    """How a letter goes back: to the partition of its original, with its bytes and headers; a line as what it says."""
    letter = case.letter
    said = letter.letter
    assert said is not None  # noqa: S101  # such a letter is kept
    part = reader_of(letter) if letter.reason == "unparseable" else None
    if part is None:
        return Return(
            case=case,
            topic=said.topic,
            partition=said.partition,
            key=letter.key,
            value=letter.value,
            headers=redriven_headers(said),
            attempts=said.attempts + 1,
            group=said.group,
        )
    try:
        record = part.parse(letter.value or b"")
    except BadLine as error:
        return _buried_again(case, letter, error)
    key = TOPICS[part.topic].key(record)
    return Return(
        case=case,
        topic=part.topic,
        partition=partition_of(key),
        key=key.encode(),
        value=codec_for(part.topic).encode(record),
        headers=[],
        attempts=said.attempts + 1,
    )


def _buried_again(case: Case, letter: Buried, error: BadLine) -> Return:
    said = letter.letter
    assert said is not None  # noqa: S101  # only called for one that has it
    headers = dead_letter_headers(
        topic=said.topic,
        partition=said.partition,
        offset=said.offset,
        stage=said.stage,
        error=type(error).__name__,
        message=str(error),
        reason=said.reason,
        attempts=said.attempts + 1,
        group=said.group,
        failed_at=said.failed_at,
        original=said.headers,
    )
    return Return(
        case=case,
        topic=letter.topic,
        partition=letter.partition,
        key=letter.key,
        value=letter.value,
        headers=headers,
        attempts=said.attempts + 1,
        error=str(error),
    )


class Redriver:
    """Writes what goes back. From its start on, an earlier command of this kind can write no more.

    Raises:
        ServiceUnavailable: Kafka gives no transaction.
    """

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._producer: Any = plain_producer(
            bootstrap,
            **{"transactional.id": TRANSACTIONAL_ID, "transaction.timeout.ms": TRANSACTION_TIMEOUT_MS},
        )
        self._places: dict[int, int] = {}
        self._errors: dict[int, KafkaError] = {}
        self._call(lambda: self._producer.init_transactions(TIMEOUT_SECONDS))

    def send(self, items: Sequence[Return]) -> dict[int, str]:
        """Write all items in one transaction but those that the broker refuses; returns these, by index, and why.

        Raises:
            UserError: a later command of this kind has begun.
            ServiceUnavailable: Kafka does not take them; none of them is written.
        """
        refused: dict[int, str] = {}
        while len(refused) < len(items):
            left = {index: item for index, item in enumerate(items) if index not in refused}
            if self._transact(left):
                break
            refused |= {index: error.str() for index, error in self._errors.items()}
        return refused

    def _transact(self, items: dict[int, Return]) -> bool:
        """One transaction; False where it was aborted because some records are too large."""
        self._places, self._errors = {}, {}
        self._call(self._producer.begin_transaction)
        try:
            for index, item in items.items():
                self._produce(item.topic, item.partition, item.key, item.value, item.headers, self._note(index))
            self._call(lambda: self._producer.flush(TIMEOUT_SECONDS))
            failpoint("redrive-sent")
            if self._errors:
                return self._give_up_batch()
            for index, item in items.items():
                if item.error is None:
                    self._mark(item, self._places[index])
            failpoint("redrive-marked")
            self._call(lambda: self._producer.commit_transaction(TIMEOUT_SECONDS))
        except BaseException:
            self._abort()
            raise
        failpoint("redrive-committed")
        return True

    def _give_up_batch(self) -> bool:
        self._abort()
        other = [error for error in self._errors.values() if error.code() != KafkaError.MSG_SIZE_TOO_LARGE]
        if other:
            raise ServiceUnavailable(f"Kafka at {self._bootstrap} does not take dead letters back: {other[0].str()}")
        return False

    def _mark(self, item: Return, offset: int) -> None:
        letter = item.case.letter
        mark = marks.Mark(letter.attempts, item.topic, item.partition, offset, item.group, letter.topic)
        self._produce(marks.TOPIC, letter.partition, marks.key_of(letter).encode(), marks.encode(mark), [], None)

    def _note(self, index: int) -> Callable[[KafkaError | None, Message], None]:
        def delivered(error: KafkaError | None, message: Message) -> None:
            if error is None:
                self._places[index] = message.offset()
            else:
                self._errors[index] = error

        return delivered

    def _produce(
        self, topic: str, partition: int, key: bytes | None, value: bytes | None, headers: Headers, note: Any
    ) -> None:
        while True:
            try:
                self._producer.produce(topic, value, key, partition=partition, headers=headers, on_delivery=note)
            except BufferError:
                self._producer.poll(0.1)
            except KafkaException as error:
                raise self._failed(error) from error
            else:
                return

    def _call(self, function: Callable[[], object]) -> None:
        try:
            insist(function, TIMEOUT_SECONDS)
        except KafkaException as error:
            raise self._failed(error) from error

    def _failed(self, error: KafkaException) -> UserError | ServiceUnavailable:
        cause: KafkaError = error.args[0]
        if cause.code() in _FENCED:
            return UserError("another `moodtape dlq redrive` has begun: this one stops, what it has sent stays sent")
        return ServiceUnavailable(f"Kafka at {self._bootstrap}: {cause.str()}")

    def _abort(self) -> None:
        try:
            self._producer.abort_transaction(TIMEOUT_SECONDS)
        except KafkaException:
            return  # fenced or away: the broker aborts what it was not told to commit


def redrive(cases: Iterable[Case], report: Report, redriver: Redriver | None, now: Now, *, force: bool) -> Report:
    """Send back what waits, with ``force`` also what is parked; without ``redriver`` only say what would go.

    Raises:
        UserError: a later command of this kind has begun.
        ServiceUnavailable: Kafka does not take them.
    """
    for batch in _batches(_returns(cases, report, now, force)):
        refused = {} if redriver is None else redriver.send(batch)
        for index, item in enumerate(batch):
            if index in refused:
                report.skipped["refused by Kafka"] += 1
                report.take(item, f"refused by Kafka: {refused[index]}")
            elif item.error is not None:
                report.failed_again += 1
                report.take(item, f"still unreadable: {item.error}")
            else:
                report.sent += 1
                report.take(item, "to be sent" if redriver is None else "sent")
    return report


def _returns(cases: Iterable[Case], report: Report, now: Now, force: bool) -> Iterator[Return]:
    for case in cases:
        if case.state == "waiting" or (force and case.state == "parked"):
            yield return_of(case, now)
        else:
            report.skipped[case.state] += 1


def _batches(items: Iterable[Return]) -> Iterator[list[Return]]:
    batch: list[Return] = []
    size = 0
    for item in items:
        if batch and (len(batch) >= BATCH_LETTERS or size + item.size > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(item)
        size += item.size
    if batch:
        yield batch
