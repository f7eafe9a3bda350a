"""The newest of each symbol into Redis or Valkey: group ``moodtape.sink.latest``.

=========================== ===================================================================================
key                         what it holds
=========================== ===================================================================================
``quote:TSLA``              hash: the fields of Quote
``sentiment:TSLA:300``      hash: the fields of Sentiment of that interval
``correlation:TSLA:300``    hash: one field for each ``<pair>:<method>:<window>``, a Correlation as JSON
``filled``                  when it was filled from the database, ``begun`` before that; no such key once it was emptied
``serving``                 ID of the replay that readers see instead of the live flow; no such key while they see that
channel ``updates``         JSON ``{"table", "replay", "symbols", "max_event_time"}``, one for each table in a chunk
=========================== ===================================================================================

Fields are named as in Avro; numbers and texts as they are, lists, maps and records as JSON, truth as ``true`` and
``false``, times in microseconds since 1970 UTC; a field that is null is absent. A script writes only what is newer by
(event_time, revision), so order and repetition do not matter. Keys expire 7 days after they were written last.
While a replay is served, the hashes are its own and have a field ``replay`` with its ID; live facts then pass by, so
the sink fills them from the database again before they expire.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from random import SystemRandom
from typing import Any, Protocol

import msgspec
import redis
from confluent_kafka import Message

from infra.clock import MICROS, Now, now_micros
from infra.endpoints import Endpoints
from infra.errors import FatalError, TransientError
from infra.failpoints import failpoint
from infra.log import get_logger
from infra.memory import settle
from infra.metrics import Health, serve_health
from infra.settings import Settings
from infra.stopping import stop_on_signals
from schemas.codec import DecodeError, codec_for, to_dict
from schemas.replays import LIVE
from schemas.topics import CORRELATIONS, QUOTES, SENTIMENT

from .ledger import Bounds, Part
from .log import Chunk, KafkaLog
from .loop import SinkLoop, watch
from .reading import is_clock
from .retry import is_transient
from .rows import TABLE_OF_TOPIC

SINK = "latest"
GROUP = "moodtape.sink.latest"
CHANNEL = "updates"
TOPICS = (QUOTES, SENTIMENT, CORRELATIONS)
EXPIRE_SECONDS = 7 * 86_400
LOOK_SECONDS = 1.0
REFILL_SECONDS = 2.0
SERVED_SECONDS = 10.0
RENEW_SECONDS = 5 * 86_400
_LOG = get_logger(__name__)
SERVING = "serving"
FILLED = "filled"
_BEGUN = "begun"  # the database's part is there; a process that died then did not read on behind it
_LIVE_ONLY = f"if redis.call('EXISTS', '{SERVING}') == 1 then return 0 end"
# KEYS: the hash. ARGV: event_time, revision, seconds to live, then field, value, field, value ...
_WHOLE = f"""{_LIVE_ONLY}
local held = redis.call('HMGET', KEYS[1], 'event_time', 'revision')
if held[1] then
  local time, revision = tonumber(held[1]), tonumber(held[2])
  if time > tonumber(ARGV[1]) or (time == tonumber(ARGV[1]) and revision >= tonumber(ARGV[2])) then return 0 end
end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], unpack(ARGV, 4))
redis.call('EXPIRE', KEYS[1], ARGV[3])
return 1
"""
# KEYS: the hash. ARGV: seconds to live, then event_time, revision, field, JSON with both; again and again these four.
_FIELDS = f"""{_LIVE_ONLY}
local written = 0
for at = 2, #ARGV, 4 do
  local text = redis.call('HGET', KEYS[1], ARGV[at + 2])
  local held = text and cjson.decode(text)
  local time, revision = tonumber(ARGV[at]), tonumber(ARGV[at + 1])
  if not held or held.event_time < time or (held.event_time == time and held.revision < revision) then
    redis.call('HSET', KEYS[1], ARGV[at + 2], ARGV[at + 3])
    written = written + 1
  end
