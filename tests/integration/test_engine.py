"""The engine on a real broker: what is killed, stopped, fenced or broken loses nothing and doubles nothing."""

import os
import signal
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Message

from infra.endpoints import Endpoints
from infra.errors import FatalError
from infra.kafka import plain_producer
from infra.offsets import log_ends, read_to_end
from infra.services import start_services, stop_services
from infra.settings import Settings
from infra.stopping import ENDED, STOP_SECONDS
from infra.topics import create_topics
from schemas.clocks import CLOCK_HEADER
from schemas.codec import codec_for, encode
from schemas.deadletters import parse_dead_letter
from schemas.records import RawQuote
from schemas.topics import QUOTES, RAW_QUOTES, dead_letter_topic
from tests.helpers.counting_stage import BUG_PRICE, HANG_PRICE
from tests.helpers.waiting import wait_for
from tests.helpers.workers import NAME, Workers, drained, feed

pytestmark = [pytest.mark.services, pytest.mark.timeout(240)]
WAIT_SECONDS = 90
FAILPOINTS = ("folded", "before-produce", "produced", "offsets-sent", "committed")


@pytest.fixture
def workers(topics: str, tmp_path: Path) -> Iterator[Workers]:
    """Workers on empty topics; all ended afterwards."""
    with Workers(tmp_path, topics) as made:
        yield made


def numbers(kafka: str) -> dict[str, list[int]]:
    """The running numbers of each symbol, in the order of the log."""
    found: dict[str, list[int]] = defaultdict(list)
    for message in read_to_end(kafka, [QUOTES]):
        if message.value() is not None:
            quote = codec_for(QUOTES).decode(message.value())
            found[quote.symbol].append(quote.sequence)
    return found


def assert_each_once(kafka: str, count: int) -> None:
    """Every price came out once, in order, numbered without a gap."""
    found = numbers(kafka)
    assert sum(map(len, found.values())) == count
    assert all(values == list(range(1, len(values) + 1)) for values in found.values())


@pytest.mark.parametrize("point", FAILPOINTS)
def test_a_worker_killed_at_any_point_doubles_and_loses_nothing(workers: Workers, point: str) -> None:
    """SIGKILL between any two steps of a commit, then a restart: each price once, state as if nothing had happened."""
    feed(workers.kafka, 1500)
    dying = workers.start(MOODTAPE_FAILPOINT=f"{point}:3", MOODTAPE_COMMIT_INTERVAL_MS="10")
    assert dying.wait(WAIT_SECONDS) == -signal.SIGKILL
    workers.start()
    wait_for(lambda: drained(workers.kafka), "the restarted worker is through")
    assert_each_once(workers.kafka, 1500)


def test_a_worker_goes_on_where_sending_offsets_never_returns(workers: Workers, tmp_path: Path) -> None:
    """Another producer takes the place of the one that hangs; what that one sends in the end is refused."""
    orders = tmp_path / "orders"
    orders.mkdir()
    feed(workers.kafka, 1500)
    (orders / NAME).write_text("offsets-sending 2 hold:600")
    hanging = workers.start(MOODTAPE_FAILPOINTS=str(orders), MOODTAPE_COMMIT_INTERVAL_MS="10")
    wait_for(lambda: "another producer goes on" in workers.log(0), "the call is given up")
    wait_for(lambda: drained(workers.kafka), "the worker is through")
    (orders / f"{NAME}.fired").unlink()
    feed(workers.kafka, 600, first=1500)
    wait_for(lambda: drained(workers.kafka), "the worker is through again")
    assert_each_once(workers.kafka, 2100)
    assert hanging.poll() is None


def test_a_second_worker_takes_half_and_either_may_die(workers: Workers) -> None:
    """Two workers share the partitions without a setting; when one is killed the other takes over."""
    first = workers.start()
    feed(workers.kafka, 600)
    wait_for(lambda: drained(workers.kafka), "the first worker is through")
    workers.start()
    wait_for(lambda: '"partitions": [6, 7, 8, 9, 10, 11]' in workers.log(1), "the second has its half")
    feed(workers.kafka, 600, first=600)
    first.send_signal(signal.SIGKILL)
    wait_for(lambda: drained(workers.kafka), "the second worker is through")
    assert_each_once(workers.kafka, 1200)


