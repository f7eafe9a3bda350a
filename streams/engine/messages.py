"""From librdkafka's messages to the core's entries."""

from confluent_kafka import Message

from .core import Entry


def entry_of(message: Message, topic: str) -> Entry:
    """The entry of a message without error; ``topic`` is its live name, whatever it is called over the wire."""
    return Entry(
        topic,
        message.offset(),
        message.timestamp()[1],
        message.key(),
        message.value(),
        message.headers() or [],
    )
