"""What is redriven for the sink of the database: stored once, refused again under the same identity, or passed over."""

from collections.abc import Iterator
from dataclasses import replace

import psycopg
import pytest
from confluent_kafka import Message

from infra.endpoints import Endpoints
from infra.offsets import read_to_end
from infra.settings import Settings
from schemas.deadletters import dead_letter_headers, parse_dead_letter, redriven_headers
from schemas.topics import QUOTES, dead_letter_topic
from sinks.timescale import GROUP, run_timescale
from tests.helpers.sinking import Writer, await_true, quote, rows, running, stored_to_end

pytestmark = pytest.mark.services
DEAR = 5e9


@pytest.fixture
def here(endpoints: Endpoints, database: str) -> Endpoints:
    """The servers, with a database that refuses what is dear."""
    with psycopg.connect(database) as connection:
        connection.execute("ALTER TABLE quote ADD CONSTRAINT cheap CHECK (price < 1e9)")
    return replace(endpoints, database=database)


def sink(settings: Settings, here: Endpoints) -> Iterator[object]:
    """The sink in a thread of this process."""
    return running(run_timescale, settings, here)


def letters(bootstrap: str) -> list[Message]:
    """The dead letters of quotes.v1."""
    return list(read_to_end(bootstrap, [dead_letter_topic(QUOTES)]))


def send_back(writer: Writer, message: Message, **other: str) -> None:
    """A dead letter to where it came from."""
    letter = replace(parse_dead_letter(message.headers()), **other)
    with writer.transaction():
        writer.put(QUOTES, letter.partition, message.key(), message.value(), redriven_headers(letter))


def settled(topics: str, here: Endpoints) -> None:
    """Wait until everything is stored."""
    await_true(lambda: stored_to_end(topics, here.database), "everything is stored")


def test_refused_again_it_is_one_row_and_accepted_it_is_stored(topics, here, settings):
    """Each try that fails counts on in the one row of its identity; when the database takes the row it is stored."""
    writer = Writer(topics)
    writer.facts([quote("TSLA", 0), quote("TSLA", 1, price=DEAR)])
    with sink(settings, here):
        settled(topics, here)
        await_true(lambda: len(rows(here.database, "dead_letter")) == 1, "the letter is stored")
        send_back(writer, letters(topics)[-1])
        await_true(lambda: rows(here.database, "dead_letter")[0]["attempts"] == 2, "the second try has failed")
        (first, second) = letters(topics)
        (row,) = rows(here.database, "dead_letter")
        assert (row["origin_offset"], row["topic_offset"]) == (1, second.offset())
        assert parse_dead_letter(second.headers()).failed_at == parse_dead_letter(first.headers()).failed_at
        with psycopg.connect(here.database) as connection:
            connection.execute("ALTER TABLE quote DROP CONSTRAINT cheap")
        send_back(writer, second)
        settled(topics, here)
    assert [row["price"] for row in rows(here.database, "quote")] == [quote().price, DEAR]
    assert [row["attempts"] for row in rows(here.database, "dead_letter")] == [2]


def test_what_another_group_gave_up_is_not_stored_twice(topics, here, settings):
    """A record that went back for a stage was stored when it came first: its copy gives no row."""
    writer = Writer(topics)
    writer.facts([quote("TSLA", 0), quote("TSLA", 1, price=DEAR)])
    with sink(settings, here):
        settled(topics, here)
        await_true(lambda: len(letters(topics)) == 1, "the letter is written")
        send_back(writer, letters(topics)[0], group="moodtape.bars")
        settled(topics, here)
    assert len(rows(here.database, "quote")) == 1
    assert len(rows(here.database, "dead_letter")) == 1


def test_a_letter_whose_record_was_stored_after_all_changes_nothing(topics, here, settings):
    """A letter may be written and the chunk stored later without a refusal: redriven, it gives no second row."""
    writer, record = Writer(topics), quote("TSLA", 0)
    writer.facts([record])
    with sink(settings, here):
        settled(topics, here)
        (stored,) = rows(here.database, "quote")
        (message,) = [m for m in read_to_end(topics, [QUOTES]) if m.value() is not None]
        headers = dead_letter_headers(
            topic=QUOTES, partition=stored["topic_partition"], offset=stored["topic_offset"], stage="sink.timescale",
            error="CheckViolation", message="", reason="refused", attempts=1, group=GROUP, failed_at=0, original=None,
        )  # fmt: skip
        with writer.transaction():
            writer.put(dead_letter_topic(QUOTES), message.partition(), message.key(), message.value(), headers)
        send_back(writer, letters(topics)[0])
        settled(topics, here)
    assert rows(here.database, "quote") == [stored]
