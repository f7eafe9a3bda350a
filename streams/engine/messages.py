"""From librdkafka's messages to the core's entries."""

from confluent_kafka import Message

from schemas.clocks import Headers
from schemas.quick import tuple_maker

from .core import Entry

_entry = tuple_maker(Entry)
_NO_HEADERS: Headers = []


def entry_of(message: Message, topic: str) -> Entry:
    """The entry of a message without error; ``topic`` is its live name, whatever it is called over the wire."""
    return _entry(
        (
            topic,
            message.offset(),
            message.timestamp()[1],
            message.key(),
            message.value(),
            message.headers() or _NO_HEADERS,
        )
    )