end
if written > 0 then redis.call('EXPIRE', KEYS[1], ARGV[1]) end
return written
"""
_json = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Entry:
    """One write: a hash, or with ``field`` one field of it. ``order`` is (event_time, revision)."""

    table: str
    symbol: str
    key: str
    field: str | None
    order: tuple[int, int]
    values: tuple[str, ...]


def entry_of(topic: str, record: Any) -> Entry:
    """What is to be written for a record of one of ``TOPICS``."""
    table, order = TABLE_OF_TOPIC[topic], (record.event_time, record.revision)
    fields = to_dict(record)
    if topic == QUOTES:
        return Entry(table, record.symbol, f"quote:{record.symbol}", None, order, hash_fields(fields))
    key = f"{table}:{record.symbol}:{record.interval}"
    if topic == SENTIMENT:
        return Entry(table, record.symbol, key, None, order, hash_fields(fields))
    field = f"{record.pair}:{record.method}:{record.window}"
    return Entry(table, record.symbol, key, field, order, (_text(fields),))


def hash_fields(fields: Mapping[str, Any]) -> tuple[str, ...]:
    """A record's fields as a flat sequence of names and texts; those that are null are left out."""
    return tuple(text for name, value in fields.items() if value is not None for text in (name, _text(value)))


def newest(entries: Iterable[Entry]) -> list[Entry]:
    """The entries that the store would hold in the end: of those for one place the newest, the first of equals."""
    held: dict[tuple[str, str | None], Entry] = {}
    for entry in entries:
        place = (entry.key, entry.field)
        if place not in held or entry.order > held[place].order:
            held[place] = entry
    return list(held.values())


def update_messages(entries: Iterable[Entry], replay: str = LIVE) -> list[str]:
    """What the channel is told about a chunk: a message for each table in it."""
    tables: dict[str, list[Entry]] = {}
    for entry in entries:
        tables.setdefault(entry.table, []).append(entry)
    return [
        _text(
            {
                "table": table,
                "replay": replay,
                "symbols": sorted({entry.symbol for entry in found}),
                "max_event_time": max(entry.order[0] for entry in found),
            }
        )
        for table, found in tables.items()
    ]


class Refill(Protocol):
    """The database, as :class:`LatestStore` asks it."""

    def __call__(self, store: "LatestStore") -> Mapping[Part, int] | None:
        """Fill the server with the version that readers see; up to which offsets, None where the database is away."""

    def served(self) -> str | None:
        """The version that readers see; None while it is being switched, or where the database is away."""


