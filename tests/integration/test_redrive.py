"""``moodtape dlq redrive`` on a real broker: each letter goes back once, to where it came from, whatever dies."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Message
from confluent_kafka.admin import AdminClient, NewTopic

from infra.errors import UserError
from infra.kafka import plain_producer
from infra.offsets import log_ends, read_to_end
from moodtape.deadletters.cases import Case, Cases
from moodtape.deadletters.letters import Wanted
from moodtape.deadletters.redrive import Redriver, return_of
from moodtape.verify.reading import TopicReader
from schemas.clocks import Clock
from schemas.codec import codec_for, encode
from schemas.deadletters import DeadLetter, dead_letter_headers, parse_dead_letter, parse_redriven
from schemas.records import Instrument, RawQuote
from schemas.replays import replayed
from schemas.topics import INSTRUMENTS, QUOTES, RAW_POSTS, RAW_QUOTES, dead_letter_topic, partition_of
from tests.helpers.counting_stage import BUG_PRICE
from tests.helpers.sinking import Writer
from tests.helpers.waiting import wait_for
from tests.helpers.workers import SYMBOLS, Workers, drained, feed

pytestmark = [pytest.mark.services, pytest.mark.timeout(240)]
BUGS = 6
FAILPOINTS = ("redrive-sent", "redrive-marked", "redrive-committed")
LETTER = DeadLetter(
    topic=RAW_QUOTES,
    partition=3,
    offset=0,
    stage="quotes",
    error="ZeroDivisionError",
    message="",
    reason="bug",
    attempts=1,
    group="moodtape.quotes",
    failed_at=1,
    headers=[],
)


@pytest.fixture
def workers(topics: str, tmp_path: Path) -> Iterator[Workers]:
    """Workers on empty topics; all ended afterwards."""
    with Workers(tmp_path, topics) as made:
        yield made


def run(environ: dict[str, str], *arguments: str, **more: str) -> Any:
    """``moodtape dlq ...`` as a process; what it printed as JSON."""
    done = start(environ, *arguments, **more)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def start(environ: dict[str, str], *arguments: str, **more: str) -> "subprocess.CompletedProcess[str]":
    """``moodtape dlq ...`` as a process."""
    command = [sys.executable, "-m", "moodtape", "dlq", *arguments, "--json"]
    return subprocess.run(command, env={**environ, **more}, capture_output=True, text=True, check=False, timeout=120)


def copies(kafka: str, topic: str = RAW_QUOTES) -> list[Message]:
    """Records of a topic that were sent back."""
    return [m for m in read_to_end(kafka, [topic]) if parse_redriven(m.headers()) is not None]


def letters(kafka: str, topic: str = RAW_QUOTES) -> list[tuple[Message, DeadLetter]]:
    """The dead letters of a topic."""
    return [(m, parse_dead_letter(m.headers())) for m in read_to_end(kafka, [dead_letter_topic(topic)])]


def feed_with_bugs(kafka: str) -> None:
    """Prices, and among them some that make the code fail, never three in a row in one partition."""
    producer = plain_producer(kafka)
    for number in range(BUGS):
        feed(kafka, 30, first=30 * number)
        symbol = SYMBOLS[number]
        bug = RawQuote(source="x", symbol=symbol, event_time=1000 + number, ingest_time=2000, price=BUG_PRICE)
        producer.produce(RAW_QUOTES, encode(bug), symbol, partition_of(symbol), headers=[("own", b"\xff")])
        producer.flush()


def counts(kafka: str) -> dict[str, int]:
    """How many prices of each symbol came out, each with the next number."""
    found: dict[str, int] = {}
    for message in read_to_end(kafka, [QUOTES]):
        if message.value() is not None:
            quote = codec_for(QUOTES).decode(message.value())
            assert quote.sequence == found.get(quote.symbol, 0) + 1
            found[quote.symbol] = quote.sequence
    return found


def test_letters_go_back_through_the_code_until_it_is_mended(workers: Workers, environ: dict[str, str]) -> None:
    """Failing again a fact is the same letter with one attempt more; mended, each comes out once and is resolved."""
    kafka = workers.kafka
    feed_with_bugs(kafka)
    broken = workers.start()
    wait_for(lambda: len(letters(kafka)) == BUGS, "all bugs are dead letters")
    ends = log_ends(kafka, [RAW_QUOTES])
    dry = run(environ, "redrive", "--reason", "bug", "--dry-run")
    assert (dry["redriven"], dry["skipped"], log_ends(kafka, [RAW_QUOTES])) == (BUGS, {}, ends)
    # By partition: which of them a reader is given first is chance.
    assert [letter["to"] for letter in dry["letters"]] == [
        {"topic": RAW_QUOTES, "partition": number} for number in sorted(m.partition() for m, _ in letters(kafka))
    ]

    assert run(environ, "redrive")["redriven"] == BUGS
    wait_for(lambda: len(letters(kafka)) == 2 * BUGS, "they failed again")
    both = sorted(letters(kafka), key=lambda pair: (pair[1].partition, pair[1].offset, pair[1].attempts))
    for (first, said), (second, again) in zip(both[::2], both[1::2], strict=True):
        assert again == replace(said, attempts=2)
        assert (first.key(), first.value(), first.partition()) == (second.key(), second.value(), second.partition())
        assert again.headers == [("own", b"\xff")]
    (row,) = run(environ, "list")["counts"]
    assert (row["count"], row["states"]) == (BUGS, {"waiting": BUGS})

    broken.send_signal(signal.SIGTERM)
    assert broken.wait(60) == 0
    assert run(environ, "redrive", "--key", SYMBOLS[0])["redriven"] == 1
    sent = run(environ, "redrive")
    assert (sent["redriven"], sent["skipped"]) == (BUGS - 1, {"redriven": 1})
    assert run(environ, "list")["counts"][0]["states"] == {"redriven": BUGS}
    workers.start(COUNTING_MENDED="1")
    wait_for(lambda: drained(kafka), "the mended code is through")
    assert run(environ, "list")["counts"][0]["states"] == {"resolved": BUGS}
    assert run(environ, "redrive")["skipped"] == {"resolved": BUGS}
    assert counts(kafka) == {symbol: BUGS + (n < BUGS) for n, symbol in enumerate(SYMBOLS)}
    assert len(copies(kafka)) == 2 * BUGS
    place = both[0][1]
    shown = run(environ, "show", RAW_QUOTES, str(place.partition), str(place.offset))
    assert (shown["state"], shown["attempts"]) == ("resolved", 2)


@pytest.fixture
def buried(topics: str) -> str:
    """A broker with 40 letters of one partition."""
    writer = Writer(topics)
    with writer.transaction():
        for offset in range(40):
            put(writer, replace(LETTER, offset=offset), value=b"%d" % offset)
    return topics


def put(writer: Writer, letter: DeadLetter, *, value: bytes | None = b"v", into: str = RAW_QUOTES, **more: Any) -> None:
    """Write a dead letter inside a transaction."""
    names = ("topic", "partition", "offset", "stage", "error", "message", "reason", "attempts", "group", "failed_at")
    headers = dead_letter_headers(**{name: getattr(letter, name) for name in names}, original=letter.headers)
    place = letter.partition % 12
    writer.put(dead_letter_topic(into), place, more.get("key", b"TSLA"), value, headers)


@pytest.mark.parametrize("point", FAILPOINTS)
def test_killed_anywhere_and_run_again_each_letter_goes_back_once(
    buried: str, environ: dict[str, str], point: str
) -> None:
    """SIGKILL between any two steps, then a second run, then a third: one copy of each, in order, with its mark."""
    killed = start(environ, "redrive", MOODTAPE_FAILPOINT=point)
    assert killed.returncode == -signal.SIGKILL
    done = 40 if point == "redrive-committed" else 0
    again = run(environ, "redrive")
    assert (again["redriven"], again["skipped"]) == (40 - done, {"redriven": done} if done else {})
    assert run(environ, "redrive")["skipped"] == {"redriven": 40}
    found = copies(buried)
    assert [m.value() for m in found] == [b"%d" % offset for offset in range(40)]
    assert {(m.partition(), m.key()) for m in found} == {(3, b"TSLA")}


def cases(kafka: str) -> list[Case]:
    """Every case, in the order of the logs."""
    with TopicReader(kafka) as reader:
        return list(Cases(reader, kafka).wanted(Wanted()))


def test_a_second_command_fences_the_first(buried: str) -> None:
    """What a command reads after its start nobody else can send any more: the earlier one ends, told why."""
    first = Redriver(buried)
    before = cases(buried)
    second = Redriver(buried)
    assert second.send([return_of(case, lambda: 0) for case in cases(buried)[:5]]) == {}
    with pytest.raises(UserError, match="another"):
        first.send([return_of(case, lambda: 0) for case in before])
    assert len(copies(buried)) == 5


def test_five_failures_park_a_letter(topics: str, environ: dict[str, str]) -> None:
    """A letter that failed five times is listed as parked and goes back only by force, and then counts on."""
    writer = Writer(topics)
    with writer.transaction():
        for attempts in (4, 5, 6):
            put(writer, replace(LETTER, offset=attempts, attempts=attempts))
    assert run(environ, "list")["counts"][0]["states"] == {"parked": 2, "waiting": 1}
    assert run(environ, "redrive")["skipped"] == {"parked": 2}
    assert run(environ, "redrive", "--force")["redriven"] == 2
    assert [parse_redriven(m.headers()).attempts for m in copies(topics)] == [5, 6, 7]
    assert run(environ, "redrive", "--force")["redriven"] == 0


def test_copies_of_a_letter_count_once(topics: str, environ: dict[str, str]) -> None:
    """A sink that died may write a letter twice, and two groups may give up one fact: it counts once a reason."""
    writer = Writer(topics)
    sink = replace(LETTER, topic=QUOTES, group="moodtape.sink.timescale", reason="undecodable")
    with writer.transaction():
        for letter in (sink, sink, replace(sink, group="moodtape.bars"), replace(sink, reason="refused", offset=9)):
            put(writer, letter, into=QUOTES)
    listed = run(environ, "list")
    assert [(row["reason"], row["count"]) for row in listed["counts"]] == [("refused", 1), ("undecodable", 1)]
    assert run(environ, "redrive", "--topic", f"{QUOTES}.dlq")["redriven"] == 3
    assert sorted(parse_redriven(m.headers()).group for m in copies(topics, QUOTES)) == [
        "moodtape.bars", "moodtape.sink.timescale", "moodtape.sink.timescale",
    ]  # fmt: skip


def test_what_cannot_go_back_is_kept_and_says_why(topics: str, environ: dict[str, str]) -> None:
    """Clocks, letters that do not say where they belong, superseded instruments: nothing of them is written."""
    writer = Writer(topics)
    clock = Clock(kind="end", origin="x/0").headers()
    listing = replace(LETTER, topic=INSTRUMENTS, partition=0, group="moodtape.sink.timescale", reason="refused")
    instrument = codec_for(INSTRUMENTS).encode(Instrument(symbol="TSLA"))
    writer.facts([Instrument(symbol="TSLA"), Instrument(symbol="TSLA", name="Tesla"), Instrument(symbol="GME")])
    with writer.transaction():
        put(writer, replace(LETTER, headers=clock), value=None, key=None)
        put(writer, replace(LETTER, topic="else.v1", offset=1))
        put(writer, replace(LETTER, partition=99, offset=2))
        put(writer, replace(LETTER, topic="tape.bin", reason="unparseable", offset=3))
        writer.put(dead_letter_topic(RAW_QUOTES), 3, b"k", b"v", [("x-dlq-reason", b"bug")])
        put(writer, listing, value=instrument, into=INSTRUMENTS)
        put(writer, replace(listing, offset=2), value=instrument, into=INSTRUMENTS, key=b"GME")
    before = log_ends(topics, [RAW_QUOTES])
    sent = run(environ, "redrive", "--force")
    assert (sent["redriven"], sent["skipped"]) == (1, {"kept": 6})
    assert log_ends(topics, [RAW_QUOTES]) == before
    assert [m.key() for m in copies(topics, INSTRUMENTS)] == [b"GME"]
    listed = [letter["why"] for letter in run(environ, "list")["letters"]]
    words = ("a clock", "else.v1", "no partition 99", "only its producer", "headers", "a later record")
    assert all(any(word in (why or "") for why in listed) for word in words), listed


def test_a_line_is_read_again_by_the_code_of_its_producer(topics: str, environ: dict[str, str]) -> None:
    """What can be read today becomes the fact that it says; what cannot has failed once more."""
    good = b'{"source":"x","symbol":"TSLA","event_time":"2022-03-14T08:00:00Z","price":5.5}'
    line = replace(LETTER, topic="quotes.jsonl.gz", reason="unparseable", group="moodtape.produce.tape/0")
    writer = Writer(topics)
    with writer.transaction():
        put(writer, line, value=good, key=None)
        put(writer, replace(line, group="moodtape.produce.other/0"), value=good, key=None)
        put(writer, replace(line, offset=1), value=b'{"source":', key=None)
        put(writer, replace(line, offset=2, topic="posts.jsonl.gz"), value=b"{}", key=None, into=RAW_POSTS)
    dry = run(environ, "redrive", "--dry-run")
    assert (dry["redriven"], dry["failed_again"]) == (2, 2)
    sent = run(environ, "redrive")
    assert (sent["redriven"], sent["failed_again"]) == (2, 2)
    facts = list(read_to_end(topics, [RAW_QUOTES]))
    assert [(m.partition(), m.key(), m.headers()) for m in facts] == [(partition_of("TSLA"), b"TSLA", None)] * 2
    record = codec_for(RAW_QUOTES).decode(facts[0].value())
    assert (record.symbol, record.price, record.event_time) == ("TSLA", 5.5, 1647244800000000)
    found = {row["topic"]: row["states"] for row in run(environ, "list")["counts"]}
    assert found == {f"{RAW_QUOTES}.dlq": {"resolved": 2, "waiting": 1}, f"{RAW_POSTS}.dlq": {"waiting": 1}}
    again = [(m.value(), said.attempts, said.offset) for m, said in letters(topics) if said.attempts == 2]
    assert again == [(b'{"source":', 2, 1)]


def test_letters_of_a_replay_are_listed_apart_and_kept(topics: str) -> None:
    """They stand in topics of the replay's name, are none of the live flow's, and cannot be sent back."""
    name = replayed(dead_letter_topic(RAW_QUOTES), "again")
    admin = AdminClient({"bootstrap.servers": topics})
    admin.create_topics([NewTopic(name, 12, 1)])[name].result(30)
    writer = Writer(topics)
    with writer.transaction():
        put(writer, replace(LETTER, offset=7), into=replayed(RAW_QUOTES, "again"))
    assert cases(topics) == []
    with TopicReader(topics) as reader:
        (case,) = Cases(reader, topics).wanted(Wanted(topic=RAW_QUOTES, replay="again"))
        assert Cases(reader, topics).find(name, 3, 0, "again") == case
    assert (case.letter.source, case.letter.topic, case.state) == (RAW_QUOTES, name, "kept")
    assert case.why is not None
    assert "replay anew" in case.why


def test_letters_are_chosen_by_time_and_key(topics: str, environ: dict[str, str]) -> None:
    """--from, --to and --key choose by the original's event time and key; a mistake is one line."""
    writer = Writer(topics)
    with writer.transaction():
        for hour in range(3):
            moment = 1_647_244_800_000_000 + hour * 3_600_000_000
            fact = RawQuote(source="x", symbol="TSLA", event_time=moment, ingest_time=moment, price=-1.0)
            put(writer, replace(LETTER, offset=hour, reason="invalid"), value=encode(fact))
    chosen = ("--from", "2022-03-14T09:00:00Z", "--to", "2022-03-14T10:00:00Z")
    assert run(environ, "redrive", "--dry-run", *chosen)["redriven"] == 1
    assert run(environ, "redrive", "--dry-run", "--key", "GME")["redriven"] == 0
    assert run(environ, "redrive", "--dry-run", "--key", "TSLA", "--reason", "invalid")["redriven"] == 3
    wrong = start(environ, "redrive", "--topic", "quotes")
    assert (wrong.returncode, len(wrong.stderr.splitlines())) == (2, 1)
