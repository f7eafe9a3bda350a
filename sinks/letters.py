"""Records that a sink gives up: written to the dead letters of their topic before the sink moves on."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from confluent_kafka import KafkaError, KafkaException, Message

from infra.clock import Now
from infra.errors import PoisonReason, TransientError
from infra.kafka import plain_producer
from infra.log import get_logger
from infra.metrics import DEAD_LETTERS, expect_dead_letters
from schemas.deadletters import failure_headers
from schemas.topics import dead_letter_topic

_LOG = get_logger(__name__)
_DELIVERY_MS = 10_000


class GivenUp(NamedTuple):
    """A record that cannot be stored, and why. ``error`` is a class name; ``text`` holds no content of the record."""

    message: Message
    reason: PoisonReason
    error: str
    text: str


class Letters:
    """Writes dead letters for one sink; ``topics`` are what it reads."""

    def __init__(self, bootstrap: str, stage: str, group: str, topics: Iterable[str], now: Now) -> None:
        expect_dead_letters(topics)
        self._stage, self._group, self._now = stage, group, now
        self._producer = plain_producer(bootstrap, **{"message.timeout.ms": _DELIVERY_MS})
        self._errors: list[KafkaError] = []

    def send(self, given_up: Sequence[GivenUp]) -> None:
        """Write letters and wait until Kafka has them.

        Raises:
            TransientError: Kafka did not take all of them; some may be there twice after the next attempt.
        """
        if not given_up:
            return
        self._errors.clear()
        try:
            for letter in given_up:
                self._produce(letter)
        except (KafkaException, BufferError) as error:
            raise TransientError(f"dead letters: {error}") from error
        finally:
            left = self._producer.flush(2 * _DELIVERY_MS / 1000)
        if left or self._errors:
            raise TransientError(f"dead letters: {self._errors[0].str() if self._errors else 'not delivered'}")
        for letter in given_up:
            DEAD_LETTERS.labels(letter.message.topic(), letter.reason).inc()
            _LOG.error("dead letter", **_described(letter))

    def _produce(self, letter: GivenUp) -> None:
        message = letter.message
        headers = failure_headers(
            topic=message.topic(),
            partition=message.partition(),
            offset=message.offset(),
            headers=message.headers(),
            stage=self._stage,
            error=letter.error,
            message=letter.text,
            reason=letter.reason,
            group=self._group,
            now=self._now(),
        )
        self._producer.produce(
            dead_letter_topic(message.topic()),
            key=message.key(),
            value=message.value(),
            partition=message.partition(),
            headers=headers,
            on_delivery=self._delivered,
        )

    def _delivered(self, error: KafkaError | None, _: Message) -> None:
        if error is not None:
            self._errors.append(error)


def _described(letter: GivenUp) -> dict[str, object]:
    message = letter.message
    place = {"topic": message.topic(), "partition": message.partition(), "offset": message.offset()}
    return {**place, "reason": letter.reason, "error": letter.error, "text": letter.text}
