"""What happens to the records of one partition, without Kafka: decode, fold, move the watermark, encode.

The core is deterministic: the same entries in the same order give the same outputs, however they are cut
into chunks (clocks of a broadcasting stage are coalesced to one a chunk, as the contract allows).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from infra.clock import Now, to_rfc3339
from infra.errors import PoisonError
from schemas.clocks import Blind, Clock, Headers, NotAClock, parse_clock
from schemas.codec import Codec, DecodeError, codec_for
from schemas.deadletters import failure_headers, parse_redriven
from schemas.quick import tuple_maker
from schemas.replays import FOLDED, warm_up, warm_up_of
from schemas.topics import PARTITIONS, TOPICS, dead_letter_topic
from streams.stage import Emit, Stage

from .guard import Guard
from .snapshots import CURSOR, FOLD, pack_cursor, read_snapshot
from .watermarks import Move, OriginKey, Watermark

State = list[tuple[str, bytes | None]]
_NO_HEADERS: Headers = []
# A record that was redriven for another group: this one has had the original.
_NOT_OURS = Clock(kind="tick")


class Entry(NamedTuple):
    """One record as it lies in the log; ``append_ms`` is the broker's time of it."""

    topic: str
    offset: int
    append_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers


class Output(NamedTuple):
    """One record to produce. ``partition`` None = by key."""

    topic: str
    partition: int | None
    key: bytes | None
    value: bytes | None
    headers: Headers


_output = tuple_maker(Output)


