"""Records: broken, repeated, late, of other schemas, and good ones at which our own code fails."""

import heapq
import io
import json
import math
import struct
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from importlib.resources import files
from random import Random
from typing import Any

from fastavro import parse_schema, schemaless_writer

from infra.offsets import read_to_end
from schemas.codec import encode, to_dict
from schemas.records import RawQuote
from schemas.topics import PARTITIONS, RAW_POSTS, RAW_QUOTES, RAW_TOPICS, partition_of, post_key

from ..case import Case, Scene
from ..feeder import SECOND, Raw, identity_of
from ..world import World

AHEAD = 301 * SECOND
FASTER = 8
OLD_ID, UNKNOWN_ID = 99_999, 999_999
Broken = tuple[bytes | None, bytes | None]
KINDS: dict[str, Callable[[bytes, bytes, Raw], Broken]] = {
    "first byte is not 0": lambda key, value, _: (key, b"\x01" + value[1:]),
    "shorter than a frame": lambda key, value, _: (key, value[:3]),
    "unknown schema": lambda key, value, _: (key, struct.pack(">bI", 0, UNKNOWN_ID) + value[5:]),
    "cut off": lambda key, value, _: (key, value[: len(value) // 2]),
    "bytes left over": lambda key, value, _: (key, value + b"more"),
    "no value and no clock": lambda key, value, _: (key, None),
    "key of another": lambda key, value, _: (key + b"X", value),
    "makes no sense": lambda key, value, record: (key, encode(senseless(record))),
}


def senseless(record: Raw) -> Raw:
    """A price that is none, a post of the future."""
    if isinstance(record, RawQuote):
        return replace(record, price=math.nan)
    return replace(record, event_time=record.ingest_time + AHEAD)


def faster(scene: Scene, seconds: float, times: int = FASTER) -> None:
    """Let the feeder write so many times faster for a while."""
    feeder = scene.world.feeder
    feeder.speed *= times
    time.sleep(seconds)
    feeder.speed /= times


def broken_records(scene: Scene) -> str:
    """All eight kinds in turn among good records: one in a thousand, in CI one in fifty."""
    world, every = scene.world, 50 if scene.short else 1000
    kinds, written = list(KINDS), 0

    def mix(record: Raw) -> Sequence[Raw]:
        nonlocal written
        if scene.random.randrange(every) == 0:
            put_broken(world, kinds[written % len(kinds)], record, scene.random)
            written += 1
        return (record,)

    world.feeder.mix = mix
    faster(scene, 10 if scene.short else 60, 4 if scene.short else 20)
    world.feeder.mix = lambda record: (record,)
    assert written >= len(kinds), f"only {written} were written"
    return f"{written} broken records of {len(kinds)} kinds, one in {every}"


def put_broken(world: World, kind: str, record: Raw, random: Random) -> None:
    """Write a broken copy of a record, to any partition."""
    topic, name = (RAW_QUOTES, record.symbol) if isinstance(record, RawQuote) else (RAW_POSTS, post_key(record))
    key, value = KINDS[kind](name.encode(), encode(record), record)
    world.feeder.put(topic, random.randrange(PARTITIONS), key, value, lambda place: world.ledger.bad(kind, place))


def our_own_errors(scene: Scene) -> str:
    """The folds of quotes and posts raise at one record in forty, the same ones after a restart."""
    world, every = scene.world, 40
    world.set_inside(raise_every=every)
    world.restart(["stream-quotes", "stream-posts"])
    faster(scene, 10, 4)
    world.set_inside()
    world.restart(["stream-quotes", "stream-posts"])
    return f"one record in {every} of both first stages"


def bugs_are_dead_letters(world: World) -> Iterable[str]:
    """What our own code failed at lies in the dead letters, as such."""
    if "bug" not in world.account.dead.values():
        yield "no dead letter of reason bug"


def older_schema(scene: Scene) -> str:
    """Writers of an older, compatible schema beside writers of the present one; readers that know both."""
    world = scene.world
    schema = json.loads(files("schemas").joinpath("raw_quote.avsc").read_text())
    schema["fields"] = [each for each in schema["fields"] if each["name"] != "sequence"]
    world.set_inside(older=[[f"{RAW_QUOTES}-value", OLD_ID, schema]])
    world.restart(["stream-quotes"])
    parsed, written = parse_schema(schema), 0

    def mix(record: Raw) -> Sequence[Raw]:
        nonlocal written
        if not isinstance(record, RawQuote) or scene.random.random() < 0.5:
            return (record,)
        written += 1
        put_older(world, parsed, replace(record, sequence=None))
        return ()

    world.feeder.mix = mix
    time.sleep(10)
    world.feeder.mix = lambda record: (record,)
    return f"{written} quotes of an older schema in between"


def put_older(world: World, schema: Any, record: RawQuote) -> None:
    """Write a quote by another schema."""
    out = io.BytesIO(struct.pack(">bI", 0, OLD_ID))
    out.seek(0, io.SEEK_END)
    schemaless_writer(out, schema, {k: v for k, v in to_dict(record).items() if k != "sequence"})
    identity = identity_of(record)
    world.feeder.put(
        RAW_QUOTES,
        partition_of(record.symbol),
        record.symbol.encode(),
        out.getvalue(),
        lambda place: world.ledger.fact(identity, place),
    )


def unknown_schema(scene: Scene) -> str:
    """A writer that went over to a schema which the readers do not know, without asking."""
    world, written = scene.world, 0

    def mix(record: Raw) -> Sequence[Raw]:
        nonlocal written
        if scene.random.random() < 0.5:
            return (record,)
        written += 1
        put_broken(world, "unknown schema", record, scene.random)
        return ()

    world.feeder.mix = mix
    time.sleep(10)
    world.feeder.mix = lambda record: (record,)
    return f"{written} records of an unknown schema"


def duplicates(scene: Scene) -> str:
    """One record in a hundred comes again."""
    world, written = scene.world, 0

    def mix(record: Raw) -> Sequence[Raw]:
        nonlocal written
        if scene.random.random() >= 0.01 or not world.feeder.recent:
            return (record,)
        written += 1
        return record, scene.random.choice(world.feeder.recent)

    world.feeder.mix = mix
    faster(scene, 20)
    world.feeder.mix = lambda record: (record,)
    assert written, "none was written"
    return f"{written} duplicates"


def whole_topics_again(scene: Scene) -> str:
    """Every fact that the raw topics hold is written once more, byte for byte."""
    world, written = scene.world, 0
    world.notes["late"] = True
    known = world.ledger.by_place()
    for message in read_to_end(world.endpoints.kafka, RAW_TOPICS):
        identity = known.get((message.topic(), message.partition(), message.offset()))
        if identity is None:
            continue
        written += 1
        world.feeder.put(
            message.topic(),
            message.partition(),
            message.key(),
            message.value(),
            lambda place, identity=identity: world.ledger.fact(identity, place),
        )
    return f"{written} records"


class Shuffle:
    """Keeps some records back for a while of event time.

    Args:
        least: microseconds, with ``most`` the span from which the delay of a quote is drawn.
        posts: how many times longer posts are kept.
    """

    def __init__(self, scene: Scene, share: float, least: float, most: float, posts: float) -> None:
        self._random, self._feeder = scene.random, scene.world.feeder
        self._share, self._least, self._most, self._posts = share, least, most, posts
        self._held: list[tuple[float, int, Raw]] = []
        self.count = 0

    def __call__(self, record: Raw) -> Sequence[Raw]:
        """The record, unless it is kept back, and what is due."""
        due: list[Raw] = []
        while self._held and self._held[0][0] <= self._feeder.now:
            due.append(heapq.heappop(self._held)[2])
        if self._random.random() >= self._share:
            return record, *due
        delay = self._random.uniform(self._least, self._most) * (1 if isinstance(record, RawQuote) else self._posts)
        self.count += 1
        heapq.heappush(self._held, (record.event_time + delay, self.count, record))
        return due

    def rest(self) -> Iterable[Raw]:
        """What is still kept back."""
        return [record for _, _, record in self._held]


def out_of_order(scene: Scene) -> str:
    """A fifth of the records come late, within the lateness."""
    shuffle = Shuffle(scene, 0.2, 0, 4 * SECOND, 20)
    return shuffled(scene, shuffle, 15, "within the lateness")


def beyond_the_lateness(scene: Scene) -> str:
    """One record in twenty comes up to three hours of event time late: revisions, and facts flagged late."""
    shuffle = Shuffle(scene, 0.05, 60 * SECOND, 3 * 3600 * SECOND, 1)
    scene.world.notes["late"] = True
    return shuffled(scene, shuffle, 20, "up to three hours late")


def shuffled(scene: Scene, shuffle: Shuffle, seconds: float, how: str) -> str:
    """Feed through a shuffle for a while."""
    world = scene.world
    world.feeder.mix = shuffle
    faster(scene, seconds)
    world.feeder.mix = lambda record: (record,)
    for record in shuffle.rest():
        world.feeder.send(record)
    return f"{shuffle.count} records {how}"


def burst(scene: Scene) -> str:
    """Ten times as much for a minute."""
    seconds = 15.0 if scene.short else 60.0
    faster(scene, seconds, 10)
    return f"ten times as much for {seconds:.0f} s"


CASES = (
    Case("eight kinds of broken record", broken_records),
    Case("an error of ours in every 40th record", our_own_errors, alone=True, check=bugs_are_dead_letters),
    Case("compatible schema change in mid-stream", older_schema),
    Case("incompatible schema change in mid-stream", unknown_schema),
    Case("1 % duplicates", duplicates),
    Case("whole topics written again", whole_topics_again),
    Case("out of order within the lateness", out_of_order),
    Case("out of order beyond the lateness", beyond_the_lateness),
    Case("tenfold burst", burst),
)