def test_members_of_the_cooperative_protocol_come_and_go(workers: Workers) -> None:
    """Without static names and with the broker's own assignor: join, leave and SIGKILL under load."""
    protocol = {"MOODTAPE_GROUP_PROTOCOL": "consumer"}
    first = workers.start(**protocol)
    feed(workers.kafka, 600)
    wait_for(lambda: drained(workers.kafka), "the first worker is through")
    leaving = workers.start(**protocol)
    wait_for(lambda: '"event": "assigned"' in workers.log(1), "the second has its part")
    feed(workers.kafka, 600, first=600)
    leaving.send_signal(signal.SIGTERM)
    assert leaving.wait(WAIT_SECONDS) == 0
    last = workers.start(**protocol)
    feed(workers.kafka, 600, first=1200)
    wait_for(lambda: '"event": "assigned"' in workers.log(2), "the third has its part")
    first.send_signal(signal.SIGKILL)
    wait_for(lambda: drained(workers.kafka), "the third worker is through")
    assert_each_once(workers.kafka, 1800)
    last.send_signal(signal.SIGTERM)  # the group must be empty for members of the other protocol
    assert last.wait(WAIT_SECONDS) == 0


def test_a_fold_that_hangs_ends_the_worker(workers: Workers) -> None:
    """An agent that finishes nothing blocks the event loop; the Kafka thread sees it and ends the process."""
    producer = plain_producer(workers.kafka)
    fact = RawQuote(source="x", symbol="S00", event_time=0, ingest_time=0, price=HANG_PRICE)
    producer.produce(RAW_QUOTES, encode(fact), b"S00")
    assert producer.flush(30) == 0
    hanging = workers.start(MOODTAPE_STALL_SECONDS="5", COUNTING_HANGS="1")
    assert hanging.wait(WAIT_SECONDS) == FatalError.exit_code
    says = ("the agent has finished none of", "nothing committed for")  # whichever it looks at first when both are due
    assert any(text in workers.log(0) for text in says)
    workers.start()
    wait_for(lambda: drained(workers.kafka), "the next worker is through")
    assert_each_once(workers.kafka, 1)


def test_a_second_signal_ends_at_once(workers: Workers) -> None:
    """While the first signal waits for a fold that never returns, the second one does not."""
    hanging = start_hanging(workers)
    hanging.send_signal(signal.SIGTERM)
    with pytest.raises(subprocess.TimeoutExpired):
        hanging.wait(1)
    hanging.send_signal(signal.SIGTERM)
    assert hanging.wait(5) == ENDED
    workers.start()
    wait_for(lambda: drained(workers.kafka), "the next worker is through")
    assert_each_once(workers.kafka, 301)


def test_one_signal_ends_a_fold_that_never_returns(workers: Workers) -> None:
    """It has nine seconds; long before the watchdog would notice, it is cut off, and nothing is lost."""
    hanging = start_hanging(workers)
    hanging.send_signal(signal.SIGTERM)
    assert hanging.wait(2 * STOP_SECONDS) == ENDED
    workers.start()
    wait_for(lambda: drained(workers.kafka), "the next worker is through")
    assert_each_once(workers.kafka, 301)


def start_hanging(workers: Workers) -> "subprocess.Popen[bytes]":
    """A worker that was given 301 facts and hangs in the last."""
    producer = plain_producer(workers.kafka)
    fact = RawQuote(source="x", symbol="S00", event_time=0, ingest_time=0, price=HANG_PRICE)
    hanging = workers.start(MOODTAPE_COMMIT_INTERVAL_MS="5000", COUNTING_HANGS="1")
    feed(workers.kafka, 300)
    producer.produce(RAW_QUOTES, encode(fact), b"S00")
    assert producer.flush(30) == 0
    wait_for(lambda: "hangs" in workers.log(0), "the worker hangs")
    return hanging


def test_a_zombie_is_fenced(workers: Workers) -> None:
    """A worker that is stopped, replaced under its name and woken again ends and writes nothing."""
    zombie = workers.start(MOODTAPE_INSTANCE="one")
    feed(workers.kafka, 600)
    wait_for(lambda: drained(workers.kafka), "the worker is through")
    zombie.send_signal(signal.SIGSTOP)
    feed(workers.kafka, 600, first=600)
    workers.start(MOODTAPE_INSTANCE="one", MOODTAPE_DATA_DIR=str(workers.folder / "elsewhere"))
    wait_for(lambda: drained(workers.kafka), "its replacement is through")
    zombie.send_signal(signal.SIGCONT)
    feed(workers.kafka, 300, first=1200)
    assert zombie.wait(WAIT_SECONDS) not in (0, None)
    wait_for(lambda: drained(workers.kafka), "the replacement goes on")
    assert_each_once(workers.kafka, 1500)


