"""Raw quotes validated, deduplicated and flagged."""

import math
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.clock import MICROS
from infra.errors import PoisonError
from schemas.codec import codec_for
from schemas.records import Quote, RawQuote, SourceBar
from schemas.topics import QUOTES
from streams.quotes import QuotesFold
from streams.stage import Emit
from tests.helpers.price_histories import GRID, HOUR, START, gaps, plain, raw, through_bytes

BAR = SourceBar(interval=60, open=10.0, high=11.0, low=9.0, volume=5.0)


def fresh() -> QuotesFold:
    """An empty fold that knows every instrument but UNKNOWN."""
    return QuotesFold(lambda symbol: symbol != "UNKNOWN", GRID)


def put(fold: QuotesFold, record: RawQuote, watermark: int | None = None) -> Quote | None:
    """The quote that a raw quote becomes; None for a duplicate."""
    emits = fold.fact("raw.quotes.v1", record, watermark, {})
    assert len(emits) <= 1
    for emit in emits:
        assert (emit.topic, emit.key, emit.record) == (QUOTES, record.symbol, record)
        return written(emit)
    return None


def written(emit: Emit) -> Quote:
    """The quote that stands on the topic."""
    assert emit.more is not None
    quote = codec_for(QUOTES).extended(emit.record, emit.more)
    assert isinstance(quote, Quote)
    return quote


def flags(fold: QuotesFold, *records: RawQuote) -> list[tuple[str, ...]]:
    """Flags of quotes that are no duplicates."""
    out = []
    for record in records:
        got = put(fold, record)
        assert got is not None
        out.append(got.flags)
    return out


def test_every_field_is_passed_on() -> None:
    """A quote is its raw quote with revision 0 and no flags."""
    record = raw(
        60,
        10.5,
        volume=3.0,
        bid=10.4,
        ask=10.6,
        bid_size=1.0,
        ask_size=2.0,
        currency="USD",
        session="PRE",
        sequence=7,
        bar=BAR,
    )
    got = put(fresh(), record)
    assert got is not None
    assert (got.revision, got.flags) == (0, ())
    assert all(getattr(got, field.name) == getattr(record, field.name) for field in fields(record))


@pytest.mark.parametrize(
    "wrong",
    [
        {"price": math.nan},
        {"price": math.inf},
        {"price": 0.0},
        {"price": -1.0},
        {"symbol": ""},
        {"symbol": "  "},
        {"symbol": "A\tB"},
        {"symbol": "tsla"},
        {"symbol": "EUR/USD"},
        {"symbol": "A" * 33},
        {"source": ""},
        {"source": "a\nb"},
        {"ingest_time": START - 301 * MICROS},
        {"event_time": 10**18, "ingest_time": 10**18},
        {"event_time": -(10**17), "ingest_time": 0},
        {"volume": -1.0},
        {"volume": math.inf},
        {"bid": math.nan},
        {"ask": -1.0},
        {"bid_size": -0.5},
        {"ask_size": math.nan},
        {"bar": replace(BAR, interval=0)},
        {"bar": replace(BAR, interval=-60)},
        {"bar": replace(BAR, high=8.0)},
        {"bar": replace(BAR, open=math.nan)},
        {"bar": replace(BAR, low=0.0)},
        {"bar": replace(BAR, volume=-1.0)},
        {"bar": replace(BAR, volume=math.inf)},
    ],
)
def test_nonsense_is_poison(wrong: dict[str, Any]) -> None:
    """A quote that makes no sense is refused as invalid and leaves no trace."""
    fold = fresh()
    with pytest.raises(PoisonError) as caught:
        put(fold, replace(raw(0), **wrong))
    assert caught.value.reason == "invalid"
    assert list(fold.dump()) == []


def test_a_little_ahead_is_fine() -> None:
    """An event_time of 5 minutes past its ingest_time is the last that is taken."""
    assert put(fresh(), raw(0, ingest_time=START - 300 * MICROS)) is not None


def test_duplicates_leave_no_trace() -> None:
    """The same fact read twice, at whatever time, comes out once; other sequence, width or symbol is another fact."""
    fold = fresh()
    assert put(fold, raw(0)) is not None
    assert put(fold, raw(0)) is None
    assert put(fold, raw(0, ingest_time=START + 9)) is None
    assert put(fold, raw(0, sequence=0)) is None
    for other in ({"sequence": 1}, {"bar": BAR}, {"symbol": "B"}, {"source": "finnhub"}):
        got = put(fold, raw(0, **other))
        assert got is not None
        assert got.revision == 0


