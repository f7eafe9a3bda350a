"""One line of a recording: JSON with RFC 3339 times, to a raw record and back.

Lines of other writers may say more, or say nothing in more words: fields that a record has not are ignored, null means
the same as an absent field, a session that is none of ours is UNKNOWN, and 3.0 is a whole number where one is counted.
"""

from contextlib import suppress
from dataclasses import fields
from datetime import datetime
from typing import Annotated, Any, TypeVar, get_args

import msgspec

from infra.clock import from_datetime, to_rfc3339
from schemas.records import RawPost, RawQuote, Session, SourceBar

Moment = Annotated[datetime, msgspec.Meta(tz=True)]
"""A time with its offset from UTC."""
_Name = Annotated[str, msgspec.Meta(min_length=1)]
_Int = Annotated[int, msgspec.Meta(ge=-(2**31), lt=2**31)]
_Long = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
_SESSIONS: dict[str | None, Session] = {session: session for session in get_args(Session)}
_BROKEN = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
T = TypeVar("T", bound=msgspec.Struct)


class _BarLine(msgspec.Struct):
    interval: _Int = 0
    open: float = 0.0
    high: float = 0.0
    low: float = 0.0
    volume: float = 0.0


class _QuoteLine(msgspec.Struct):
    source: _Name
    symbol: _Name
    event_time: Moment
    price: float
    ingest_time: Moment | None = None
    volume: float | None = None
    bid: float | None = None
    ask: float | None = None
    bid_size: float | None = None
    ask_size: float | None = None
    currency: str | None = None
    session: str | None = None
    sequence: _Long | None = None
    bar: _BarLine | None = None


class _PostLine(msgspec.Struct):
    source: _Name
    post_id: _Name
    event_time: Moment
    revision: _Int | None = None
    ingest_time: Moment | None = None
    author: str | None = None
    text: str | None = None
    url: str | None = None
    community: str | None = None
    language: str | None = None
    reply_to: str | None = None
    repost_of: str | None = None
    likes: _Long | None = None
    replies: _Long | None = None
    reposts: _Long | None = None
    symbols: tuple[str, ...] | None = None
    deleted: bool | None = None


_decode_quote = msgspec.json.Decoder(_QuoteLine).decode
_decode_post = msgspec.json.Decoder(_PostLine).decode


class BadLine(ValueError):
    """A line that is no record; the message never repeats its text."""


def quote_time(line: bytes) -> int | None:
    """Event time (microseconds UTC) of a line that :func:`read_quote` can read, else None."""
    try:
        return from_datetime(_quote(line).event_time)
    except BadLine:
        return None


def post_time(line: bytes) -> int | None:
    """Event time (microseconds UTC) of a line that :func:`read_post` can read, else None."""
    try:
        return from_datetime(_post(line).event_time)
    except BadLine:
        return None


def _quote(line: bytes) -> _QuoteLine:
    try:
        return _decode_quote(line)
    except _BROKEN as error:
        return _read_again(line, _QuoteLine, ("sequence",), error)


def _post(line: bytes) -> _PostLine:
    try:
        return _decode_post(line)
    except _BROKEN as error:
        return _read_again(line, _PostLine, ("likes", "replies", "reposts"), error)


def _read_again(line: bytes, kind: type[T], counts: tuple[str, ...], error: Exception) -> T:
    """A line that cannot be read, unless that is because some of its ``counts`` are written as 3.0."""
    with suppress(*_BROKEN):
        data = msgspec.json.decode(line, type=dict[str, Any])
        whole = {name: int(data[name]) for name in counts if isinstance(data.get(name), float) and data[name] % 1 == 0}
        if whole:
            return msgspec.convert({**data, **whole}, kind)
    raise BadLine(_told(error)) from None


def _told(error: Exception) -> str:
    """What is wrong; msgspec itself names only where, and the kinds of values."""
    if isinstance(error, UnicodeDecodeError):
        return "not UTF-8"
    return "nested too deeply" if isinstance(error, RecursionError) else str(error)


def read_quote(line: bytes) -> RawQuote:
    """The quote in a line; ``ingest_time`` is ``event_time`` where absent.

    Raises:
        BadLine: not JSON, or not the fields of a RawQuote.
    """
    data = _quote(line)
    event_time = from_datetime(data.event_time)
    return RawQuote(
        source=data.source,
        symbol=data.symbol,
        event_time=event_time,
        ingest_time=event_time if data.ingest_time is None else from_datetime(data.ingest_time),
        price=data.price,
        volume=data.volume,
        bid=data.bid,
        ask=data.ask,
        bid_size=data.bid_size,
        ask_size=data.ask_size,
        currency=data.currency,
        session=_SESSIONS.get(data.session, "UNKNOWN"),
        sequence=data.sequence,
        bar=None if data.bar is None else _bar(data.bar),
    )


def _bar(bar: _BarLine) -> SourceBar:
    return SourceBar(interval=bar.interval, open=bar.open, high=bar.high, low=bar.low, volume=bar.volume)


def read_post(line: bytes) -> RawPost:
    """The post in a line; ``ingest_time`` is ``event_time`` where absent.

    Raises:
        BadLine: not JSON, or not the fields of a RawPost.
    """
    data = _post(line)
    event_time = from_datetime(data.event_time)
    return RawPost(
        source=data.source,
        post_id=data.post_id,
        revision=data.revision or 0,
        event_time=event_time,
        ingest_time=event_time if data.ingest_time is None else from_datetime(data.ingest_time),
        author=data.author,
        text=data.text or "",
        url=data.url,
        community=data.community,
        language=data.language,
        reply_to=data.reply_to,
        repost_of=data.repost_of,
        likes=data.likes,
        replies=data.replies,
        reposts=data.reposts,
        symbols=data.symbols or (),
        deleted=data.deleted or False,
    )


def write_line(record: RawQuote | RawPost) -> bytes:
    """A record as a line without its line break; what says nothing is left out."""
    data: dict[str, Any] = {f.name: getattr(record, f.name) for f in fields(record)}
    if record.ingest_time == record.event_time:
        del data["ingest_time"]
    for name in ("event_time", "ingest_time"):
        if name in data:
            data[name] = to_rfc3339(data[name])
    return msgspec.json.encode({name: value for name, value in data.items() if value is not None})
