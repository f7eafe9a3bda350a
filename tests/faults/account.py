"""The account of a case: every acknowledged fact is in its topic or in the dead letters once, and stored once."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import psycopg
from confluent_kafka import Consumer, KafkaError, TopicPartition
from psycopg import sql

from infra.endpoints import Endpoints
from infra.kafka import consumer_config
from infra.offsets import log_ends
from moodtape.verify.tables import TABLES, Table
from schemas.clocks import CLOCK_HEADER
from schemas.codec import codec_for
from schemas.deadletters import parse_dead_letter
from schemas.topics import MENTIONS, POSTS, QUOTES, RAW_TOPICS, TOPICS, dead_letter_topic

from .feeder import identity_of
from .ledger import Identity, Ledger, Place

SHOWN = 5
LETTER_TOPICS = tuple(map(dead_letter_topic, TOPICS))
_TABLE_OF: dict[str, Table] = {table.topic: table for table in TABLES}


@dataclass(slots=True)
class Findings:
    """What is not as it should be, in words."""

    lost: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Nothing lost, nothing twice."""
        return not self.lost and not self.twice

    def __str__(self) -> str:
        return f"lost {len(self.lost)} {self.lost[:SHOWN]}, twice {len(self.twice)} {self.twice[:SHOWN]}"


class Account:
    """Reads the topics on from where it stood, and the tables anew at each :meth:`check`."""

    def __init__(self, endpoints: Endpoints, ledger: Ledger) -> None:
        self._endpoints, self._ledger = endpoints, ledger
        self._consumer = Consumer(consumer_config(endpoints.kafka, "moodtape.faults.account"))
        self._read: dict[tuple[str, int], int] = {}
        self._out: Counter[Identity] = Counter()
        self._late: Counter[Identity] = Counter()
        self._letters: Counter[tuple[Place, str]] = Counter()
        self._keys: Counter[tuple[Any, ...]] = Counter()
        self._places: dict[str, set[tuple[int, int]]] = defaultdict(set)
        self._named: set[tuple[Any, ...]] = set()
        self._mentioned: set[tuple[Any, ...]] = set()

    @property
    def dead(self) -> dict[Place, str]:
        """Reason of each dead letter, by the place of the original."""
        return dict(self._letters.keys())

    def check(self) -> Findings:
        """Hold everything that is there now against the ledger; the pipeline must have drained."""
        for message in self._fresh():
            self._take(message)
        found = Findings()
        self._facts(found)
        self._broken(found)
        self._derived(found)
        with psycopg.connect(self._endpoints.database) as connection:
            for table in TABLES:
                self._stored(connection, table, found)
            self._stored_letters(connection, found)
        return found

    def close(self) -> None:
        """Give the consumer back."""
        self._consumer.close()

    def _fresh(self) -> Iterator[Any]:
        ends = log_ends(self._endpoints.kafka, [*_TABLE_OF, *LETTER_TOPICS])
        left = {part: end for part, end in ends.items() if end > self._read.get(part, 0)}
        self._consumer.assign([TopicPartition(*part, self._read.get(part, 0)) for part in left])
        while left:
            for message in self._consumer.consume(5000, 0.1):
                if message.error() is None:
                    yield message
                else:
                    assert message.error().code() != KafkaError._FATAL, message.error()
            for at in self._consumer.position([TopicPartition(*part) for part in left]):
                if at.offset >= left[at.topic, at.partition]:
                    self._read[at.topic, at.partition] = at.offset
                    del left[at.topic, at.partition]

    def _take(self, message: Any) -> None:
        topic = message.topic()
        if topic in LETTER_TOPICS:
            letter = parse_dead_letter(message.headers())
            self._letters[(letter.topic, letter.partition, letter.offset), letter.reason] += 1
            return
        if message.value() is None and any(name == CLOCK_HEADER for name, _ in message.headers() or ()):
            return
        self._places[topic].add((message.partition(), message.offset()))
        record = codec_for(topic).decode(message.value())
        table = _TABLE_OF[topic]
        if table.once(record):
            self._keys[topic, *table.key_of(record)] += 1
        if topic in (QUOTES, POSTS):
            counts = self._late if "late" in record.flags else self._out
            counts[identity_of(record)] += 1
        if topic == MENTIONS:
            self._mentioned.add(table.key_of(record))
        if topic == POSTS:
            self._named.update((m.symbol, record.source, record.post_id, record.revision) for m in record.mentions)

    def _facts(self, found: Findings) -> None:
        """Raw facts: each once in quotes.v1 or posts.v1, or dead; late copies are flagged so."""
        dead = self.dead
        for identity, copies in self._ledger.facts.items():
            out, late = self._out[identity], self._late[identity]
            buried = self._ledger.place[identity] in dead
            if not out and not late and not buried:
                found.lost.append(f"fact {identity}")
            if out + buried > 1 or out + late + buried > copies:
                found.twice.append(f"fact {identity}: {out} out, {late} late, {int(buried)} dead of {copies}")
        strangers = (self._out.keys() | self._late.keys()) - self._ledger.facts.keys() - self._ledger.unsure
        found.twice += [f"fact {identity} from nowhere" for identity in strangers]

    def _broken(self, found: Findings) -> None:
        dead = self.dead
        found.lost += [f"broken {kind} at {at}" for at, kind in self._ledger.broken.items() if at not in dead]
        found.twice += [f"dead letter {key}" for key, count in self._letters.items() if count > 1]
        known = {*self._ledger.broken, *self._ledger.place.values()}
        found.twice += [f"dead letter {at} of a good record" for at in dead if at[0] in RAW_TOPICS and at not in known]

    def _derived(self, found: Findings) -> None:
        found.twice += [f"{key}" for key, count in self._keys.items() if count > 1]
        found.lost += [f"mention {key}" for key in self._named - self._mentioned]

    def _stored(self, connection: psycopg.Connection, table: Table, found: Findings) -> None:
        query = sql.SQL("SELECT topic_partition, topic_offset FROM {} WHERE replay = 'live'")
        rows = Counter(connection.execute(query.format(sql.Identifier(table.name))).fetchall())
        held = self._places[table.topic]
        found.lost += [f"{table.name} {at}" for at in held if at not in rows and (table.topic, *at) not in self.dead]
        found.twice += [f"{table.name} {at}" for at, count in rows.items() if count > 1 or at not in held]

    def _stored_letters(self, connection: psycopg.Connection, found: Findings) -> None:
        rows = Counter(
            connection.execute("SELECT origin_topic, origin_partition, origin_offset FROM dead_letter").fetchall()
        )
        found.lost += [f"dead letter {at} has no row" for at in self.dead if at not in rows]
        found.twice += [f"dead letter row {at}" for at, count in rows.items() if count > 1 or at not in self.dead]
