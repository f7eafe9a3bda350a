"""Redriven records in the core of a stage: the group that gave them up tries again, every other passes over them."""

from dataclasses import replace

import pytest

from infra.instruments import shipped_table
from infra.settings import Settings
from schemas.clocks import Clock
from schemas.codec import codec_for, encode
from schemas.deadletters import DeadLetter, parse_dead_letter, redriven_headers
from schemas.records import RawQuote
from schemas.topics import QUOTES, RAW_QUOTES, dead_letter_topic
from streams import topology
from streams.engine.core import Entry, Output, PartitionCore

HOUR = 3_600_000_000
NOW = 1_700_000_000_000_000
FACT = RawQuote(source="yahoo", symbol="TSLA", event_time=NOW, ingest_time=NOW, price=5.0)
LETTER = DeadLetter(
    topic=RAW_QUOTES,
    partition=3,
    offset=17,
    stage="quotes",
    error="ZeroDivisionError",
    message="",
    reason="bug",
    attempts=1,
    group="moodtape.quotes",
    failed_at=NOW + 5,
    headers=[("own", b"\xff")],
)


@pytest.fixture
def core() -> PartitionCore:
    """Partition 3 of the quotes stage, its watermark at ``NOW``."""
    core = PartitionCore(topology.quotes(Settings(), shipped_table()), 3, now=lambda: NOW + 9)
    clock = Clock(kind="time", origin="yahoo/0", time=NOW + 5_000_000)
    run(core, Entry(RAW_QUOTES, 0, 1, None, None, clock.headers()))
    assert core.watermark == NOW
    return core


def run(core: PartitionCore, entry: Entry) -> list[Output]:
    """What one entry gives."""
    return core.run([entry], core.decode([entry]), {})


def redriven(record: RawQuote, letter: DeadLetter = LETTER) -> Entry:
    """A record as it comes back."""
    return Entry(RAW_QUOTES, 40, 2, record.symbol.encode(), encode(record), redriven_headers(letter))


def test_the_group_that_gave_it_up_tries_again(core: PartitionCore) -> None:
    """A redriven record goes the way of every record; its headers do not travel on."""
    (out,) = run(core, redriven(FACT))
    assert (out.topic, out.key, out.headers) == (QUOTES, b"TSLA", [])
    assert codec_for(QUOTES).decode(out.value).flags == ()
    assert run(core, redriven(FACT)) == []


def test_every_other_group_passes_over_it(core: PartitionCore) -> None:
    """What another group gave up changes nothing here: no output, no trace in the state, no dead letter."""
    foreign = replace(LETTER, group="moodtape.sink.timescale")
    assert run(core, redriven(FACT, foreign)) == []
    assert run(core, redriven(FACT, foreign)._replace(value=b"rubbish")) == []
    assert len(run(core, redriven(FACT))) == 1


def test_age_refuses_nothing(core: PartitionCore) -> None:
    """A redriven record far behind is passed on with the flag late, as any other, and is no dead letter."""
    for back, flags in ((2 * HOUR, ()), (2 * HOUR + 1, ("late",)), (90 * 24 * HOUR, ("late",))):
        old = replace(FACT, event_time=NOW - back, ingest_time=NOW - back)
        (out,) = run(core, redriven(old))
        assert (out.topic, codec_for(QUOTES).decode(out.value).flags) == (QUOTES, flags)


def test_a_second_failure_keeps_the_identity_and_counts_on(core: PartitionCore) -> None:
    """Failing again it has the place and headers of its original, one attempt more, and the time of the first."""
    (out,) = run(core, redriven(replace(FACT, price=-1.0)))
    letter = parse_dead_letter(out.headers)
    assert (out.topic, out.partition) == (dead_letter_topic(RAW_QUOTES), 3)
    assert (letter.topic, letter.partition, letter.offset) == (RAW_QUOTES, 3, 17)
    assert (letter.attempts, letter.failed_at, letter.headers) == (2, NOW + 5, [("own", b"\xff")])
    assert (letter.reason, letter.stage) == ("invalid", "quotes")
