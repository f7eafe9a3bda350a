"""The compacted topic ``instruments.v1``: written by ``moodtape instruments load``, read to its end at every start."""

from collections.abc import Iterable, Mapping

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from schemas.codec import DecodeError, codec_for
from schemas.records import Instrument
from schemas.topics import INSTRUMENTS

from .errors import ServiceUnavailable
from .kafka import consumer_config, plain_producer

_WAIT_SECONDS = 15.0
_COMMIT_SECONDS = 60.0


def loaded_instruments(bootstrap: str) -> Mapping[str, Instrument]:
    """The newest instrument of each symbol in the topic, in the order of the log.

    Raises:
        ServiceUnavailable: Kafka does not answer, or the topic is not there.
    """
    consumer = Consumer(consumer_config(bootstrap, "moodtape.instruments", **{"enable.partition.eof": True}))
    try:
        return _read_to_end(consumer)
    except KafkaException as error:
        raise ServiceUnavailable(f"{INSTRUMENTS} cannot be read: {error}; try `moodtape topics create`") from None
    finally:
        consumer.close()


def _read_to_end(consumer: Consumer) -> dict[str, Instrument]:
    found: dict[str, Instrument] = {}
    consumer.get_watermark_offsets(TopicPartition(INSTRUMENTS, 0), timeout=_WAIT_SECONDS)
    consumer.assign([TopicPartition(INSTRUMENTS, 0, 0)])
    while True:
        # poll, not consume: consume waits out its time when fewer records are left than it was asked for.
        message = consumer.poll(_WAIT_SECONDS)
        if message is None:
            raise ServiceUnavailable(f"{INSTRUMENTS}: no answer from Kafka within {_WAIT_SECONDS:.0f} s")
        error = message.error()
        if error is None:
            _take(found, message.key(), message.value())
        elif error.code() == KafkaError._PARTITION_EOF:
            return found
        else:
            raise KafkaException(error)


def _take(found: dict[str, Instrument], key: bytes | None, value: bytes | None) -> None:
    """Keep one message's instrument; a null value deletes, and what cannot be read is left out."""
    symbol = (key or b"").decode("utf-8", "replace")
    found.pop(symbol, None)
    if value is not None:
        try:
            found[symbol] = codec_for(INSTRUMENTS).decode(value)
        except DecodeError:
            return


def publish_instruments(bootstrap: str, instruments: Iterable[Instrument]) -> int:
    """Write those instruments to the topic that it does not hold in this form yet, all or none; returns how many.

    Raises:
        ServiceUnavailable: Kafka does not answer, or the topic is not there.
    """
    held = loaded_instruments(bootstrap)
    news = [instrument for instrument in instruments if held.get(instrument.symbol) != instrument]
    if news:
        try:
            _write(plain_producer(bootstrap, **{"transactional.id": "moodtape.instruments"}), news)
        except KafkaException as error:
            raise ServiceUnavailable(f"{INSTRUMENTS}: nothing was written: {error}; run it again") from None
    return len(news)


def _write(producer: Producer, instruments: Iterable[Instrument]) -> None:
    codec = codec_for(INSTRUMENTS)
    producer.init_transactions(_WAIT_SECONDS)
    producer.begin_transaction()
    for instrument in instruments:
        producer.produce(INSTRUMENTS, codec.encode(instrument), instrument.symbol.encode())
    producer.commit_transaction(_COMMIT_SECONDS)