def test_corrections() -> None:
    """Another payload under a key is a revision if it was seen later than what stands, else a duplicate."""
    fold = fresh()
    put(fold, raw(0, 10.0))
    assert put(fold, raw(0, 11.0)) is None
    assert put(fold, raw(0, 11.0, ingest_time=START - 1)) is None
    got = put(fold, raw(0, 11.0, ingest_time=START + 1))
    assert got is not None
    assert (got.revision, got.price) == (1, 11.0)
    again = put(fold, raw(0, 10.0, ingest_time=START + 2))
    assert again is not None
    assert again.revision == 2


def test_lateness() -> None:
    """More than 2 h behind the watermark is late, passed on, and not deduplicated; exactly 2 h is not late."""
    fold, mark = fresh(), START + 2 * HOUR
    for watermark, expected in ((mark, ()), (mark + 1, ("late",)), (mark + 1, ("late",))):
        got = put(fold, raw(0), watermark)
        assert got is not None
        assert (got.flags, got.revision) == (expected, 0)
    assert put(fold, raw(0), mark) is None
    assert put(fold, raw(-3600), None) is not None


def test_keys_are_kept_for_two_hours() -> None:
    """Before the watermark is more than 2 h past, a duplicate is known; the fold forgets the key afterwards."""
    fold, mark = fresh(), START + 2 * HOUR
    put(fold, raw(0))
    fold.advance(mark)
    assert put(fold, raw(0), mark) is None
    fold.advance(mark + 61 * MICROS)
    entries: dict[str, bytes] = {}
    through_bytes(fold, fresh(), entries)
    assert [key.split("\t")[0] for key in entries] == ["last"]


def test_jump() -> None:
    """A price more than 0.2 off its predecessor in log is a jump; series do not mix."""
    step = math.exp(0.2)
    fold = fresh()
    assert flags(fold, raw(0, 10.0), raw(1, 10.0 * step * 0.9999), raw(2, 10.0 * step * step)) == [(), (), ("jump",)]
    assert flags(fold, raw(3, 1.0, source="finnhub"), raw(60, 2.0, bar=BAR)) == [(), ()]
    assert flags(fold, raw(3, 1e-300)) == [("jump",)]
    assert flags(fold, raw(4, 1e300)) == [("jump",)]


def test_out_of_order_is_not_judged() -> None:
    """A quote before the last one is not compared with it, nor is the last one's successor with it."""
    assert flags(fresh(), raw(10, 10.0), raw(5, 100.0), raw(11, 10.1)) == [(), (), ()]


def test_corrected_last_price() -> None:
    """A correction of the last quote is compared with the quote before it, and what follows with the correction."""
    fold = fresh()
    flags(fold, raw(0, 10.0), raw(1, 10.1))
    assert flags(fold, raw(1, 20.0, ingest_time=START + HOUR), raw(2, 20.1)) == [("jump",), ()]


def test_crossed() -> None:
    """A bid above the ask is crossed; equal, or one of them alone, is not."""
    fold = fresh()
    some = (raw(0, bid=10.1, ask=10.0), raw(1, bid=10.0, ask=10.0), raw(2, bid=10.1), raw(3, ask=10.0))
    assert flags(fold, *some) == [("crossed",), (), (), ()]


def test_currency_changed() -> None:
    """A currency other than the last known one of the series is flagged once."""
    some = (raw(0, currency="GBP"), raw(1), raw(2, currency="GBp"), raw(3, currency="GBp"))
    assert flags(fresh(), *some) == [(), (), ("currency_changed",), ()]


def test_unknown_instrument_and_order_of_flags() -> None:
    """A symbol outside the table is flagged and passed on, beside what else is odd."""
    fold = fresh()
    assert flags(fold, raw(0, symbol="UNKNOWN")) == [("unknown_instrument",)]
    assert flags(fold, raw(1, 99.0, symbol="UNKNOWN", bid=2.0, ask=1.0)) == [("jump", "crossed", "unknown_instrument")]


def test_straddles() -> None:
    """A source's bar that crosses an edge of its own interval is flagged."""
    assert flags(fresh(), raw(60, bar=BAR), raw(90, bar=BAR)) == [(), ("straddles",)]


def flat(seconds: float, price: float = 10.0, volume: float = 0.0) -> RawQuote:
    """An hour's bar that never moved."""
    return raw(
        seconds, price, volume=volume, bar=SourceBar(interval=3600, open=price, high=price, low=price, volume=volume)
    )