class PartitionCore:
    """One partition of one stage: its fold, its watermark, and where it stands in its inputs.

    Args:
        stage: what it does.
        partition: number of the partition.
        now: tells when a dead letter failed.
        unsaved_limit: so many records are folded at most before a snapshot must be written; None = no limit.
    """

    def __init__(self, stage: Stage, partition: int, now: Now, unsaved_limit: int | None = None) -> None:
        self.partition = partition
        self.offsets: dict[str, int] = {}
        self._stage = stage
        self._replay = stage.replay
        self._now = now
        self._fold = stage.fold()
        # What was redriven for the live flow is input of its replays, too.
        self._groups = {stage.group, f"moodtape.{stage.name}"}
        self._guard = Guard(stage.name)
        self._watermark = Watermark(expected_origins(stage, partition), stage.lateness)
        self._decoders = {topic: (codec_for(topic).decode, TOPICS[topic].key) for topic in stage.inputs}
        self._kinds = {TOPICS[topic].record for topic in stage.inputs}
        self._encoders: dict[str, Codec] = {}
        self._origin = f"{stage.inputs[0]}/{partition}"
        self._pending: Clock | None = None
        self._rewritten: dict[str, bytes | None] = {}
        self._unsaved = 0
        self._unsaved_limit = unsaved_limit
        self._buried = False

    @property
    def watermark(self) -> int | None:
        """Microseconds UTC; None until every expected origin was heard."""
        return self._watermark.time

    def decode(self, entries: Sequence[Entry]) -> list[Any]:
        """For each entry its record, its clock, or the error that reading it gave."""
        out: list[Any] = []
        decoders = self._decoders
        for topic, _, _, key, data, headers in entries:
            value = data
            if headers:
                item = self._look(headers)
                if item is not None:
                    out.append(item)
                    continue
                if data is None:
                    value = warm_up_of(headers)
            decode, key_of = decoders[topic]
            try:
                record = decode(value)
                if key != key_of(record).encode():
                    raise PoisonError("invalid", "the key is not the record's")
            except (DecodeError, PoisonError, UnicodeError) as error:
                out.append(error)
            else:
                out.append(record)
        return out

    def _look(self, headers: Headers) -> Clock | Exception | None:
        """What the headers of an entry say that it is; None = a record to be read."""
        try:
            clock = parse_clock(headers)
        except NotAClock as error:
            return error
        if clock is not None:
            return clock
        again = parse_redriven(headers)
        return _NOT_OURS if again is not None and again.group not in self._groups else None

    def questions(self, decoded: Sequence[Any]) -> Sequence[str]:
        """Texts to be scored before :meth:`run`."""
        facts = [item for item in decoded if not isinstance(item, Clock | Exception)]
        return self._fold.questions(facts) if facts else ()

    def run(self, entries: Sequence[Entry], decoded: Sequence[Any], answers: Mapping[str, Any]) -> list[Output]:
        """Fold the entries of one chunk; returns what must be produced, in order."""
        out: list[Output] = []
        self._unsaved += len(entries)
        watermark, guard, fact, kinds = self._watermark, self._guard, self._fold.fact, self._kinds
        for entry, item in zip(entries, decoded, strict=True):
            topic, _, append_ms, _, value, _ = entry
            if append_ms > watermark.idle_check_ms:
                move = watermark.read(append_ms)
                if move is not None:
                    self._forward(move, out)
            if type(item) in kinds:
                try:
                    emitted = fact(topic, item, watermark.time, answers)
                except Exception as error:  # noqa: BLE001  # the guard raises what is no poison
                    self._bury(entry, guard.poison(error, topic), item.event_time, out)
                else:
                    guard.bugs = 0
                    if emitted:
                        self._encode(emitted, out, value)
            elif isinstance(item, Clock):
                self._hear(entry, item, out)
            else:
                self._bury(entry, item, None, out)
        self._forward_pending(out)
        return out

    def _hear(self, entry: Entry, clock: Clock, out: list[Output]) -> None:
        if clock.kind == "tick":
            return
        self._fold.heard(clock)
        move = self._watermark.hear(entry.topic, clock, entry.append_ms)
        if move is not None:
            self._forward(move, out)

    def _forward(self, move: Move, out: list[Output]) -> None:
        if move.kind == "time":
            self._encode(self._fold.advance(move.time), out)
        elif move.kind == "end":
            self._encode(self._fold.flush(), out)
        if not self._stage.clocked:
            return
        sources, blind = self._fold.clock_notes()
        times = {"until": move.time} if move.kind == "end" else {"time": move.time}
        clock = Clock(kind=move.kind, origin=self._origin, **times, sources=sources, blind=blind)
        if self._stage.broadcast and clock.kind == "time" and not move.returns:
            self._coalesce(clock, out)
            return
        # What follows must not be taken for part of what ended before: downstream hears of the return first.
        self._forward_pending(out)
        self._write_clock(clock, out)

    def _coalesce(self, clock: Clock, out: list[Output]) -> None:
        """Put a clock in the place of the one that waits; one that names a new source leaves it as it is."""
        if self._pending is not None and self._pending.sources != clock.sources:
            self._forward_pending(out)
        earlier: Sequence[Blind] = self._pending.blind if self._pending else ()
        self._pending = Clock(
            kind="time", origin=clock.origin, time=clock.time, sources=clock.sources, blind=(*earlier, *clock.blind)
        )

    def _forward_pending(self, out: list[Output]) -> None:
        if self._pending is not None:
            self._write_clock(self._pending, out)
            self._pending = None

    def _write_clock(self, clock: Clock, out: list[Output]) -> None:
        headers = clock.headers()
        partitions = range(PARTITIONS) if self._stage.broadcast else (self.partition,)
        for topic in self._stage.clocked:
            out.extend(Output(topic, partition, None, None, headers) for partition in partitions)

    def _encode(self, emitted: Sequence[Emit], out: list[Output], value: bytes | None = None) -> None:
        """Outputs of what a fold emitted; ``value`` is the input that it is made of."""
        replay = self._replay
        for topic, key, record, more in emitted:
            codec = self._encoders.get(topic)
            if codec is None:
                codec = self._encoders[topic] = codec_for(topic)
            data = codec.encode(record) if more is None else codec.extend(value, record, more)
            if replay is None or replay.holds(record.event_time):  # type: ignore[union-attr]
                out.append(_output((topic, None, key.encode(), data, _NO_HEADERS)))
            elif topic in FOLDED:
                out.append(Output(topic, None, key.encode(), None, warm_up(data)))

    def _bury(self, entry: Entry, error: Exception, event_time: int | None, out: list[Output]) -> None:
        """A dead letter; in a replay only where the record may be of its time."""
        self._buried = True
        if self._replay is None or event_time is None or self._replay.holds(event_time):
            out.append(self._dead_letter(entry, error))

    def _dead_letter(self, entry: Entry, error: Exception) -> Output:
        headers = failure_headers(
            topic=self._stage.source(entry.topic),
            partition=self.partition,
            offset=entry.offset,
            headers=entry.headers,
            stage=self._stage.name,
            error=type(error).__name__,
            message=str(error),
            reason=getattr(error, "reason", "undecodable"),
            group=self._stage.group,
            now=self._now(),
        )
        return Output(dead_letter_topic(entry.topic), self.partition, entry.key, entry.value, headers)

    def state(self, *, due: bool) -> State:
        """What of the state goes into the transaction of the chunks folded last: a snapshot or nothing.

        It takes one when it is ``due``, and when without it the inputs alone would not tell what was folded: how two
        inputs interleaved is in no log, nor which records were given up, should other code be able to read them.
        """
        limit = self._unsaved_limit
        must = self._buried or len(self._stage.inputs) > 1 or (limit is not None and self._unsaved >= limit)
        return list(self.dump()) if due or must else []

    def dump(self) -> Iterator[tuple[str, bytes | None]]:
        """Snapshot: what changed since the last one, and where the partition stands."""
        yield from self._rewritten.items()
        self._rewritten = {}
        for key, value in self._fold.dump():
            yield FOLD + key, value
        yield CURSOR, pack_cursor(self.offsets, self._watermark.dump())
        self._unsaved, self._buried = 0, False

    def load(self, entries: Mapping[str, bytes], beat: Callable[[], None] = lambda: None) -> None:
        """Take back the newest value of each key of a snapshot into a fresh core.

        Args:
            entries: the values.
            beat: called once for each; a large state takes longer than the watchdog is patient.

        Raises:
            SnapshotVersionError: the snapshot is of a version that this code cannot read.
        """
        snapshot = read_snapshot(self._stage.name, entries)
        if snapshot is None:
            return
        self.offsets, self._rewritten = snapshot.offsets, snapshot.rewritten
        self._watermark.load(snapshot.watermark)
        for key, value in snapshot.fold.items():
            beat()
            self._fold.load(key, value)

    def describe(self, symbol: str) -> dict[str, Any]:
        """What is kept of a symbol and where the partition stands, for people, as JSON can hold it."""
        time = self._watermark.time
        return {
            "partition": self.partition,
            "watermark": None if time is None else to_rfc3339(time),
            "offsets": self.offsets,
            "state": self._fold.describe(symbol),
        }


def expected_origins(stage: Stage, partition: int) -> list[OriginKey] | None:
    """Which origins must be heard in a partition of a stage; None for a first stage, which learns them."""
    origins: list[OriginKey] = []
    for topic, upstream in zip(stage.inputs, stage.upstream, strict=True):
        if upstream is None:
            return None
        numbers = range(PARTITIONS) if stage.fan_in else (partition,)
        origins.extend((topic, f"{upstream}/{number}") for number in numbers)
    return origins
