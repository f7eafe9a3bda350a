"""Producers against a real broker: exactly once, in order, and never a clock that says too much."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import KafkaException, Message, TopicPartition
from confluent_kafka.admin import OffsetSpec

from infra.endpoints import Endpoints
from infra.errors import FatalError, UserError
from infra.kafka import admin_client, plain_producer
from infra.settings import Settings
from producers.launch import run_recording, run_simulator
from producers.recorder import record_topics
from producers.runner import Produced, Runner
from producers.simulator import SimulatorOptions
from producers.source import Blind, End, Event, Fact, Mark, Pause
from schemas.clocks import POSITION_HEADER, Clock, parse_clock
from schemas.codec import codec_for
from schemas.deadletters import parse_dead_letter
from schemas.records import Gap, RawPost, RawQuote
from schemas.topics import BARS, GAPS, PARTITIONS, RAW_POSTS, RAW_QUOTES, RAW_TOPICS, partition_of
from tests.contracts.test_keys import JAVA
from tests.helpers.recordings import START, lines_of, posts, quotes, read_log, write_folder

pytestmark = pytest.mark.services


def facts_of(log: list[Message]) -> list[RawQuote | RawPost]:
    """The decoded facts of a log."""
    return [codec_for(m.topic()).decode(m.value()) for m in log if m.value() is not None]


def clocks_of(log: list[Message]) -> list[Clock]:
    """The clocks of a log."""
    found = [parse_clock(m.headers()) for m in log if m.value() is None]
    return [clock for clock in found if clock is not None]


def assert_promise_kept(log: list[Message]) -> None:
    """On each partition no fact stands behind a clock that covers it, and all clocks stand on all partitions."""
    by_partition: dict[tuple[str, int], list[Message]] = {}
    for message in log:
        by_partition.setdefault((message.topic(), message.partition()), []).append(message)
    assert len(by_partition) == 2 * PARTITIONS
    sequences = set()
    for messages in by_partition.values():
        reached = -1
        for message in messages:
            if message.value() is not None:
                fact = codec_for(message.topic()).decode(message.value())
                assert fact.event_time > reached
                assert partition_of(message.key().decode()) == message.partition()
                continue
            assert message.key() is None
            clock = parse_clock(message.headers())
            assert clock is not None
            if clock.kind == "time":
                assert clock.time >= reached
                reached = clock.time
        sequences.add(tuple(clocks_of(messages)))
    assert len(sequences) == 1


def sorted_facts(facts: list[RawQuote | RawPost]) -> list[str]:
    """Facts in an order of their own, for comparing."""
    return sorted(map(repr, facts))


def start_producer(folder: Path, environ: dict[str, str], cwd: Path) -> subprocess.Popen[bytes]:
    """``moodtape produce recording`` as a process of its own."""
    command = [sys.executable, "-c", "from moodtape.cli import main; main()", "produce", "recording", str(folder)]
    command += ["--speed", "9000"]  # slow enough to be killed in the middle on any machine
    environ = {**environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.Popen(command, env=environ, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def written(bootstrap: str) -> int:
    """Records that stand in the raw quotes, committed or not."""
    admin = admin_client(bootstrap)
    places = {TopicPartition(RAW_QUOTES, number): OffsetSpec.latest() for number in range(PARTITIONS)}
    deadline = time.monotonic() + 30
    while True:
        try:
            return sum(future.result().offset for future in admin.list_offsets(places).values())
        except KafkaException:
            # Leaders of new topics are still being told who they are.
            assert time.monotonic() < deadline


def test_killed_at_any_time_each_line_comes_to_stand_once(
    topics: str, endpoints: Endpoints, settings: Settings, environ: dict[str, str], tmp_path: Path
) -> None:
    """SIGKILL in the middle, twice, and started again: every line once, clocks right; once more: nothing is written."""
    made = (quotes(30_000), posts(400))
    folder = write_folder(tmp_path / "r", lines_of(made[0]), lines_of(made[1]))
    for more in (500, 5_000):
        before = written(topics)
        process = start_producer(folder, environ, tmp_path)
        deadline = time.monotonic() + 60
        while written(topics) < before + more and process.poll() is None:
            assert time.monotonic() < deadline
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
    done = run_recording(settings, endpoints, folder)
    assert done.state == "ended"
    assert sum(done.facts.values()) < 30_400
    log = read_log(topics, *RAW_TOPICS)
    assert sorted_facts(facts_of(log)) == sorted_facts([*made[0], *made[1]])
    assert_promise_kept(log)
    assert clocks_of(log)[-1].kind == "end"
    records = len(read_log(topics, *RAW_TOPICS))
    again = run_recording(settings, endpoints, folder)
    assert (again.state, sum(again.facts.values()), len(read_log(topics, *RAW_TOPICS))) == ("already", 0, records)


class SetAtLook(threading.Event):
    """A signal that is there at the runner's ``number``-th look, which it takes at each clock."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.left = number

    def is_set(self) -> bool:
        self.left -= 1
        return self.left <= 0


