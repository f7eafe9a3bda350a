"""Snapshots: what a partition is after them, whichever version wrote them."""

import gc
import json
import weakref
from collections.abc import Mapping, Sequence
from functools import cache
from math import log
from pathlib import Path
from typing import Any

import msgspec
import pytest

from infra.instruments import shipped_table
from infra.settings import Settings
from schemas.clocks import Clock
from schemas.codec import codec_for
from schemas.records import Bar, Indicators, Mention, Quote, RawPost, RawQuote, Record, Sentiment
from schemas.topics import BARS, QUOTES, RAW_POSTS, RAW_QUOTES, SENTIMENT, TOPICS
from streams import topology
from streams.engine.core import Entry, Output, PartitionCore
from streams.engine.snapshots import read_snapshot
from streams.seen import Seen, SeenPosts
from streams.stage import Stage
from streams.upgrades import UPGRADES, SnapshotVersionError

MINUTE = 60_000_000
START = 1_700_000_100_000_000
PARTITION = 5
CUT = 30
"""So many entries are folded before the snapshot."""
FROZEN = Path(__file__).parent / "frozen" / "snapshots-2.json"


@cache
def stages() -> dict[str, Stage]:
    """Every stage but posts, whose fold asks for scores."""
    settings = Settings()
    made = (
        topology.quotes(settings, shipped_table()),
        topology.bars(settings),
        topology.moods(settings),
        topology.correlations(settings),
    )
    return {stage.name: stage for stage in made}


def inputs(stage: Stage) -> list[Entry]:
    """Two dozen minutes of facts with the clocks that follow them, the same each time."""
    out: list[Entry] = []
    offsets = dict.fromkeys(stage.inputs, 0)

    def put(topic: str, record: Record | None, clock: Clock | None = None) -> None:
        key = None if record is None else TOPICS[topic].key(record).encode()
        value = None if record is None else codec_for(topic).encode(record)
        out.append(Entry(topic, offsets[topic], 0, key, value, [] if clock is None else clock.headers()))
        offsets[topic] += 1

    for number in range(24):
        now = START + number * MINUTE
        for topic, upstream in zip(stage.inputs, stage.upstream, strict=True):
            for symbol in ("TSLA", "GME")[: 1 + number % 2]:
                put(topic, fact(topic, symbol, number, now))
            for origin in range(12) if stage.fan_in else (PARTITION,):
                name = "simulator/1" if upstream is None else f"{upstream}/{origin}"
                if number % 2:
                    put(topic, None, Clock(kind="time", origin=name, time=now, sources=("x",)))
    return out


def fact(topic: str, symbol: str, number: int, now: int) -> Record:
    """The fact of a minute."""
    price = 20.0 + number * 7 % 11
    if topic == RAW_QUOTES:
        return RawQuote(source="yahoo", symbol=symbol, event_time=now, ingest_time=now, price=price)
    if topic == QUOTES:
        return Quote(source="yahoo", symbol=symbol, event_time=now, ingest_time=now, price=price)
    if topic == BARS:
        change = Indicators(return_log=(price - 25) / 100)
        return Bar(symbol=symbol, interval=60, start=now - MINUTE, event_time=now, known_time=now, indicators=change)
    if topic == SENTIMENT:
        score = (number * 5 % 7 - 3) / 3
        return Sentiment(
            symbol=symbol, interval=60, start=now - MINUTE, event_time=now, known_time=now, score=score, positive=1,
            mentions=1 + number % 3,
        )  # fmt: skip
    return Mention(
        symbol=symbol, source="x", post_id=str(number), event_time=now, ingest_time=now, score=0.5, positive=0.7,
        negative=0.2, neutral=0.1, label="positive", confidence=0.9, fingerprint=number << 40, words=("moon",),
    )  # fmt: skip


def fold(core: PartitionCore, entries: Sequence[Entry]) -> list[Output]:
    """Run entries one by one, as if each were a chunk."""
    out: list[Output] = []
    for entry in entries:
        out += core.run([entry], core.decode([entry]), {})
        core.offsets[entry.topic] = entry.offset + 1
    return out


def core_of(stage: Stage) -> PartitionCore:
    """A fresh core."""
    return PartitionCore(stage, PARTITION, now=lambda: 0)


def saved(core: PartitionCore) -> dict[str, bytes]:
    """Newest value of each entry of a first snapshot."""
    return {key: value for key, value in core.dump() if value is not None}


def frozen(name: str) -> dict[str, bytes]:
    """The entries that version 2 wrote of a stage after ``CUT`` of its inputs."""
    return {key: bytes.fromhex(text) for key, text in json.loads(FROZEN.read_text())[name].items()}


