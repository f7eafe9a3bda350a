"""The compacted topic ``instruments.v1``: written by ``moodtape instruments load``, read to its end at every start."""

from collections.abc import Iterable, Mapping

from confluent_kafka import KafkaException, Producer

from schemas.codec import DecodeError, codec_for
from schemas.records import Instrument
from schemas.topics import INSTRUMENTS

from .errors import ServiceUnavailable
from .kafka import plain_producer
from .offsets import log_ends, read_until

_WAIT_SECONDS = 15.0
_COMMIT_SECONDS = 60.0


def loaded_instruments(bootstrap: str) -> Mapping[str, Instrument]:
    """The newest instrument of each symbol in the topic, in the order of the log.

    Raises:
        ServiceUnavailable: Kafka does not answer, or the topic is not there.
    """
    ends = log_ends(bootstrap, [INSTRUMENTS])
    if not ends:
        raise ServiceUnavailable(f"{INSTRUMENTS} is not there; try `moodtape topics create`")
    found: dict[str, Instrument] = {}
    for message in read_until(bootstrap, ends):
        _take(found, message.key(), message.value())
    return found


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