def test_stopped_by_a_signal_it_writes_no_end(
    topics: str, endpoints: Endpoints, settings: Settings, tmp_path: Path
) -> None:
    """A stop commits what is marked and writes no end clock; started again the rest comes, each line once."""
    made = quotes(2500)
    folder = write_folder(tmp_path / "r", lines_of(made), [])
    done = run_recording(settings, endpoints, folder, stop=SetAtLook(2))
    assert (done.state, done.facts[RAW_QUOTES]) == ("stopped", 1000)
    assert all(clock.kind == "time" for clock in clocks_of(read_log(topics, *RAW_TOPICS)))
    assert run_recording(settings, endpoints, folder).facts[RAW_QUOTES] == 1500
    assert len(facts_of(read_log(topics, *RAW_TOPICS))) == 2500


def test_a_long_run_of_bad_lines_is_committed_and_stopped_in_between(
    topics: str, endpoints: Endpoints, settings: Settings, tmp_path: Path
) -> None:
    """A signal among bad lines ends the run; started again the rest comes, each line once, and no clock falls."""
    made = quotes(6, step=700_000_000)
    bad = [b"bad"] * 2500
    folder = write_folder(tmp_path / "r", [*lines_of(made[:4]), *bad, *lines_of(made[4:])], [])
    done = run_recording(settings, endpoints, folder, stop=SetAtLook(6))
    assert (done.state, done.facts[RAW_QUOTES]) == ("stopped", 4)
    assert 0 < done.dead_letters[RAW_QUOTES] < 2500
    again = run_recording(settings, endpoints, folder)
    assert done.dead_letters[RAW_QUOTES] + again.dead_letters[RAW_QUOTES] == 2500
    log = read_log(topics, *RAW_TOPICS)
    assert sorted_facts(facts_of(log)) == sorted_facts(made)
    assert_promise_kept(log)


def test_a_recording_does_not_go_among_later_facts(
    topics: str, endpoints: Endpoints, settings: Settings, tmp_path: Path
) -> None:
    """Where the topics hold a later fact a recording is refused, names the way out and writes nothing."""
    later = write_folder(tmp_path / "later", lines_of(quotes(5, START + 10**12)), [], name="later")
    earlier = write_folder(tmp_path / "earlier", [], lines_of(posts(5)), name="earlier")
    run_recording(settings, endpoints, later)
    records = len(read_log(topics, *RAW_TOPICS))
    with pytest.raises(UserError, match="--data-dir"):
        run_recording(settings, endpoints, earlier)
    with pytest.raises(UserError, match="--data-dir"):
        run_simulator(settings, endpoints, SimulatorOptions(start=START, days=0.01, speed=None))
    assert not (settings.data_dir / "simulator-ledger.json").exists()
    assert len(read_log(topics, *RAW_TOPICS)) == records


def test_what_ended_is_not_begun_again_as_something_else(
    topics: str, endpoints: Endpoints, settings: Settings, tmp_path: Path
) -> None:
    """Another simulation, or another recording of the same name, is refused; the ledger stays that of the first."""
    run_simulator(settings, endpoints, SimulatorOptions(start=START, days=0.01, speed=None))
    ledger = (settings.data_dir / "simulator-ledger.json").read_text()
    with pytest.raises(UserError, match="other options"):
        run_simulator(settings, endpoints, SimulatorOptions(start=START, days=0.01, speed=None, seed=2))
    assert (settings.data_dir / "simulator-ledger.json").read_text() == ledger
    run_recording(settings, endpoints, write_folder(tmp_path / "a", lines_of(quotes(5, START + 10**10)), []))
    with pytest.raises(UserError, match="another recording"):
        run_recording(settings, endpoints, write_folder(tmp_path / "b", lines_of(quotes(6, START + 10**10)), []))