@pytest.mark.parametrize("name", ["quotes", "bars", "moods", "correlations"])
def test_a_snapshot_of_version_2_is_read(name: str) -> None:
    """What version 2 wrote is taken up where it stood: the rest of the inputs gives what it gives without a stop."""
    stage, entries = stages()[name], inputs(stages()[name])
    plain, restored = core_of(stage), core_of(stage)
    fold(plain, entries[:CUT])
    restored.load(frozen(name))
    assert (restored.offsets, restored.watermark) == (plain.offsets, plain.watermark)
    rest = fold(restored, entries[CUT:])
    assert rest == fold(plain, entries[CUT:])
    assert any(out.value is not None for out in rest)


def test_an_upgrade_is_written_with_the_next_snapshot(monkeypatch: pytest.MonkeyPatch) -> None:
    """Entries that a step changed or removed are written again together with the new version, so that they are
    upgraded once; without a step nothing is written that did not change.
    """
    core = core_of(stages()["quotes"])
    fold(core, inputs(stages()["quotes"])[:CUT])
    now = saved(core)
    old = {
        **now,
        "cursor": msgspec.msgpack.encode([2, *msgspec.msgpack.decode(now["cursor"])[1:]]),
        "fold:old\t1": b"1",
    }

    def step(stage: str, entries: Mapping[str, bytes]) -> dict[str, bytes]:
        assert stage == "quotes"
        return {key: value for key, value in entries.items() if not key.startswith("fold:old")}

    monkeypatch.setitem(UPGRADES, 2, step)
    upgraded, unchanged = core_of(stages()["quotes"]), core_of(stages()["quotes"])
    upgraded.load(old)
    unchanged.load(now)
    assert dict(upgraded.dump()) == {"fold:old\t1": None, "cursor": now["cursor"]}
    assert dict(unchanged.dump()) == dict(upgraded.dump()) == {"cursor": now["cursor"]}


@pytest.mark.parametrize(
    ("version", "says"), [(1, "version 1 of quotes: no way leads from it to 5"), (9, "version 9 of quotes is newer")]
)
def test_a_version_without_a_way_is_refused(version: int, says: str) -> None:
    """A snapshot that cannot be brought to this version ends the worker, with a sentence that names both."""
    core = core_of(stages()["quotes"])
    with pytest.raises(SnapshotVersionError, match=says):
        core.load({"cursor": msgspec.msgpack.encode([version, {}, [None, None, []]])})


def test_posts_that_version_4_knew_are_known() -> None:
    """Version 4 kept posts by the minute: all are in parts of ten minutes afterwards, and the old entries are gone."""
    old: dict[str, bytes] = {
        "cursor": msgspec.msgpack.encode([4, {}, [None, None, []]]),
        "fold:notes": msgspec.msgpack.encode([["x"], []]),
    }
    posts = {}
    for number in range(1100):
        minute, part = START // MINUTE + number % 11, number // 600
        seen = (number % 3, b"digest", minute * MINUTE + number, ("TSLA",))
        posts[f"x:{number}"] = Seen(*seen)
        entry = msgspec.msgpack.decode(old.get(f"fold:{minute}.{part}", b"\x80"))
        old[f"fold:{minute}.{part}"] = msgspec.msgpack.encode({**entry, f"x:{number}": seen})
    snapshot = read_snapshot("posts", old)
    assert snapshot is not None
    known = SeenPosts()
    for key, value in snapshot.fold.items():
        if key != "notes":
            known.load(key, value)
    assert {key: known.get(key) for key in posts} == posts
    assert [snapshot.rewritten[key] for key in old if "." in key] == [None] * 22
    assert len(snapshot.fold) == 1 + 2 + 1


def test_an_unclean_stop_of_version_2_is_refused_where_two_inputs_meet() -> None:
    """How two inputs interleaved after version 2's last snapshot is not known, so it must be stopped cleanly first."""
    entries = frozen("correlations")
    version, offsets, watermark = msgspec.msgpack.decode(entries["watermark"])
    entries["watermark"] = msgspec.msgpack.encode([version, {**offsets, BARS: offsets[BARS] + 1}, watermark])
    with pytest.raises(SnapshotVersionError, match="stop it with SIGTERM"):
        core_of(stages()["correlations"]).load(entries)


def test_a_stage_with_two_inputs_saves_every_chunk() -> None:
    """How its inputs interleaved is in no log, so each transaction has the state; with one input it has not."""
    for name in ("correlations", "quotes"):
        core, entries = core_of(stages()[name]), inputs(stages()[name])
        taken = dict[str, bytes]()
        for entry in entries[:CUT]:
            fold(core, [entry])
            written = core.state(due=False)
            assert bool(written) == (name == "correlations")
            taken |= {key: value for key, value in written if value is not None}
        restored = core_of(stages()[name])
        restored.load(taken)
        assert (restored.offsets == core.offsets) == (name == "correlations")


def test_so_many_records_are_never_unsaved() -> None:
    """However long ago the last snapshot was, at most the limit of records and a chunk are to be folded again."""
    stage = stages()["quotes"]
    core, unsaved = PartitionCore(stage, PARTITION, now=lambda: 0, unsaved_limit=7), 0
    taken = 0
    for entry in inputs(stage):
        fold(core, [entry])
        unsaved += 1
        if core.state(due=False):
            taken, unsaved = taken + 1, 0
        assert unsaved < 7
    assert taken == len(inputs(stage)) // 7


