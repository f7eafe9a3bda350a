"""Lines of a recording."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.lines import BadLine, post_time, quote_time, read_post, read_quote, write_line
from schemas.records import RawPost, RawQuote, SourceBar

MOMENTS = st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
WORDS = st.text(min_size=1, max_size=20)
QUOTES = st.builds(
    RawQuote,
    source=WORDS,
    symbol=WORDS,
    event_time=MOMENTS,
    ingest_time=MOMENTS,
    price=NUMBERS,
    volume=st.none() | NUMBERS,
    session=st.sampled_from(["UNKNOWN", "PRE", "CLOSED"]),
    sequence=st.none() | st.integers(-(2**63), 2**63 - 1),
    bar=st.none() | st.builds(SourceBar, interval=st.integers(-(2**31), 2**31 - 1), open=NUMBERS),
)
POSTS = st.builds(
    RawPost,
    source=WORDS,
    post_id=WORDS,
    revision=st.integers(0, 2**31 - 1),
    event_time=MOMENTS,
    ingest_time=MOMENTS,
    author=st.none() | WORDS,
    text=st.text(),
    likes=st.none() | st.integers(-(2**63), 2**63 - 1),
    symbols=st.lists(WORDS, max_size=3).map(tuple),
    deleted=st.booleans(),
)


@given(QUOTES)
def test_a_quote_survives_being_written_and_read(quote: RawQuote) -> None:
    """A quote as a line reads back equal, to the microsecond and the last bit."""
    assert read_quote(write_line(quote)) == quote


@given(POSTS)
def test_a_post_survives_being_written_and_read(post: RawPost) -> None:
    """A post as a line reads back equal, whatever characters its text has."""
    assert read_post(write_line(post)) == post


def test_ingest_time_is_the_event_time_where_a_line_has_none() -> None:
    """A recording that does not know when a fact was first seen takes the time of the fact."""
    quote = read_quote(b'{"source":"s","symbol":"A","event_time":"2022-03-14T08:01:00+01:00","price":1}')
    assert quote.ingest_time == quote.event_time == 1_647_241_260_000_000


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n",
        b"{",
        b"[]",
        b"nonsense",
        b"\xff\xfe\x00",
        b'{"source":"s","symbol":"A","price":1}',
        b'{"source":"s","symbol":"A","event_time":"2022-03-14T08:01:00","price":1}',
        b'{"source":"s","symbol":"A","event_time":1647241260,"price":1}',
        b'{"source":"s","symbol":"A","event_time":"2022-03-14T08:01:00Z"}',
        b'{"source":"s","symbol":"","event_time":"2022-03-14T08:01:00Z","price":1}',
        b'{"source":"s","symbol":"A","event_time":"2022-03-14T08:01:00Z","price":"1"}',
        b'{"source":"s","symbol":"A","event_time":"2022-03-14T08:01:00Z","price":NaN}',
        b'{"source":"s","symbol":"A","event_time":"2022-03-14T08:01:00Z","price":1,"sequence":9223372036854775808}',
        b'{"source":"s","symbol":"A","event_time":"2022-03-14T08:01:00Z","price":1,"sequence":9223372036854775808.0}',
        b'{"source":"s","symbol":"A","event_time":"2022-03-14T08:01:00Z","price":1,"sequence":1.5}',
        b'{"source":"s","symbol":"A","event_time":"2022-03-14T08:01:00Z","price":"1","sequence":1.0}',
        b'{"source":"s","symbol":"A","event_time":"2022-03-14T08:01:00Z","price":1,"session":5}',
        b'{"source":"s","symbol":"A","event_time":"2022-03-14T08:01:00Z","price":1,"bar":{"open":null}}',
        b'{"source":"s","symbol":"A","event_time":"2022-03-14T08:01:00Z","price":1,"extra":' + b"[" * 200_000,
        b'{"source":"s","symbol":"\\ud800","event_time":"2022-03-14T08:01:00Z","price":1}',
    ],
)
def test_a_line_that_is_no_quote_is_bad(line: bytes) -> None:
    """Not JSON, a field that is missing, out of range or of another kind: the line is bad, never guessed."""
    with pytest.raises(BadLine):
        read_quote(line)
    assert quote_time(line) is None


def test_null_means_what_an_absent_field_does() -> None:
    """Other writers write out what they have not."""
    told = b'"source":"s","event_time":"2022-03-14T08:01:00Z"'
    nothing = b'"ingest_time":null,"author":null,"text":null,"symbols":null,"deleted":null,"revision":null,"likes":null'
    assert read_post(b'{%s,"post_id":"1",%s}' % (told, nothing)) == read_post(b'{%s,"post_id":"1"}' % told)
    nothing = b'"ingest_time":null,"session":null,"sequence":null,"volume":null,"bar":null'
    quote = read_quote(b'{%s,"symbol":"A","price":1,%s}' % (told, nothing))
    assert quote == read_quote(b'{%s,"symbol":"A","price":1}' % told)
    assert (quote.session, quote.ingest_time) == ("UNKNOWN", quote.event_time)


def test_what_a_record_has_not_is_ignored() -> None:
    """Further fields of other writers, in the bar too, are passed over; a session that is none of ours is UNKNOWN."""
    line = b'{"source":"s","symbol":"A","event_time":"2022-03-14T08:01:00Z","price":1,"bar":{"open":2,"vwap":3}%s}'
    more = read_quote(line % b',"exchange":{"name":"X"},"session":"NIGHT"')
    assert more == read_quote(line % b"")
    assert (more.session, more.bar) == ("UNKNOWN", SourceBar(open=2.0))


def test_a_whole_number_may_be_written_with_a_point() -> None:
    """Counts and running numbers of writers that know floats only are read as what they are."""
    post = read_post(
        b'{"source":"s","post_id":"1","event_time":"2022-03-14T08:01:00Z","likes":3.0,"replies":-0.0,"reposts":1e3}'
    )
    assert (post.likes, post.replies, post.reposts) == (3, 0, 1000)
    line = b'{"source":"s","symbol":"A","event_time":"2022-03-14T08:01:00Z","price":1,"sequence":7.0}'
    assert (read_quote(line).sequence, quote_time(line)) == (7, 1_647_244_860_000_000)


@pytest.mark.parametrize(
    "line",
    [
        b'{"private":1}',
        b'{"source":"private","symbol":"A","event_time":"private","price":1}',
        b'{"source":"private","symbol":"A","event_time":"2022-03-14T08:01:00Z","price":"private"}',
        b'{"source":"s","symbol":"A","event_time":"2022-03-14T08:01:00Z","price":1,"session":["private"]}',
        b'{"source":"s","symbol":"A","event_time":"2022-03-14T08:01:00Z","price":1} private',
        b"private",
        b'{"source":"private\xff"}',
    ],
)
def test_no_error_repeats_what_stands_in_the_line(line: bytes) -> None:
    """Neither values nor names of fields nor single bytes come into the headers of a dead letter."""
    with pytest.raises(BadLine) as caught:
        read_quote(line)
    assert "private" not in str(caught.value)
    assert "0xff" not in str(caught.value)


def test_a_bad_line_is_not_repeated_in_its_error() -> None:
    """The error of a bad post says where it is wrong and nothing of its text."""
    with pytest.raises(BadLine) as caught:
        read_post(b'{"source":"s","post_id":"1","event_time":"2022-03-14T08:01:00Z","text":["private words"]}')
    assert "private" not in str(caught.value)
    assert "$.text" in str(caught.value)


@given(st.binary(max_size=60))
def test_no_bytes_do_more_than_make_a_bad_line(line: bytes) -> None:
    """Any bytes are either a record or a bad line."""
    for read, time_of in ((read_quote, quote_time), (read_post, post_time)):
        try:
            assert read(line).event_time == time_of(line)
        except BadLine:
            assert time_of(line) is None