class LatestStore:
    """Redis or Valkey as a :class:`sinks.loop.Store`.

    Args:
        redis_url: the server.
        refill: fills it when it was emptied (see :mod:`sinks.refill`); None = it fills with what comes.
        monotonic: seconds that never go back.
        now: wall clock, microseconds UTC.
    """

    name = SINK

    def __init__(
        self,
        redis_url: str,
        refill: Refill | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        now: Now = now_micros,
    ) -> None:
        self._refill = refill
        self._monotonic = monotonic
        self._now = now
        self._next_look = self._next_served = 0.0
        self._filled_to: Mapping[Part, int] | None = None
        self._placed_since = False
        self._client = redis.Redis.from_url(
            redis_url, socket_timeout=5, socket_connect_timeout=5, health_check_interval=30, decode_responses=True
        )
        self._whole = self._client.register_script(_WHOLE)
        self._fields = self._client.register_script(_FIELDS)

    def place(self, bounds: Mapping[Part, Bounds]) -> dict[Part, int]:
        """Go on where the group is; from the log's start where it is nowhere or where that is gone.

        Raises:
            TransientError: the server is away; reading waits for it.
        """
        self._guarded(self._client.ping)
        starts = {part: self._start(part, held) for part, held in bounds.items()}
        if self._filled_to is None:
            self._fill_if_empty()
        stored, self._filled_to = self._filled_to, None
        if stored is None:
            return starts
        self._placed_since = True
        # What came after the database's last chunk is in the log alone.
        return {part: min(start, max(bounds[part].low, stored.get(part, 0))) for part, start in starts.items()}

    def write(self, chunk: Chunk) -> bool:
        """Write a chunk, then tell the channel. Always True: writing twice does no harm.

        Raises:
            TransientError: the server is away, or was emptied; part of the chunk may be written.
            FatalError: the server says what only a person can mend.
        """
        entries = newest(_entries(chunk.messages))
        if entries:
            failpoint("before-write")
            self.put(entries)
            failpoint("after-write")
        self.idle()
        return True

    def idle(self) -> None:
        """See each second whether the server was emptied, and fill it.

        Raises:
            TransientError: the server is away; or it was filled, and what the database lacks is to be read again.
            FatalError: the server says what only a person can mend.
        """
        if self._placed_since:
            # Only if it is still there: a server that was emptied meanwhile holds nothing again.
            self._guarded(lambda: self._client.set(FILLED, self._now(), xx=True))
            self._placed_since = False
        self._fill_if_empty()
        if self._filled_to is not None:
            raise TransientError("redis: it was filled from the database, for it was emptied or would have expired")

    def _fill_if_empty(self) -> None:
        """Also what of a replay, which nothing else writes again, is about to expire; and after a lost switch.

        Where the database is away, what comes is written all the same, and the rest when it is back.
        """
        if self._refill is None or self._monotonic() < self._next_look:
            return
        self._next_look = self._monotonic() + LOOK_SECONDS
        filled, serving = self._guarded(lambda: self._client.mget(FILLED, SERVING))
        lasts = serving is None or (filled is not None and self._now() - int(filled) < RENEW_SECONDS * MICROS)
        if filled not in (None, _BEGUN) and lasts and self._is_served(serving or LIVE):
            return
        self._filled_to = self._refill(self)
        if self._filled_to is None:
            self._next_look = self._monotonic() + REFILL_SECONDS
        else:
            self._guarded(lambda: self._client.set(FILLED, _BEGUN))

    def _is_served(self, version: str) -> bool:
        """Whether readers see the version that the server holds, as far as can be told; asked now and then."""
        if self._refill is None or self._monotonic() < self._next_served:
            return True
        self._next_served = self._monotonic() + SERVED_SECONDS
        return self._refill.served() in (None, version)

    def serving(self) -> str:
        """The version that the server holds.

        Raises:
            TransientError: the server is away.
        """
        return self._guarded(lambda: self._client.get(SERVING)) or LIVE

    def close(self) -> None:
        """Give the connections back."""
        self._client.close()

    def put(self, entries: Sequence[Entry]) -> None:
        """Write what is newer than what is held, then tell the channel.

        Raises:
            TransientError: the server is away; some of it may be written.
            FatalError: the server says what only a person can mend.
        """
        self._guarded(lambda: self._write(entries))

    def _write(self, entries: Sequence[Entry]) -> None:
        with self._client.pipeline(transaction=False) as pipe:
            fields: dict[str, list[str | int]] = {}
            for entry in entries:
                if entry.field is None:
                    self._whole(keys=[entry.key], args=[*entry.order, EXPIRE_SECONDS, *entry.values], client=pipe)
                else:
                    fields.setdefault(entry.key, [EXPIRE_SECONDS]).extend((*entry.order, entry.field, *entry.values))
            for key, values in fields.items():
                self._fields(keys=[key], args=values, client=pipe)
            for message in update_messages(entries):
                pipe.publish(CHANNEL, message)
            pipe.execute()

    def _guarded(self, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except redis.RedisError as error:
            if is_transient(error):
                raise TransientError(f"redis: {error}") from error
            raise FatalError(f"redis: {type(error).__name__}: {error}") from error

    @staticmethod
    def _start(part: Part, held: Bounds) -> int:
        if held.committed is None:
            return held.low
        if held.low <= held.committed <= held.high:
            return held.committed
        _LOG.warning("offset outside the log: reading from its start", topic=part.topic, partition=part.partition)
        return held.low


def run_latest(settings: Settings, endpoints: Endpoints, stop: threading.Event | None = None) -> None:
    """Run the sink until SIGTERM, or until ``stop`` is set.

    Raises:
        FatalError: the process must be started again.
    """
    stop = stop_on_signals() if stop is None else stop
    health = Health()
    from .refill import Refill as FromDatabase  # it is built on this module

    store = LatestStore(endpoints.redis, FromDatabase(endpoints.database, endpoints.redis))
    with closing(store), closing(KafkaLog(settings, endpoints.kafka, GROUP, TOPICS)) as log:
        loop = SinkLoop(log, store, now_micros, SystemRandom())
        watch(loop, health)
        _LOG.info("sink started", sink=SINK, port=serve_health(health, settings, f"sink-{SINK}"))
        settle()
        loop.run(stop)
    _LOG.info("sink stopped", sink=SINK)


def _entries(messages: Mapping[Part, Sequence[Message]]) -> Iterator[Entry]:
    for part, some in messages.items():
        decode = codec_for(part.topic).decode
        for message in some:
            if is_clock(message):
                continue
            try:
                record = decode(message.value())
            except DecodeError as error:
                # The sink of the database makes the dead letter; a second one would count it twice.
                _LOG.warning("skipped", **part._asdict(), offset=message.offset(), text=str(error))
                continue
            yield entry_of(part.topic, record)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else _json(value).decode()