def restarted(stage: Stage, state: Mapping[str, bytes], log: Sequence[Entry]) -> PartitionCore:
    """A core that was brought back after a crash: newest snapshot, then the inputs behind it, silently."""
    core = core_of(stage)
    core.load(state)
    fold(core, log[core.offsets.get(log[0].topic, 0) :])
    return core


def test_what_was_given_up_is_not_folded_silently_by_mended_code() -> None:
    """A quote that was refused, and that mended code would read, is no duplicate of itself when it is redriven."""
    good = [entry for entry in inputs(stages()["quotes"]) if entry.value is not None]
    entries = [entry._replace(offset=offset) for offset, entry in enumerate(good)]
    refused = entries[3]._replace(key=b"other")
    log = [*entries[:3], refused, *entries[4:6]]
    core, state = core_of(stages()["quotes"]), dict[str, bytes]()
    for entry in log:
        fold(core, [entry])
        state |= {key: value for key, value in core.state(due=False) if value is not None}
    # The mended code finds the record as it should have been; the log is the same otherwise.
    mended = restarted(stages()["quotes"], state, [*entries[:6]])
    assert mended.offsets == {RAW_QUOTES: 6}
    (again,) = fold(mended, [entries[3]._replace(offset=6)])
    assert again.topic == QUOTES
    assert fold(mended, [entries[4]._replace(offset=7)]) == []


def test_a_stage_tells_what_it_keeps_of_a_symbol() -> None:
    """Counts, open buckets and the last bar are those of the facts folded; of another symbol there is nothing."""
    told = {}
    for name, stage in stages().items():
        core = core_of(stage)
        core.load(frozen(name))
        assert core.describe("NVDA")["state"] == {}
        told[name] = json.loads(json.dumps(core.describe("TSLA")))["state"]
    tesla = [entry for entry in inputs(stages()["quotes"])[:CUT] if entry.key == b"TSLA"]
    assert told["quotes"]["yahoo 0"]["keys"] == told["bars"]["facts"]["yahoo 0"] == len(tesla)
    minutes = told["bars"]["intervals"]["60"]
    assert minutes["bars"] + len(minutes["open"]) == len(tesla)
    assert minutes["last"] == {"end": "2023-11-14T22:28:00Z", "revision": 0}
    assert minutes["indicators"]["return_log"] == pytest.approx(log(23 / 27))
    assert told["moods"]["mentions"] == told["moods"]["intervals"]["60"]["buckets"] == 4
    assert told["moods"]["intervals"]["300"]["open"] == [{"end": "2023-11-14T22:20:00Z", "revision": 0}]
    assert told["correlations"]["moods"] == told["correlations"]["intervals"]["60"]["bars"] == 8


def test_the_posts_that_name_a_symbol_are_told() -> None:
    """Of a symbol the posts stage keeps the posts that named it last, newest first."""
    seen = SeenPosts()
    for number in range(12):
        named = ("TSLA",) if number % 2 else ("GME", "TSLA")
        seen.put(f"x:{number}", Seen(number, b"", START + number * MINUTE, named))
    told = seen.describe("TSLA")
    assert told["posts"] == 12
    assert [post["key"] for post in told["newest"]] == [f"x:{number}" for number in range(11, 1, -1)]
    assert seen.describe("GME")["newest"][0] == {"key": "x:10", "revision": 10, "event_time": "2023-11-14T22:25:00Z"}
    assert seen.describe("AMC") == {}


@pytest.mark.parametrize("name", ["quotes", "bars", "moods", "correlations", "posts"])
def test_a_partition_that_was_given_up_is_gone_at_once(name: str) -> None:
    """Nothing that a core keeps points back to it: what it keeps would else wait hours for a collection."""
    core = core_of(posts_stage() if name == "posts" else stages()[name])
    fold(core, [post_entry()] if name == "posts" else inputs(stages()[name]))
    kept = [weakref.ref(core), weakref.ref(core._fold)]
    gc.disable()
    try:
        del core
        assert [reference() for reference in kept] == [None, None]
    finally:
        gc.enable()


@cache
def posts_stage() -> Stage:
    """The stage of posts, with nobody to ask."""

    async def ask(texts: Sequence[str]) -> Mapping[str, Any]:
        raise NotImplementedError

    return topology.posts(Settings(), shipped_table(), ask)


def post_entry() -> Entry:
    """A post that names two instruments apart."""
    record = RawPost(
        source="x", post_id="1", event_time=START, ingest_time=START, text="$TSLA soars; $GME falls and plunges"
    )
    return Entry(RAW_POSTS, 0, 0, TOPICS[RAW_POSTS].key(record).encode(), codec_for(RAW_POSTS).encode(record), [])
