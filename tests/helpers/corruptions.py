"""Forty ways to spoil a run, each of a symbol, a post or a place of its own, and what must be said of it."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from schemas.clocks import Clock
from schemas.codec import codec_for
from schemas.deadletters import dead_letter_headers, parse_dead_letter, redriven_headers
from schemas.records import Bar, Correlation, Mention, Quote, Sentiment
from schemas.topics import (
    BARS,
    CORRELATIONS,
    GAPS,
    INSTRUMENTS,
    MENTIONS,
    POSTS,
    QUOTES,
    RAW_POSTS,
    RAW_QUOTES,
    SENTIMENT,
    TOPIC_OF_RECORD,
    dead_letter_topic,
    partition_of,
)
from streams.engine.core import Entry
from tests.helpers.honest_run import BEGIN, MINUTE, records
from tests.helpers.world import World

QUOTES_EDGE, POSTS_EDGE = f"{RAW_QUOTES} -> {QUOTES}", f"{RAW_POSTS} -> {POSTS}"
BARS_EDGE, MOODS_EDGE = f"{QUOTES} -> {BARS}", f"{MENTIONS} -> {SENTIMENT}"
CORRELATIONS_EDGE, MENTIONS_EDGE = f"{BARS} + {SENTIMENT} -> {CORRELATIONS}", f"{POSTS} -> {MENTIONS}"
LETTERS_EDGE, LEDGER_EDGE = f"{dead_letter_topic(QUOTES)} -> dead_letter", "sink_offset"
CLOCK_PARTITION = 11
Rows = list[tuple[str, bytes | None, int, bytes | None, Any]]
"""What a foreign producer writes: topic, key, partition, value, headers."""


def symbol(stem: str, partition: int | None = None) -> str:
    """A symbol that begins so, in a partition; in none of its own if none is given."""
    for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ":
        home = partition_of(stem + letter)
        if home == partition or (partition is None and home != CLOCK_PARTITION):
            return stem + letter
    raise AssertionError(f"no symbol {stem} in partition {partition}")


@dataclass(frozen=True, slots=True)
class Corruption:
    """One way to spoil a run; exactly one of ``log``, ``foreign`` and ``sql`` says how.

    Attributes:
        what: a name for people.
        edge: the edge that must find it.
        trouble: what it must be.
        named: what the problem must name.
        log: changes the logs before they are written; what it returns must be named, too.
        foreign: what a producer of somebody else's writes at the end.
        sql: what somebody types into the database.
        also: what another edge says of it.
    """

    what: str
    edge: str
    trouble: str
    named: str
    log: Callable[[World], str | None] | None = None
    foreign: Callable[[World], Rows] | None = None
    sql: str = ""
    also: str = ""


def _first(world: World, topic: str, name: str, at: int = 0, **having: Any) -> tuple[list[Entry], int, Any]:
    """The log, the place and the record of a fact of a symbol: the first or a later one."""
    log = world.logs[topic, partition_of(name)]
    found = [
        (place, record)
        for place, record in records(log, topic)
        if record.symbol == name and all(getattr(record, key) == value for key, value in having.items())
    ]
    place, record = found[at]
    return log, place, record


def lost(topic: str, name: str, at: int = 0, **having: Any) -> Callable[[World], None]:
    """One fact is not there."""

    def plant(world: World) -> None:
        log, place, _ = _first(world, topic, name, at, **having)
        del log[place]

    return plant


def doubled(topic: str, name: str) -> Callable[[World], None]:
    """One fact stands there again."""

    def plant(world: World) -> None:
        log, place, _ = _first(world, topic, name)
        log.insert(place, log[place])

    return plant


def altered(topic: str, name: str, change: Callable[[Any], Any], at: int = 0, **having: Any) -> Callable[[World], None]:
    """One fact says something else."""

    def plant(world: World) -> None:
        log, place, record = _first(world, topic, name, at, **having)
        log[place] = log[place]._replace(value=codec_for(topic).encode(change(record)))

    return plant


def forged(*made: Any, key: bytes | None = None, partition: int | None = None) -> Callable[[World], Rows]:
    """Somebody else writes facts."""
    return lambda _: list(_rows(made, key, partition))


def _rows(made: Any, key: bytes | None = None, partition: int | None = None) -> Iterator[Any]:
    for record in made:
        spec = TOPIC_OF_RECORD[type(record)]
        own = spec.key(record)
        home = partition_of(own, spec.partitions) if partition is None else partition
        yield spec.name, own.encode() if key is None else key, home, codec_for(spec.name).encode(record), None


def again(topic: str, name: str, **changes: Any) -> Callable[[World], Rows]:
    """Somebody else writes the first figure of a symbol once more, a little changed."""
    return lambda world: list(_rows([replace(_first(world, topic, name)[2], **changes)]))


def elsewhere(topic: str, name: str) -> Callable[[World], None]:
    """One fact stands in the partition beside its own."""

    def plant(world: World) -> None:
        log, place, _ = _first(world, topic, name)
        world.logs[topic, (partition_of(name) + 1) % CLOCK_PARTITION].append(log.pop(place))

    return plant


def under(topic: str, name: str, key: bytes) -> Callable[[World], None]:
    """One fact has another key."""

    def plant(world: World) -> None:
        log, place, _ = _first(world, topic, name)
        log[place] = log[place]._replace(key=key)

    return plant


def _letter(topic: str, partition: int, offset: int, group: str) -> Any:
    return dead_letter_headers(
        topic=topic, partition=partition, offset=offset, stage="s", error="E", message="", reason="undecodable",
        attempts=1, group=group, failed_at=BEGIN, original=[],
    )  # fmt: skip


def garbage(*letters: bytes) -> Callable[[World], str]:
    """A raw record that cannot be read, and what its dead letters hold."""

    def plant(world: World) -> str:
        log = world.logs[RAW_QUOTES, 0]
        offset = len(log)
        world.append(RAW_QUOTES, 0, b"k", b"garbage", [])
        for value in letters:
            headers = _letter(RAW_QUOTES, 0, offset, "moodtape.quotes")
            world.append(dead_letter_topic(RAW_QUOTES), 0, b"k", value, headers)
        return f"partition 0 offset {offset}"

    return plant


def sent_back(topic: str, name: str, group: str) -> Callable[[World], str]:
    """A fact that was given up though it came through, and was sent back."""

    def plant(world: World) -> str:
        log, offset, _ = _first(world, topic, name)
        partition, entry = partition_of(name), log[offset]
        headers = _letter(topic, partition, offset, group)
        world.append(dead_letter_topic(topic), partition, entry.key, entry.value, headers)
        world.append(topic, partition, entry.key, entry.value, redriven_headers(parse_dead_letter(headers)))
        return f"offset {offset} was sent back" if topic == QUOTES else ""

    return plant


def sent_back_and_doubled(name: str) -> Callable[[World], str]:
    """A raw price whose second try succeeded twice."""

    def plant(world: World) -> str:
        doubled(QUOTES, name)(world)
        return sent_back(RAW_QUOTES, name, "moodtape.quotes")(world)

    return plant


def post_lost(post_id: str) -> Callable[[World], None]:
    """A post is not there; its mentions are."""

    def plant(world: World) -> None:
        log = world.logs[POSTS, partition_of(f"reddit:{post_id}")]
        del log[next(place for place, post in records(log, POSTS) if post.post_id == post_id)]

    return plant


def clock_ahead(_: World) -> Rows:
    """A clock that runs three days ahead."""
    clock = Clock(kind="time", origin=f"{RAW_QUOTES}/{CLOCK_PARTITION}", time=BEGIN + 3 * 1440 * MINUTE)
    return [(QUOTES, None, CLOCK_PARTITION, None, clock.headers())]


def a_bar(name: str, **more: Any) -> Bar:
    """A bar of the first minute."""
    numbers = {"open": 9.0, "high": 9.0, "low": 9.0, "close": 9.0, "trades": 1, "source": "simulator"}
    return Bar(**{"symbol": name, "interval": 60, "start": BEGIN, "event_time": BEGIN + MINUTE, **numbers, **more})


def ulp(field: str) -> Callable[[Any], Any]:
    """The same with the next greater number in a field."""
    return lambda record: replace(record, **{field: math.nextafter(getattr(record, field), math.inf)})


def other_return(bar: Bar) -> Bar:
    """The bar with another return."""
    change = (bar.indicators.return_log or 0.0) + 1e-6
    return replace(bar, indicators=replace(bar.indicators, return_log=change))


S = {
    stem: symbol(stem)
    for stem in (
        *("QCALM", "BCALM", "NCALM", "MCALM", "CCALM"),
        *("QLOST", "QTWICE", "QULP", "QFORGED", "QKEY", "QHOME", "QAGAIN", "QSENT", "QGONE", "QMOVED"),
        *("BLOST", "BTWICE", "BINDIC", "BEARLY", "BSTALE", "BSKIP", "BFORGED", "BROW", "BULP"),
        *("MLOST", "MSCORE", "MFORGED", "MVERSION", "MTIME", "CLOST", "CCHANGED", "CFORGED", "CLAG"),
        *("NPOST", "NFORGED", "NLOST", "NOTHER", "NAUTHOR", "NOFFSET", "NREVISION"),
    )
} | {"KCLOCK": symbol("KCLOCK", CLOCK_PARTITION)}
FORGED_PLACE = {"interval": 60, "start": BEGIN, "event_time": BEGIN + MINUTE, "known_time": BEGIN + MINUTE}
A_QUOTE = {"source": "simulator", "event_time": BEGIN + 5, "ingest_time": BEGIN + 5, "price": 9.0}
A_MENTION = {"source": "reddit", "event_time": BEGIN + 5, "ingest_time": BEGIN + 5}
FIRST_ROW = (
    "(topic_partition, topic_offset) ="
    " (SELECT topic_partition, topic_offset FROM {t} WHERE symbol = '{symbol}' ORDER BY 1, 2 LIMIT 1)"
)


def row(statement: str, table: str, name: str) -> str:
    """A statement about the first row of a symbol."""
    return statement.replace("{where}", FIRST_ROW).replace("{t}", table).replace("{symbol}", S[name])


CORRUPTIONS = (
    Corruption("a quote that never came out", QUOTES_EDGE, "missing", S["QLOST"], log=lost(QUOTES, S["QLOST"])),
    Corruption("a quote that came out twice", QUOTES_EDGE, "extra", S["QTWICE"], log=doubled(QUOTES, S["QTWICE"])),
    Corruption(
        "a price off by one bit", QUOTES_EDGE, "altered", S["QULP"], log=altered(QUOTES, S["QULP"], ulp("price"))
    ),
    Corruption(
        "a forged quote", QUOTES_EDGE, "extra", S["QFORGED"], foreign=forged(Quote(symbol=S["QFORGED"], **A_QUOTE))
    ),
    Corruption("a wrong key", "quotes.v1 -> quote", "altered", S["QKEY"], log=under(QUOTES, S["QKEY"], b"NOTME")),
    Corruption("a wrong partition", "quotes.v1 -> quote", "altered", S["QHOME"], log=elsewhere(QUOTES, S["QHOME"])),
    Corruption(
        "a second try that came out twice", QUOTES_EDGE, "extra", S["QAGAIN"], log=sent_back_and_doubled(S["QAGAIN"])
    ),
    Corruption(
        "a second try stored twice",
        "quotes.v1 -> quote",
        "extra",
        "",
        log=sent_back(QUOTES, S["QSENT"], "moodtape.sink.timescale"),
    ),
    Corruption("a dead letter dropped", QUOTES_EDGE, "missing", "", log=garbage()),
    Corruption("a dead letter with other bytes", QUOTES_EDGE, "altered", "", log=garbage(b"other")),
    Corruption("a dead letter written twice", QUOTES_EDGE, "extra", "", log=garbage(b"garbage", b"garbage")),
    Corruption(
        "a post that never came out",
        POSTS_EDGE,
        "missing",
        f"{S['NPOST'].lower()}-0-0",
        log=post_lost(f"{S['NPOST'].lower()}-0-0"),
    ),
    Corruption("a mention lost", MENTIONS_EDGE, "missing", S["NLOST"], log=lost(MENTIONS, S["NLOST"])),
    Corruption(
        "a mention that no post makes",
        MENTIONS_EDGE,
        "extra",
        S["NFORGED"],
        foreign=forged(Mention(symbol=S["NFORGED"], post_id="none", **A_MENTION)),
    ),
    Corruption(
        "a mention unlike its post",
        MENTIONS_EDGE,
        "altered",
        S["NOTHER"],
        log=altered(MENTIONS, S["NOTHER"], ulp("confidence")),
    ),
    Corruption(
        "a mention of no revision of its post",
        MENTIONS_EDGE,
        "extra",
        S["NREVISION"],
        foreign=again(MENTIONS, S["NREVISION"], revision=7),
    ),
    Corruption("a forged clock", BARS_EDGE, "missing", S["KCLOCK"], foreign=clock_ahead),
    Corruption("a bar lost", BARS_EDGE, "missing", S["BLOST"], log=lost(BARS, S["BLOST"], -1, interval=60)),
    Corruption("a bar twice", BARS_EDGE, "extra", S["BTWICE"], log=doubled(BARS, S["BTWICE"])),
    Corruption(
        "another indicator",
        BARS_EDGE,
        "altered",
        S["BINDIC"],
        log=altered(BARS, S["BINDIC"], other_return, 4, interval=60),
    ),
    Corruption(
        "a bar known too early",
        BARS_EDGE,
        "altered",
        S["BEARLY"],
        log=altered(BARS, S["BEARLY"], lambda bar: replace(bar, known_time=bar.event_time), -1, interval=60),
    ),
    Corruption(
        "a stale revision", "bars.v1 -> bar", "extra", S["BSTALE"], foreign=again(BARS, S["BSTALE"], revision=0)
    ),
    Corruption(
        "a revision left out", "bars.v1 -> bar", "missing", S["BSKIP"], foreign=again(BARS, S["BSKIP"], revision=2)
    ),
    Corruption(
        "a forged bar",
        BARS_EDGE,
        "extra",
        S["BFORGED"],
        foreign=forged(a_bar(S["BFORGED"], start=BEGIN - MINUTE, event_time=BEGIN)),
    ),
    Corruption("a mood lost", MOODS_EDGE, "missing", S["MLOST"], log=lost(SENTIMENT, S["MLOST"])),
    Corruption(
        "a made-up neutral",
        MOODS_EDGE,
        "altered",
        S["MSCORE"],
        log=altered(SENTIMENT, S["MSCORE"], lambda mood: replace(mood, score=0.0)),
    ),
    Corruption(
        "a forged mood",
        MOODS_EDGE,
        "extra",
        S["MFORGED"],
        foreign=forged(
            Sentiment(symbol=S["MFORGED"], **{**FORGED_PLACE, "start": BEGIN - MINUTE, "event_time": BEGIN})
        ),
    ),
    Corruption("a correlation lost", CORRELATIONS_EDGE, "missing", S["CLOST"], log=lost(CORRELATIONS, S["CLOST"])),
    Corruption(
        "another r",
        CORRELATIONS_EDGE,
        "altered",
        S["CCHANGED"],
        log=altered(
            CORRELATIONS, S["CCHANGED"], lambda c: replace(c, r=c.r + 1e-6), -1, pair="MOOD_RETURN", interval=60
        ),
    ),
    Corruption(
        "a forged correlation",
        CORRELATIONS_EDGE,
        "extra",
        S["CFORGED"],
        foreign=forged(
            Correlation(
                symbol=S["CFORGED"],
                interval=60,
                window=60,
                event_time=BEGIN + MINUTE,
                pair="MOOD_RETURN",
                method="PEARSON",
            )
        ),
    ),
    Corruption(
        "a row removed",
        "quotes.v1 -> quote",
        "missing",
        S["QGONE"],
        sql=row("DELETE FROM {t} WHERE {where}", "quote", "QGONE"),
    ),
    Corruption(
        "a row twice",
        "bars.v1 -> bar",
        "extra",
        S["BROW"],
        sql=row("INSERT INTO {t} SELECT * FROM {t} WHERE {where}", "bar", "BROW"),
    ),
    Corruption(
        "a row off by one bit",
        "bars.v1 -> bar",
        "altered",
        S["BULP"],
        sql=row("UPDATE {t} SET close = close * (1 + 2.3e-16::float8) WHERE {where}", "bar", "BULP"),
    ),
    Corruption(
        "a row of another version",
        "sentiment.v1 -> sentiment",
        "missing",
        S["MVERSION"],
        sql=row("UPDATE {t} SET replay = 'other' WHERE {where}", "sentiment", "MVERSION"),
    ),
    Corruption(
        "a row known a microsecond earlier",
        "sentiment.v1 -> sentiment",
        "altered",
        S["MTIME"],
        sql=row(
            "UPDATE {t} SET known_time = known_time - interval '1 microsecond' WHERE {where}", "sentiment", "MTIME"
        ),
    ),
    Corruption(
        "a row at another offset",
        "mentions.v1 -> mention",
        "extra",
        S["NOFFSET"],
        sql=row("UPDATE {t} SET topic_offset = 100000 WHERE {where}", "mention", "NOFFSET"),
        also="offset 100000 is stored",
    ),
    Corruption(
        "an author taken away",
        "mentions.v1 -> mention",
        "altered",
        S["NAUTHOR"],
        sql=row("UPDATE {t} SET author = NULL WHERE {where}", "mention", "NAUTHOR"),
    ),
    Corruption(
        "another list of lags",
        "correlations.v1 -> correlation",
        "altered",
        S["CLAG"],
        sql=row("UPDATE {t} SET lags = '{1}' WHERE {where}", "correlation", "CLAG"),
    ),
    Corruption(
        "a gap of another reason",
        "gaps.v1 -> gap",
        "altered",
        ": reason",
        sql="UPDATE gap SET reason = 'none' WHERE source = 'x'",
    ),
    Corruption(
        "a letter's row altered",
        LETTERS_EDGE,
        "altered",
        ": reason",
        sql="UPDATE dead_letter SET reason = 'bug' WHERE dlq_topic = 'quotes.v1.dlq'",
    ),
    Corruption(
        "the ledger moved back",
        LEDGER_EDGE,
        "extra",
        f"{GAPS} partition 0",
        sql=f"UPDATE sink_offset SET next_offset = 0 WHERE topic = '{GAPS}'",
    ),
    Corruption(
        "the ledger moved ahead",
        LEDGER_EDGE,
        "altered",
        f"{INSTRUMENTS} partition 0",
        sql=f"UPDATE sink_offset SET next_offset = 1000 WHERE topic = '{INSTRUMENTS}'",
    ),
)