def test_a_later_recording_follows_an_earlier_one(
    topics: str, endpoints: Endpoints, settings: Settings, tmp_path: Path
) -> None:
    """A recording whose first fact is not before what the topics hold comes in under an origin of its own."""
    first = write_folder(tmp_path / "a", lines_of(quotes(5)), [], name="first")
    second = write_folder(tmp_path / "b", lines_of(quotes(5, START + 10**10)), [], name="second")
    assert run_recording(settings, endpoints, first).state == "ended"
    assert run_recording(settings, endpoints, second).state == "ended"
    origins = {clock.origin for clock in clocks_of(read_log(topics, *RAW_TOPICS))}
    assert origins == {"first/0", "second/0"}


def test_bad_lines_are_dead_letters_with_their_place(
    topics: str, endpoints: Endpoints, settings: Settings, tmp_path: Path
) -> None:
    """A bad line stands in the dead letters of its topic: partition by line number, file and line in the headers."""
    quote_lines, post_lines = lines_of(quotes(40)), lines_of(posts(40))
    quote_lines[29:29] = [b'{"price": "high"}']
    post_lines[4:4] = [b"\xff not json"]
    done = run_recording(settings, endpoints, write_folder(tmp_path / "r", quote_lines, post_lines))
    assert done.dead_letters == {RAW_QUOTES: 1, RAW_POSTS: 1}
    assert done.facts == {RAW_QUOTES: 40, RAW_POSTS: 40}
    for topic, file, line, value in (
        (RAW_QUOTES, "quotes.jsonl.gz", 30, b'{"price": "high"}'),
        (RAW_POSTS, "posts.jsonl.gz", 5, b"\xff not json"),
    ):
        (message,) = read_log(topics, f"{topic}.dlq")
        letter = parse_dead_letter(message.headers())
        assert (message.partition(), message.key(), message.value()) == (line % 12, None, value)
        assert (letter.topic, letter.partition, letter.offset) == (file, line % 12, line)
        assert (letter.reason, letter.error, letter.attempts) == ("unparseable", "BadLine", 1)


