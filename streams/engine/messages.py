"""From librdkafka's messages to the core's entries."""

from confluent_kafka import Message

from .core import Entry


def entry_of(message: Message) -> Entry:
    """The entry of a message without error."""
    return Entry(
        message.topic(),
        message.offset(),
        message.timestamp()[1],
        message.key(),
        message.value(),
        message.headers() or [],
    )
