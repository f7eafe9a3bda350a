"""Bars of quotes: examples, and any history against the plainest code."""

from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from infra.clock import MICROS, from_rfc3339
from schemas.records import Bar, Indicators, Quote
from schemas.topics import BARS
from streams.bars import BarsFold
from streams.stage import Emit
from tests.helpers.price_histories import (
    HOUR,
    START,
    fresh_bars,
    gaps,
    last_revisions,
    plain,
    prices,
    quote,
    sizes,
    source_bar,
    tell,
    through_bytes,
)

MINUTE = 60 * MICROS


def feed(fold: BarsFold, *quotes: Quote) -> None:
    """Fold quotes; nothing is emitted for a fact itself."""
    for one in quotes:
        assert fold.fact("quotes.v1", one, None, {}) == ()


def advance(fold: BarsFold, seconds: float, interval: int = 60) -> list[Bar]:
    """Bars of one interval that a watermark some seconds after START brings."""
    return [e.record for e in fold.advance(START + round(seconds * MICROS)) if e.record.interval == interval]


def test_a_bar_of_ticks() -> None:
    """Open and close are first and last in order of time, whatever the order of arrival; vwap is by size."""
    fold = fresh_bars()
    feed(fold, quote(30, 12.0, volume=3.0), quote(10, 10.0, volume=1.0), quote(60, 11.0), quote(20, 9.0, volume=0.0))
    (bar,) = advance(fold, 60)
    assert bar == Bar(
        symbol="ABC",
        interval=60,
        start=START,
        event_time=START + MINUTE,
        known_time=START + MINUTE,
        open=10.0,
        high=12.0,
        low=9.0,
        close=11.0,
        volume=4.0,
        trades=4,
        vwap=(10.0 + 36.0) / 4.0,
        source="yahoo",
        indicators=Indicators(obv=4.0),
    )


def test_closes_at_its_end() -> None:
    """A bucket closes when the watermark is at its end, not a microsecond before; a fact at the end is inside."""
    fold = fresh_bars()
    feed(fold, quote(60, 5.0))
    assert advance(fold, 59.999999) == []
    assert [bar.event_time for bar in advance(fold, 60)] == [START + MINUTE]
    assert advance(fold, 61) == []