def test_a_recording_of_the_topics_plays_back_the_same(
    topics: str, endpoints: Endpoints, settings: Settings, tmp_path: Path
) -> None:
    """What was recorded from the topics, both ends considered, is what was in them."""
    options = SimulatorOptions(days=0.05, speed=None, symbols=4)
    assert run_simulator(settings, endpoints, options).state == "ended"
    held = facts_of(read_log(topics, *RAW_TOPICS))
    middle = sorted(fact.event_time for fact in held)[len(held) // 2]
    early = record_topics(topics, tmp_path / "early", None, middle)
    late = record_topics(topics, tmp_path / "late", middle, None)
    assert early.quotes + early.posts + late.quotes + late.posts == len(held)
    with pytest.raises(UserError, match="not empty"):
        record_topics(topics, tmp_path / "early", None, None)
    assert (settings.data_dir / "simulator-ledger.json").exists()
    from producers.recording import RecordingSource

    back = [
        e.record
        for part in ("early", "late")
        for e in RecordingSource(tmp_path / part).events(None)
        if isinstance(e, Fact)
    ]
    assert sorted_facts(back) == sorted_facts(held)


class Scripted:
    """A live source that says what a test tells it to."""

    live = True
    begins = None
    origin = "scripted/7"

    def __init__(self, *events: Event) -> None:
        self.script = events
        self.began_at: str | None = "never"

    def events(self, position: str | None) -> Iterator[Event]:
        """The script."""
        self.began_at = position
        yield from self.script


def run(bootstrap: str, source: Scripted) -> Produced:
    """One run of a source."""
    return Runner(bootstrap, source, threading.Event()).run()


def quote(second: int) -> Fact:
    """A quote of that second."""
    return Fact(RawQuote(source="scripted", symbol="A", event_time=second * 1_000_000, price=1.0))


def test_a_live_source_goes_on_where_its_last_clock_says(topics: str) -> None:
    """The position of the last committed mark is what the source is given at its next start, in its own words."""
    first = Scripted(quote(1), Mark(1_000_000, "cursor-17"), Pause(0))
    run(topics, first)
    assert first.began_at is None
    second = Scripted(quote(2), Mark(2_000_000, "cursor-18"))
    run(topics, second)
    assert second.began_at == "cursor-17"
    last = [dict(m.headers())[POSITION_HEADER] for m in read_log(topics, RAW_QUOTES) if m.value() is None]
    assert last.count(b"cursor-18") == PARTITIONS


def test_a_start_waits_for_the_unfinished_transaction_of_another(topics: str) -> None:
    """While it lasts nobody reads what the source wrote behind it; begun again before that, it would come twice."""
    other = plain_producer(topics, **{"transactional.id": "other"})
    other.init_transactions(30)

    class Overlapped(Scripted):
        def events(self, position: str | None) -> Iterator[Event]:
            yield from (quote(1), Mark(1_000_000, "one"), Pause(0))
            other.begin_transaction()
            other.produce(RAW_QUOTES, None, partition=0, headers=Clock(kind="tick").headers())
            other.flush(30)
            yield from (quote(2), Mark(2_000_000, "two"), Pause(0))

    run(topics, Overlapped())
    ends = threading.Timer(3, lambda: other.abort_transaction(30))
    ends.start()
    again = Scripted(quote(3), Mark(3_000_000, "three"), Pause(0))
    run(topics, again)
    ends.join()
    assert again.began_at == "two"


def test_a_gap_is_a_record_and_marks_the_first_clock_after_it(topics: str) -> None:
    """A blind source's gap goes to gaps.v1 once, and the next clock, alone, says since when it was blind."""
    gap = Gap(source="scripted", stream="posts", start=5, event_time=9, reason="socket silent")
    run(topics, Scripted(Mark(4, "a"), Blind(gap), Mark(9, "b"), Mark(10, "c"), End("c")))
    (message,) = read_log(topics, GAPS)
    assert codec_for(GAPS).decode(message.value()) == gap
    blind = {(clock.time, clock.blind_from) for clock in clocks_of(read_log(topics, RAW_POSTS)) if clock.kind == "time"}
    assert blind == {(4, None), (9, 5), (10, None)}


def test_a_second_producer_of_an_origin_takes_over(topics: str) -> None:
    """While one runs another of the same origin starts: the first is fenced, ends with a sentence, writes no more."""

    class Overtaken(Scripted):
        def events(self, position: str | None) -> Iterator[Event]:
            yield quote(1)
            yield Mark(1_000_000, "one")
            yield Pause(0)
            run(topics, Scripted(quote(2), Mark(2_000_000, "two")))
            yield quote(3)
            yield Mark(3_000_000, "three")
            yield Pause(0)

    with pytest.raises(UserError, match="another process"):
        run(topics, Overtaken())
    times = sorted(fact.event_time for fact in facts_of(read_log(topics, RAW_QUOTES)))
    assert times == [1_000_000, 2_000_000]


def test_after_a_failed_delivery_no_clock_is_written(topics: str) -> None:
    """A fact that the broker refuses ends the producer; neither the fact nor any clock after it can be read."""
    text = random.Random(1).randbytes(1_000_000).hex()
    huge = Fact(RawPost(source="scripted", post_id="1", event_time=2, text=text))
    with pytest.raises(FatalError):
        run(topics, Scripted(Mark(1, "a"), Pause(0), huge, Mark(2, "b"), Pause(0)))
    assert {clock.time for clock in clocks_of(read_log(topics, *RAW_TOPICS))} == {1}


def test_librdkafka_puts_keys_where_javas_client_does(topics: str) -> None:
    """A producer with our settings that names no partition writes each of the table's keys to Java's partition."""
    producer = plain_producer(topics)
    for key in JAVA:
        producer.produce(BARS, b"", key.encode())
    assert producer.flush(30) == 0
    found = {m.key().decode(): m.partition() for m in read_log(topics, BARS)}
    assert found == JAVA


def test_a_clock_a_minute_off_the_brokers_stops_a_live_source(topics: str) -> None:
    """A machine whose clock is 90 s ahead of the broker's stops producing and says so."""
    ahead = Runner(
        topics,
        Scripted(quote(1), Mark(1, "a"), Pause(0)),
        threading.Event(),
        lambda: time.time_ns() // 1000 + 90_000_000,
    )
    with pytest.raises(FatalError, match=r"\+(89|90)"):
        ahead.run()