def test_a_stop_is_clean_and_leaves_nothing_to_repeat(workers: Workers) -> None:
    """After SIGTERM the process ends well with a last snapshot, so that a restart folds nothing again."""
    feed(workers.kafka, 900)
    first = workers.start()
    wait_for(lambda: drained(workers.kafka), "the worker is through")
    first.send_signal(signal.SIGTERM)
    assert first.wait(WAIT_SECONDS) == 0
    workers.start()
    wait_for(lambda: '"event": "restored"' in workers.log(1), "the next one has restored")
    assert '"folded": 0' in workers.log(1)
    feed(workers.kafka, 900, first=900)
    wait_for(lambda: drained(workers.kafka), "the next one is through")
    assert_each_once(workers.kafka, 1800)


def test_poison_goes_to_the_dead_letters_byte_for_byte(workers: Workers) -> None:
    """What cannot be read, and what makes the code fail, is kept as it came with its reason; the rest goes on."""
    producer = plain_producer(workers.kafka)
    bug = encode(RawQuote(source="x", symbol="S00", event_time=1, ingest_time=1, price=BUG_PRICE))
    sent = [(b"S00", b"\x01rubbish"), (b"S01", b"\x00\x00\x00\x00\x07ab"), (b"S00", bug), (None, b"")]
    for key, value in sent:
        producer.produce(RAW_QUOTES, value, key, 3, headers=[("h", b"\xff")])
    producer.flush()
    feed(workers.kafka, 300)
    workers.start()
    wait_for(lambda: drained(workers.kafka), "the worker is through")
    letters: list[Message] = list(read_to_end(workers.kafka, [dead_letter_topic(RAW_QUOTES)]))
    assert [(m.key(), m.value(), m.partition()) for m in letters] == [(key, value, 3) for key, value in sent]
    assert all(("h", b"\xff") in m.headers() for m in letters)
    reasons = [parse_dead_letter(m.headers()).reason for m in letters]
    assert reasons == ["undecodable", "unknown_schema", "bug", "undecodable"]
    assert_each_once(workers.kafka, 300)


def test_three_bugs_in_a_row_end_the_worker(workers: Workers) -> None:
    """A stage that keeps failing stops instead of emptying its input into the dead letters."""
    producer = plain_producer(workers.kafka)
    bug = encode(RawQuote(source="x", symbol="S00", event_time=1, ingest_time=1, price=BUG_PRICE))
    for _ in range(3):
        producer.produce(RAW_QUOTES, bug, b"S00")
    producer.flush()
    assert workers.start().wait(WAIT_SECONDS) == 70
    assert "3 bugs in a row" in workers.log(0)


def test_clocks_follow_the_facts_before_them(workers: Workers) -> None:
    """Each partition's clocks rise, and every fact up to a clock's time stands before it."""
    feed(workers.kafka, 1000)
    workers.start()
    wait_for(lambda: drained(workers.kafka), "the worker is through")
    last: dict[int, int] = {}
    for message in read_to_end(workers.kafka, [QUOTES]):
        if message.value() is None:
            time_told = int(dict(message.headers())[CLOCK_HEADER])
            assert time_told > last.get(message.partition(), -1)
            last[message.partition()] = time_told
        else:
            quote = codec_for(QUOTES).decode(message.value())
            assert quote.event_time > last.get(message.partition(), -1)
    assert set(last.values()) == {999}


def test_a_broker_that_is_killed_is_outlived(tmp_path: Path) -> None:
    """The broker dies by SIGKILL under load and comes back; a worker that is restarted when it ends loses nothing."""
    settings = Settings(data_dir=tmp_path / "servers")
    endpoints: Endpoints = start_services(settings)
    create_topics(endpoints.kafka, settings)
    workers = Workers(tmp_path, endpoints.kafka)
    try:
        feed(endpoints.kafka, 3000)
        process = workers.start()
        wait_for(lambda: sum(log_ends(endpoints.kafka, [QUOTES]).values()) > 300, "the worker is at work")
        os.kill(kafka_pid(settings), signal.SIGKILL)
        start_services(settings)

        def through() -> bool:
            nonlocal process
            if process.poll() is not None:
                process = workers.start()
            return drained(endpoints.kafka)

        wait_for(through, "the worker is through")
        assert_each_once(endpoints.kafka, 3000)
    finally:
        process.kill()
        process.wait()
        stop_services(settings)


def kafka_pid(settings: Settings) -> int:
    """Process of the embedded broker."""
    from infra.services import services_status

    rows = services_status(settings)["processes"]
    pid: int = next(row["pid"] for row in rows if row["name"] == "kafka")
    return pid