def test_order_of_emission() -> None:
    """Bars come by end, then interval, then symbol; buckets without facts never come."""
    fold = fresh_bars()
    feed(fold, quote(301, symbol="B"), quote(10, symbol="B"), quote(299, symbol="A"))
    emits = fold.advance(START + 600 * MICROS)
    assert all(e.topic == BARS and e.key == e.record.symbol for e in emits)
    got = [((e.record.event_time - START) // MICROS, e.record.interval, e.key) for e in emits]
    assert got == [(60, 60, "B"), (300, 60, "A"), (300, 300, "A"), (300, 300, "B"), (360, 60, "B"), (600, 300, "B")]


def test_late_fact_revises_its_own_bucket() -> None:
    """A late fact brings its bucket again, one revision up, at the next clock; other bars stand."""
    fold = fresh_bars()
    feed(fold, quote(30, 10.0), quote(90, 11.0), quote(150, 12.0))
    assert [bar.revision for bar in advance(fold, 180)] == [0, 0, 0]
    feed(fold, quote(95, 20.0, ingest_time=START + 200 * MICROS))
    (bar,) = advance(fold, 181)
    assert (bar.event_time, bar.revision, bar.open, bar.close) == (START + 120 * MICROS, 1, 11.0, 20.0)
    assert bar.known_time == START + 200 * MICROS
    assert advance(fold, 182) == []
    feed(fold, quote(200, 24.0))
    (later,) = advance(fold, 240)
    assert later.indicators.obv == 0.0


def test_later_bars_use_revised_values() -> None:
    """The return of a bar emitted after a revision is against the revised close."""
    fold = fresh_bars()
    feed(fold, quote(30, 10.0))
    advance(fold, 60)
    feed(fold, quote(50, 20.0))
    advance(fold, 61)
    feed(fold, quote(90, 20.0))
    (bar,) = advance(fold, 120)
    assert bar.indicators.return_log == 0.0


def test_known_time_covers_the_bars_before() -> None:
    """A bar is known no sooner than the facts in the bars that its indicators are made of, as they counted then."""
    fold = fresh_bars()
    feed(fold, quote(30, 10.0, ingest_time=START + HOUR), quote(90, 11.0))
    assert [bar.known_time for bar in advance(fold, 120)] == [START + HOUR] * 2
    feed(fold, quote(70, 12.0, ingest_time=START + 2 * HOUR), quote(150, 12.0))
    assert [(b.revision, b.known_time) for b in advance(fold, 180)] == [(1, START + 2 * HOUR), (0, START + 2 * HOUR)]
    feed(fold, quote(29, 9.0))
    assert [(bar.revision, bar.known_time) for bar in advance(fold, 181)] == [(1, START + HOUR)]


def test_bar_between_two_others() -> None:
    """A late fact in an empty bucket makes a new bar between two emitted ones; later bars count it."""
    fold = fresh_bars()
    feed(fold, quote(30, 10.0), quote(150, 12.0))
    advance(fold, 180)
    feed(fold, quote(90, 11.0, volume=5.0))
    (bar,) = advance(fold, 181)
    assert (bar.revision, bar.open, bar.indicators.obv) == (0, 11.0, 5.0)
    feed(fold, quote(200, 13.0, volume=1.0))
    assert advance(fold, 240)[0].indicators.obv == 6.0


def test_correction_replaces() -> None:
    """A quote with a higher revision takes the place of the one with its key."""
    fold = fresh_bars()
    feed(fold, quote(10, 10.0, volume=1.0), quote(20, 99.0, volume=1.0), quote(30, 11.0, volume=1.0))
    feed(fold, quote(20, 12.0, volume=2.0, revision=1))
    (bar,) = advance(fold, 60)
    assert (bar.high, bar.volume, bar.trades) == (12.0, 4.0, 3)


def test_sequence_tells_facts_apart() -> None:
    """Facts of one moment are ordered by their sequence."""
    fold = fresh_bars()
    feed(fold, quote(10, 12.0, sequence=2), quote(10, 10.0, sequence=1), quote(10, 13.0, sequence=3))
    (bar,) = advance(fold, 60)
    assert (bar.open, bar.close, bar.trades) == (10.0, 13.0, 3)


def test_one_series_by_preference() -> None:
    """A bar is of the preferred source alone; a late fact of a more preferred source takes the bar over."""
    fold = fresh_bars()
    feed(fold, quote(10, 1.0, source="aaa"), quote(10, 2.0, source="finnhub"))
    feed(fold, source_bar(60, 60, (3.0, 3.0, 3.0, 3.0), source="finnhub"))
    (bar,) = advance(fold, 60)
    assert (bar.source, bar.close, bar.trades) == ("finnhub", 2.0, 1)
    feed(fold, quote(50, 4.0))
    (bar,) = advance(fold, 61)
    assert (bar.source, bar.close, bar.revision) == ("yahoo", 4.0, 1)


def test_unlisted_sources_by_alphabet() -> None:
    """Sources outside the preference come after it, by the alphabet."""
    fold = fresh_bars()
    feed(fold, quote(10, 1.0, source="zzz"), quote(20, 2.0, source="bbb"))
    assert [bar.source for bar in advance(fold, 60)] == ["bbb"]


def test_source_bars() -> None:
    """A source's bar feeds intervals from its own on, with its own open, high and low; vwap is not known."""
    fold = fresh_bars()
    feed(fold, source_bar(300, 300, (10.0, 13.0, 8.0, 11.0), 7.0), source_bar(600, 300, (11.0, 12.0, 9.0, 12.0), 5.0))
    bars = [e.record for e in fold.advance(START + HOUR)]
    assert [(b.interval, b.open, b.high, b.low, b.close, b.volume, b.trades, b.vwap) for b in bars] == [
        (300, 10.0, 13.0, 8.0, 11.0, 7.0, 1, None),
        (300, 11.0, 12.0, 9.0, 12.0, 5.0, 1, None),
        (3600, 10.0, 13.0, 8.0, 12.0, 12.0, 2, None),
    ]
    assert all(b.flags == () for b in bars)


def test_straddling_source_bar() -> None:
    """A source's bar over an edge counts where it ends, and the bar says so; where it crosses none, not."""
    fold = fresh_bars()
    feed(fold, source_bar(3600 + 60, 300, (10.0, 13.0, 8.0, 11.0)))
    bars = [e.record for e in fold.advance(START + 2 * HOUR)]
    assert [(b.interval, b.flags) for b in bars] == [(300, ("straddles",)), (3600, ("straddles",))]


def test_longer_than_a_day() -> None:
    """A source's week feeds nothing."""
    fold = fresh_bars()
    feed(fold, source_bar(60, 604800, (10.0, 13.0, 8.0, 11.0)))
    assert fold.flush() == []


def test_late_flag_is_not_folded() -> None:
    """A quote flagged late changes no bar."""
    fold = fresh_bars()
    feed(fold, quote(10, 10.0, flags=("late",)))
    assert fold.flush() == []


def test_flush_emits_open_buckets_once() -> None:
    """Flush emits all that is open; what is untouched afterwards does not come again, what is touched does."""
    fold = fresh_bars()
    feed(fold, quote(10, 10.0))
    assert [(e.record.interval, e.record.revision) for e in fold.flush()] == [(60, 0), (300, 0), (3600, 0), (86400, 0)]
    assert fold.flush() == []
    feed(fold, quote(70, 11.0))
    later = [(e.record.interval, e.record.revision) for e in fold.advance(START + 30 * HOUR)]
    assert later == [(60, 0), (300, 1), (3600, 1), (86400, 1)]


def test_day_of_23_hours() -> None:
    """The day on which clocks go forward is one bar of 23 hours."""
    fold = fresh_bars()
    feed(fold, quote(7 * 3600, 10.0), quote(28 * 3600, 11.0), quote(30 * 3600, 12.0))
    days = advance(fold, 60 * 3600, 86400)
    assert [(b.event_time - b.start) // HOUR for b in days] == [23, 24]
    assert days[0].event_time == from_rfc3339("2022-03-14T04:00:00Z")


def test_memory_is_bounded() -> None:
    """A long history leaves no more in the fold and its snapshots than its last hours."""
    fold, entries = fresh_bars(), {}
    sizes_seen = []
    for hour in range(200):
        feed(fold, *(quote(hour * 3600 + s, 10.0 + s % 7) for s in range(20, 3600, 40)))
        fold.advance(START + hour * HOUR)
        fold_again = through_bytes(fold, fresh_bars(), entries)
        assert isinstance(fold_again, BarsFold)
        sizes_seen.append(sum(map(len, entries.values())))
    assert max(sizes_seen[100:]) <= 1.2 * max(sizes_seen[50:100])


ticks = st.fixed_dictionaries(
    {
        "gap": gaps,
        "back": st.one_of(st.just(0), st.integers(0, 90), st.integers(0, 7100)),
        "price": prices,
        "volume": sizes,
        "symbol": st.sampled_from(["A", "B"]),
        "source": st.sampled_from(["yahoo", "yahoo", "finnhub", "other"]),
        "sequence": st.sampled_from([None, None, 1, 2]),
        "width": st.sampled_from([0, 0, 0, 60, 300, 3600, 86400]),
        "seen": st.sampled_from([0, 0, 5, 400]),
        "clock": st.sampled_from([None, None, 0, 5, 60]),
    }
)


def history(steps: list[dict[str, Any]]) -> list[Quote | int]:
    """Quotes and watermarks as they would stand in a log: each quote at most 2 h behind the watermark."""
    out: list[Quote | int] = []
    now, mark, revisions = 0, -HOUR, {}
    for step in steps:
        now += step["gap"]
        seconds = max(now - step["back"], (mark - START) / MICROS - 7200 if out and mark > 0 else 0)
        given = {k: step[k] for k in ("symbol", "source", "sequence", "volume")}
        p, width = step["price"], step["width"]
        one = quote(seconds, p, **given) if not width else source_bar(seconds, width, (p, p * 1.1, p * 0.9, p), **given)
        key = (one.source, one.symbol, width, one.event_time, one.sequence or 0)
        revisions[key] = revisions.get(key, -1) + 1
        seen = one.event_time + step["seen"] * MICROS
        out.append(replace(one, revision=revisions[key], ingest_time=seen))
        if step["clock"] is not None and START + (now - step["clock"]) * MICROS > mark:
            mark = START + (now - step["clock"]) * MICROS
            out.append(mark)
    return out


histories = st.lists(ticks, min_size=1, max_size=60).map(history)


def run(fold: BarsFold, log: list[Quote | int]) -> list[Emit]:
    """What a log brings, without a flush."""
    out: list[Emit] = []
    for item in log:
        out += fold.advance(item) if isinstance(item, int) else fold.fact("quotes.v1", item, None, {})
    return out


def same_but_revision(got: dict[Any, Bar], want: dict[Any, Bar], *, indicators: bool) -> None:
    """Equal in all but the count of revisions; where asked, also in the indicators, and so in when they were known."""
    assert got.keys() == want.keys()
    for key, bar in got.items():
        told = replace(want[key], revision=bar.revision)
        assert bar == (told if indicators else replace(told, indicators=bar.indicators, known_time=bar.known_time))


@settings(max_examples=120, deadline=None)
@given(histories)
def test_last_revisions_are_the_plain_fold(log: list[Quote | int]) -> None:
    """The last revision of every bar is what plain code tells from all quotes, sorted."""
    fold = fresh_bars()
    emits = run(fold, log)
    emits += fold.flush()
    same_but_revision(last_revisions(emits), tell(q for q in log if isinstance(q, Quote)), indicators=False)


@settings(max_examples=120, deadline=None)
@given(histories)
def test_every_emission_is_what_was_known(log: list[Quote | int]) -> None:
    """Each emission, its indicators included, is what plain code tells from the quotes before it in the log."""
    fold, heard = fresh_bars(), []
    for item in log:
        if isinstance(item, Quote):
            heard.append(item)
            fold.fact("quotes.v1", item, None, {})
            continue
        emits = fold.advance(item)
        told = tell(heard, item)
        for e in emits:
            bar = e.record
            assert replace(bar, revision=0) == told[bar.symbol, bar.interval, bar.event_time]


@settings(max_examples=60, deadline=None)
@given(st.lists(ticks, min_size=1, max_size=40).map(history), st.randoms(use_true_random=False))
def test_order_within_lateness_is_irrelevant(log: list[Quote | int], random: Any) -> None:
    """Quotes in any order (corrections after what they correct) end in the same last revisions."""
    quotes = [q for q in log if isinstance(q, Quote)]
    mixed = sorted(quotes, key=lambda q: (q.revision, random.random()))
    outs = []
    for some in (quotes, mixed):
        fold = fresh_bars()
        feed(fold, *some)
        outs.append(plain(fold.flush()))
    assert outs[0] == outs[1]


@settings(max_examples=80, deadline=None)
@given(histories, st.sets(st.integers(0, 80), max_size=6))
def test_dump_and_load_are_invisible(log: list[Quote | int], cuts: set[int]) -> None:
    """A fold that went through its snapshots at any points emits, bit by bit, what one that never did emits."""
    whole = fresh_bars()
    fold: Any = fresh_bars()
    entries: dict[str, bytes] = {}
    want, got = [], []
    for at, item in enumerate(log):
        if at in cuts:
            fold = through_bytes(fold, fresh_bars(), entries)
        want += run(whole, [item])
        got += run(fold, [item])
    assert plain(got + list(fold.flush())) == plain(want + list(whole.flush()))


def test_long_history_through_snapshots() -> None:
    """Days of quotes with late ones, through many snapshots, end bit by bit as without: bases and marks hold."""
    whole: Any = fresh_bars()
    fold: Any = fresh_bars()
    entries: dict[str, bytes] = {}
    for hour in range(60):
        some = [
            quote(hour * 3600 + s, 10 + (hour * 31 + s * 7) % 13 / 8, volume=0.1 * (s % 9)) for s in range(9, 3600, 95)
        ]
        late = [quote(hour * 3600 - 7000 + s, 11 + s % 5 / 8, volume=0.3) for s in range(0, 3000, 700) if hour > 3]
        for batch in (some[:20] + late, some[20:]):
            feed(whole, *batch)
            feed(fold, *batch)
            mark = batch[-1].event_time
            assert plain(fold.advance(mark)) == plain(whole.advance(mark))
        fold = through_bytes(fold, fresh_bars(), entries)


def test_crowded_minute() -> None:
    """A minute with more quotes than one entry of a snapshot holds comes back whole."""
    fold, entries = fresh_bars(), {}
    feed(fold, *(quote(1 + n / 1000, 10.0 + n % 3, volume=1.0, sequence=n) for n in range(10_000)))
    again = through_bytes(fold, fresh_bars(), entries)
    assert isinstance(again, BarsFold)
    feed(again, quote(1.5, 99.0, sequence=1))
    (bar,) = advance(again, 60)
    assert (bar.trades, bar.high, bar.volume) == (10_001, 99.0, 10_000.0)
    again.advance(START + 3 * HOUR)
    assert sum(value is None for key, value in again.dump() if key.startswith("facts")) == 3