def test_stale() -> None:
    """A series that says the same for an hour without trading is stale; a trade or another price ends it."""
    assert flags(fresh(), raw(0), raw(1800), raw(3600), raw(3700, volume=1.0), raw(3800)) == [
        (),
        (),
        ("stale",),
        (),
        (),
    ]
    assert flags(fresh(), flat(3600, volume=7.0), flat(7200, volume=7.0), flat(10800, volume=8.0)) == [
        (),
        ("stale",),
        (),
    ]
    assert flags(fresh(), raw(0, bid=9.9), raw(4000, bid=9.8), raw(8000, bid=9.8)) == [(), (), ("stale",)]
    assert flags(fresh(), raw(0), raw(3600, 10.01)) == [(), ()]


facts = st.fixed_dictionaries(
    {
        "gap": gaps,
        "back": st.one_of(st.just(0), st.integers(0, 90), st.integers(0, 9000)),
        "price": st.sampled_from([10.0, 10.0, 13.0, 0.0]),
        "seen": st.sampled_from([0, 0, 10, 700]),
        "symbol": st.sampled_from(["A", "UNKNOWN"]),
        "sequence": st.sampled_from([None, None, 1]),
        "clock": st.booleans(),
    }
)


def log(steps: list[dict[str, Any]]) -> list[RawQuote | int]:
    """Raw quotes and watermarks in the order of a log; quotes are doubled, corrected, invalid and late."""
    out: list[RawQuote | int] = []
    now = 0
    for step in steps:
        now += step["gap"]
        one = raw(now - step["back"], step["price"], symbol=step["symbol"], sequence=step["sequence"])
        out.append(replace(one, ingest_time=one.event_time + step["seen"] * MICROS))
        if step["clock"]:
            out.append(START + now * MICROS)
    return out


logs = st.lists(facts, min_size=1, max_size=60).map(log)


def run(fold: QuotesFold, items: list[RawQuote | int], mark: int | None = None) -> tuple[list[Any], int | None]:
    """What a log brings, and its last watermark."""
    out: list[Any] = []
    for item in items:
        if isinstance(item, int):
            mark = item
            assert fold.advance(mark) == ()
            continue
        try:
            out += fold.fact("raw.quotes.v1", item, mark, {})
        except PoisonError:
            assert item.price == 0.0
    return out, mark


@settings(max_examples=120, deadline=None)
@given(logs)
def test_like_a_plain_dictionary(items: list[RawQuote | int]) -> None:
    """Revisions, duplicates and lateness are those of a dictionary that never forgets, asked by the rule."""
    kept: dict[Any, tuple[int, int, float]] = {}
    want, mark = [], None
    for item in items:
        if isinstance(item, int):
            mark = item
            continue
        key, late = (
            (item.symbol, item.event_time, item.sequence),
            mark is not None and mark - item.event_time > 2 * HOUR,
        )
        if item.price == 0.0:
            continue
        seen, revision, price = kept.get(key, (0, -1, 0.0))
        if late:
            want.append((key, 0, True))
        elif revision < 0 or (item.ingest_time > seen and item.price != price):
            kept[key] = (item.ingest_time, revision + 1, item.price)
            want.append((key, revision + 1, False))
    quotes = map(written, run(fresh(), items)[0])
    got = [((q.symbol, q.event_time, q.sequence), q.revision, "late" in q.flags) for q in quotes]
    assert got == want


@settings(max_examples=100, deadline=None)
@given(logs, st.sets(st.integers(0, 80), max_size=6))
def test_dump_and_load_are_invisible(items: list[RawQuote | int], cuts: set[int]) -> None:
    """A fold that went through its snapshots at any points says, bit by bit, what one that never did says."""
    fold: Any = fresh()
    entries: dict[str, bytes] = {}
    got: list[Any] = []
    mark = None
    for at, item in enumerate(items):
        if at in cuts:
            fold = through_bytes(fold, fresh(), entries)
        some, mark = run(fold, [item], mark)
        got += some
    assert plain(got) == plain(run(fresh(), items)[0])


def test_crowded_minute() -> None:
    """A minute with more quotes than one entry of a snapshot holds comes back whole."""
    fold = fresh()
    some = [raw(1 + n / 1000, sequence=n) for n in range(10_000)]
    for one in some:
        put(fold, one)
    entries: dict[str, bytes] = {}
    again = through_bytes(fold, fresh(), entries)
    assert len(entries) == 4
    assert isinstance(again, QuotesFold)
    assert all(put(again, one) is None for one in some)
    again.advance(START + 3 * HOUR)
    assert sum(value is None for _, value in again.dump()) == 3
