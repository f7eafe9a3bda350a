"""The account: what adds up is accepted, and whatever does not is counted and named."""

import ast
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.clock import to_datetime
from moodtape.verify.account import Edge, Report
from moodtape.verify.bars import BarRecount, Calendar, IndicatorCheck, price_of, tell
from moodtape.verify.letters import NONE, SINK_GROUP, Buried, Tries, digest
from moodtape.verify.reading import Fact, Heard, Span
from moodtape.verify.recount import PostRules, QuoteRules, Recount
from moodtape.verify.rows import Comparison, differences
from moodtape.verify.stored import PartitionedRows
from moodtape.verify.tables import TABLES
from schemas.clocks import Clock
from schemas.codec import encode
from schemas.records import Bar, Indicators, Quote, RawPost, RawQuote, ScoredPost, SourceBar
from schemas.topics import QUOTES, RAW_QUOTES

MINUTE = 60_000_000
T0 = 1_699_999_200_000_000
TABLE = next(table for table in TABLES if table.topic == QUOTES)


def raw(moment: int, price: float = 1.0, symbol: str = "TSLA", ingest: int = 0, **more: Any) -> RawQuote:
    """A raw quote ``moment`` microseconds after T0."""
    return RawQuote(source="simulator", symbol=symbol, event_time=T0 + moment, ingest_time=ingest, price=price, **more)


def quote(fact: RawQuote, revision: int = 0, flags: tuple[str, ...] = ()) -> Quote:
    """What the first stage makes of a raw quote."""
    shared = {name: getattr(fact, name) for name in RawQuote.__slots__}
    return Quote(**shared, revision=revision, flags=flags)


def facts(records: Sequence[Any], start: int = 0) -> list[Fact]:
    """Records as they lie in a log; None is a record that cannot be decoded."""
    return [Fact(start + i, r, b"k", b"?" if r is None else encode(r), []) for i, r in enumerate(records)]


def row(offset: int, record: Any, table: Any = TABLE, partition: int = 0) -> dict[str, Any]:
    """The row that a sink stores for a record."""
    columns = {
        name: to_datetime(value) if name in ("event_time", "ingest_time") else value
        for name, value in table.columns(record).items()
    }
    lists = {name: list(value) for name, value in columns.items() if isinstance(value, tuple)}
    return {**columns, **lists, "topic_partition": partition, "topic_offset": offset}


def compare(records: Sequence[Any], rows: Sequence[dict[str, Any]], dead: Sequence[int] = ()) -> Edge:
    """The edge between a topic and its table."""
    edge = Edge("quotes.v1 -> quote")
    given_up = Buried({(offset, 1): 0 for offset in dead}, ())
    Comparison(edge, TABLE).walk(0, facts(records), rows, Tries(QUOTES, 0, SINK_GROUP, given_up))
    return edge


def recount(
    went: Sequence[Any], came: Sequence[Any], dead: Buried = NONE, end: int | None = None, rules: Any = QuoteRules
) -> Edge:
    """The edge between a raw topic and the first stage's; ``went`` has records, or facts with headers of their own."""
    edge = Edge("raw")
    tries = Tries(RAW_QUOTES, 0, "moodtape.quotes", dead)
    count = Recount(edge, rules(), 0, len(went) if end is None else end, tries)
    count.take_raw(went if went and isinstance(went[0], Fact) else facts(went))
    count.take_out(facts(came))
    count.close()
    return edge


QUOTE_LISTS = st.lists(
    st.builds(
        raw,
        st.integers(0, 5).map(lambda n: n * MINUTE),
        st.sampled_from([1.0, 2.0]),
        st.sampled_from(["TSLA", "GME"]),
        st.integers(0, 3),
    ),
    max_size=30,
)


def first_stage(went: Sequence[RawQuote]) -> list[Quote]:
    """What the contract says of duplicates, told the other way round: record by record."""
    kept: dict[Any, Quote] = {}
    out = []
    for fact in went:
        key = (fact.symbol, fact.event_time)
        before = kept.get(key)
        if before is None:
            kept[key] = quote(fact)
        elif fact.price != before.price and fact.ingest_time > before.ingest_time:
            kept[key] = quote(fact, before.revision + 1)
        else:
            continue
        out.append(kept[key])
    return out


@given(QUOTE_LISTS)
def test_what_the_first_stage_should_do_adds_up(went: list[RawQuote]) -> None:
    """Any raw log and what the contract makes of it is an account without fault, and duplicates are counted."""
    came = first_stage(went)
    edge = recount(went, came)
    assert edge.ok, edge.problems
    assert (edge.facts_in, edge.facts_out) == (len(went), len(came))
    assert edge.duplicates == len(went) - len(came)


@given(QUOTE_LISTS.filter(bool), st.data())
def test_a_lost_quote_is_missed(went: list[RawQuote], data: st.DataObject) -> None:
    """Whatever single quote the first stage loses, the account fails."""
    came = first_stage(went)
    del came[data.draw(st.integers(0, len(came) - 1))]
    assert not recount(went, came).ok


@given(QUOTE_LISTS.filter(bool), st.data())
def test_a_doubled_quote_is_caught(went: list[RawQuote], data: st.DataObject) -> None:
    """Whatever single quote comes out twice, the account fails."""
    came = first_stage(went)
    came.append(came[data.draw(st.integers(0, len(came) - 1))])
    assert not recount(went, came).ok


@given(QUOTE_LISTS.filter(bool), st.data())
def test_an_altered_quote_is_caught(went: list[RawQuote], data: st.DataObject) -> None:
    """Whatever single quote comes out with another price, the account fails."""
    came = first_stage(went)
    at = data.draw(st.integers(0, len(came) - 1))
    came[at] = replace(came[at], price=came[at].price + 1e-12)
    assert not recount(went, came).ok


def test_facts_behind_the_end_may_have_come_out_or_not() -> None:
    """What was written to the raw topic after the account began is neither missed nor too much."""
    went = [raw(0), raw(MINUTE), raw(MINUTE, 2.0, ingest=9)]
    for done in range(1, 4):
        edge = recount(went, first_stage(went[:done]), end=1)
        assert edge.ok, edge.problems
        assert edge.facts_in == 1


def test_late_quotes_may_come_twice_but_not_thrice() -> None:
    """Facts flagged late are not deduplicated: two went in, two come out; a third came from nowhere."""
    went = [raw(0), raw(0), raw(0)]
    late = quote(raw(0), flags=("late",))
    assert recount(went, [quote(raw(0)), late]).duplicates == 1
    assert recount(went, [quote(raw(0)), late, late]).ok
    assert recount(went, [late, late, late, late]).extra == 1


def test_a_record_that_cannot_be_decoded_must_be_a_dead_letter() -> None:
    """An undecodable raw record is missed until the dead letters hold its bytes, once."""
    (broken,) = facts([None])
    letter = digest(broken.key, broken.value)
    assert recount([None], []).missing == 1
    assert recount([None], [], Buried({(0, 1): letter}, ())).dead == 1
    assert recount([None], [], Buried({(0, 1): letter + 1}, ())).altered == 1
    assert recount([None], [], Buried({(0, 1): letter}, (0,))).extra == 1


def test_the_missing_quote_is_named() -> None:
    """The problem says source, symbol, time and where the raw record lies."""
    (problem,) = recount([raw(0)], []).problems
    assert "simulator TSLA 0 2023-11-14T22:00:00Z" in problem
    assert "partition 0 offset 0" in problem


def post(revision: int, text: str, **more: Any) -> RawPost:
    """A raw post, always of the same identity."""
    return RawPost(source="reddit", post_id="p1", revision=revision, event_time=T0, text=text, **more)


def scored(fact: RawPost, **more: Any) -> ScoredPost:
    """What the posts stage makes of it."""
    names = ("source", "post_id", "revision", "event_time", "ingest_time", "community", "url", "author", "deleted")
    return ScoredPost(**{name: getattr(fact, name) for name in names}, **more)


def test_posts_come_out_once_per_revision_that_says_something_new() -> None:
    """The same revision, an older one, and one with the same text are duplicates."""
    one, two = post(1, "to the moon"), post(2, "to the floor")
    went = [one, one, two, post(0, "earlier"), post(4, "to the floor"), post(3, "older than the last"), post(5, "up")]
    edge = recount(went, [scored(one), scored(two), scored(went[-1])], rules=PostRules)
    assert edge.ok, edge.problems
    assert edge.duplicates == 4


def test_a_deleted_post_comes_out_without_its_author() -> None:
    """Author and address of a deletion are not passed on; if they are, the record is altered."""
    gone = post(1, "", author="h", url="u", deleted=True)
    assert recount([gone], [replace(scored(gone), author=None, url=None)], rules=PostRules).ok
    assert recount([gone], [scored(gone)], rules=PostRules).altered == 1


def test_a_late_post_is_deduplicated_unless_a_month_old() -> None:
    """Posts are remembered for 30 days; only an older one may come again."""
    one = post(0, "to the moon")
    again = scored(one, flags=("late",))
    assert recount([one, one], [scored(one), again], rules=PostRules).extra == 1
    newer = replace(one, post_id="p2", event_time=T0 + 31 * 86_400_000_000)
    assert recount([one, newer, one], [scored(one), scored(newer), again], rules=PostRules).ok


@given(QUOTE_LISTS)
def test_a_table_that_holds_the_topic_adds_up(went: list[RawQuote]) -> None:
    """A row for each record, with its fields, is an account without fault."""
    came = first_stage(went)
    edge = compare(came, [row(i, r) for i, r in enumerate(came)])
    assert edge.ok, edge.problems
    assert edge.facts_in == edge.facts_out == len(came)


@given(QUOTE_LISTS.filter(bool), st.data())
def test_a_missing_row_is_named(went: list[RawQuote], data: st.DataObject) -> None:
    """Whatever row is gone, exactly that one is missed."""
    came = first_stage(went)
    rows = [row(i, r) for i, r in enumerate(came)]
    at = data.draw(st.integers(0, len(rows) - 1))
    del rows[at]
    edge = compare(came, rows)
    assert (edge.missing, edge.extra, edge.altered) == (1, 0, 0)
    assert f"offset {at})" in edge.problems[0]


@given(QUOTE_LISTS.filter(bool), st.data())
def test_a_doubled_row_is_named(went: list[RawQuote], data: st.DataObject) -> None:
    """Whatever row stands twice, exactly that one is too much."""
    came = first_stage(went)
    rows = [row(i, r) for i, r in enumerate(came)]
    at = data.draw(st.integers(0, len(rows) - 1))
    rows.insert(at, rows[at])
    edge = compare(came, rows)
    assert (edge.missing, edge.extra, edge.altered) == (0, 1, 0)
    assert f"offset {at})" in edge.problems[0]


BAR_QUOTE = raw(
    0,
    volume=3.0,
    sequence=7,
    currency="USD",
    session="REGULAR",
    bar=SourceBar(interval=60, open=1, high=2, low=0.5, volume=3),
)
CHANGES: list[tuple[str, Any]] = [
    ("source", "yahoo"),
    ("symbol", "GME"),
    ("event_time", to_datetime(T0 + 1)),
    ("ingest_time", to_datetime(T0)),
    ("price", 1.0000000000000002),
    ("volume", None),
    ("bid", 1.0),
    ("currency", "EUR"),
    ("session", "POST"),
    ("sequence", 8),
    ("bar_interval", 300),
    ("bar_open", None),
    ("bar_volume", 3.5),
    ("revision", 1),
    ("flags", ["late"]),
    ("flags", None),
]


@pytest.mark.parametrize(("column", "value"), CHANGES)
def test_every_column_is_compared(column: str, value: Any) -> None:
    """A change of any one column, by the last bit of a double or one microsecond, is altered and named."""
    record = quote(BAR_QUOTE)
    edge = compare([record], [{**row(0, record), column: value}])
    assert edge.altered == 1
    assert edge.problems[0].endswith(f": {column}")


def test_refused_rows_are_counted_as_dead() -> None:
    """A record without a row is dead when the dead letters name its offset, else missing."""
    records = [quote(raw(0)), quote(raw(MINUTE))]
    edge = compare(records, [], dead=[1])
    assert (edge.dead, edge.missing) == (1, 1)


def test_a_key_twice_in_the_topic_is_caught() -> None:
    """The same logical key and revision twice in a topic is a fault even if the table holds both."""
    records = [quote(raw(0)), quote(raw(0))]
    edge = compare(records, [row(0, records[0]), row(1, records[1])])
    assert edge.extra == 1
    assert "twice in the topic" in edge.problems[0]


def test_rows_are_cut_to_what_the_topic_holds() -> None:
    """Rows older than the log are not judged; rows behind the account's end only if the log has no such offset."""
    rows = [row(o, quote(raw(0)), partition=p) for p, o in [(0, 1), (0, 5), (0, 9), (1, 2), (7, 0)]]
    cut = PartitionedRows(rows, [Span(QUOTES, 0, 3, 8), Span(QUOTES, 1, 0, 2)])
    assert [r["topic_offset"] for r in cut.of(0)] == [5]
    assert [r["topic_offset"] for r in cut.of(1)] == []
    left = [(r["topic_partition"], r["topic_offset"]) for r in cut.unfounded({0: 12, 1: 2})]
    assert left == [(1, 2), (7, 0)]


def test_times_and_lists_are_compared_exactly() -> None:
    """A time differs by a microsecond, a list by its length; a map by its values."""
    good = {"t": to_datetime(T0), "lags": [1, 2], "sources": {"x": 1}}
    assert differences(good, {"t": T0, "lags": (1, 2), "sources": {"x": 1}}) == []
    assert differences(good, {"t": T0 + 1, "lags": (1,), "sources": {"x": 2}}) == ["t", "lags", "sources"]


def judge_bars(entries: Sequence[Any], bars: Sequence[Bar], after: Sequence[Any] = (), whole: bool = True) -> Edge:
    """The edge between quotes and bars."""
    edge = Edge("quotes.v1 -> bars.v1")
    count = BarRecount(edge, Calendar("America/New_York"), ("yahoo", "simulator"), whole)
    count.take_quotes(log(entries))
    count.mark()
    count.take_quotes(log(after))
    count.take_bars(facts(bars))
    count.close()
    return edge


def log(entries: Sequence[Any]) -> list[Fact | Heard]:
    """Quotes and clocks as they lie in a log."""
    return [Heard(i, e) if isinstance(e, Clock) else Fact(i, e, b"", b"", []) for i, e in enumerate(entries)]


def told(fact: RawQuote, interval: int, **more: Any) -> Bar:
    """The bar of a bucket with one tick in it."""
    start, end = Calendar("America/New_York").bucket(fact.event_time, interval)
    p = fact.price
    values: dict[str, Any] = {"open": p, "high": p, "low": p, "close": p, "trades": 1, "source": fact.source}
    return Bar(symbol=fact.symbol, interval=interval, start=start, event_time=end, known_time=end, **{**values, **more})


def clock(moment: int) -> Clock:
    """A clock ``moment`` microseconds after T0."""
    return Clock(kind="time", origin="raw.quotes.v1/0", time=T0 + moment)


TICK = raw(1, 5.0)


def test_a_closed_bucket_needs_its_bar() -> None:
    """A bucket whose end the clock has reached has a bar; an open one must not."""
    closed = [quote(TICK), clock(MINUTE)]
    assert judge_bars(closed, [told(TICK, 60)]).ok
    assert judge_bars(closed, []).missing == 1
    assert judge_bars([quote(TICK), clock(MINUTE - 1)], [told(TICK, 60)]).extra == 1
    assert judge_bars([quote(TICK), clock(MINUTE - 1)], []).ok


def test_an_end_closes_everything() -> None:
    """After the last origin's end all four intervals have their bar."""
    ended = [quote(TICK), clock(10), Clock(kind="end", origin="raw.quotes.v1/0")]
    assert judge_bars(ended, [told(TICK, interval) for interval in (60, 300, 3600, 86_400)]).ok
    assert judge_bars(ended, [told(TICK, interval) for interval in (60, 300, 3600)]).missing == 1


@pytest.mark.parametrize(
    "name", ["open", "high", "low", "close", "volume", "vwap", "trades", "known_time", "source", "event_time"]
)
def test_every_value_of_a_bar_is_told_again(name: str) -> None:
    """Any wrong value of a bar is altered and named."""
    bar = told(TICK, 60)
    wrong = {"vwap": 5.0, "source": "x"}[name] if name in ("vwap", "source") else getattr(bar, name) + 1
    edge = judge_bars([quote(TICK), clock(MINUTE)], [replace(bar, **{name: wrong})])
    assert not edge.ok
    assert name == "event_time" or edge.problems[0].endswith(f": {name}")


def test_bars_from_nowhere_and_gaps_in_revisions_are_caught() -> None:
    """A bar without quotes is too much; revisions count 0, 1, 2."""
    assert judge_bars([clock(MINUTE)], [told(TICK, 60)]).extra == 1
    assert judge_bars([quote(TICK), clock(MINUTE)], [told(TICK, 60, revision=1)]).altered == 1


def test_what_came_meanwhile_is_not_judged() -> None:
    """A bucket that was touched after the account began may be old or new; one closed since may be there or not."""
    late = quote(raw(2, 9.0))
    assert judge_bars([quote(TICK), clock(MINUTE)], [told(TICK, 60)], [late]).ok
    assert judge_bars([quote(TICK)], [told(TICK, 60)], [clock(MINUTE)]).ok
    assert judge_bars([quote(TICK)], [], [clock(MINUTE)]).ok


def test_bars_whose_quotes_are_gone_are_not_judged() -> None:
    """When the log no longer begins at its beginning, the first two days left are not judged."""
    assert judge_bars([clock(0), clock(MINUTE)], [told(TICK, 60)], whole=False).ok


def test_late_quotes_are_in_no_bar() -> None:
    """A quote flagged late is not folded."""
    assert judge_bars([quote(TICK), quote(raw(2, 9.0), flags=("late",)), clock(MINUTE)], [told(TICK, 60)]).ok


def test_a_bar_is_made_of_the_preferred_series_only() -> None:
    """The preferred source wins, then the finest granularity; others are left out."""
    coarse = replace(BAR_QUOTE, source="yahoo", event_time=T0 + MINUTE)
    fine = replace(raw(5, 8.0, volume=2.0), source="yahoo")
    other = raw(3, 99.0)
    prices = [price_of(quote(fact)) for fact in (coarse, fine, other)]
    bar = tell(prices, 60, T0 + MINUTE, ("yahoo", "simulator"))
    assert bar is not None
    assert (bar.open, bar.close, bar.volume, bar.vwap, bar.source) == (8.0, 8.0, 2.0, 8.0, "yahoo")
    assert tell(prices[:1], 60, T0, ("yahoo",)).vwap is None  # type: ignore[union-attr]
    assert tell([price_of(quote(replace(coarse, bar=SourceBar(interval=300))))], 60, T0, ()) is None


@pytest.mark.parametrize(("day", "hours"), [("2024-03-10", 23), ("2024-11-03", 25), ("2024-06-03", 24)])
def test_days_are_those_of_the_zone(day: str, hours: int) -> None:
    """A day runs from midnight to midnight of New York, and a fact at midnight belongs to the day that it ends."""
    noon = int(datetime.fromisoformat(f"{day}T12:00:00-05:00").timestamp()) * 1_000_000
    start, end = Calendar("America/New_York").bucket(noon, 86_400)
    assert end - start == hours * 3_600_000_000
    assert Calendar("America/New_York").bucket(end, 86_400) == (start, end)
    assert Calendar("America/New_York").bucket(end + 1, 86_400)[0] == end


def test_indicators_are_told_again_from_the_log() -> None:
    """return_log needs one bar before, sma20 nineteen; a wrong one is named."""
    edge = Edge("bars")
    check = IndicatorCheck(edge)
    import math

    for n in range(25):
        indicators = Indicators(return_log=math.log((n + 1) / n) if n else None, sma20=n - 8.5 if n >= 19 else None)
        check.take(told(raw(n * MINUTE + 1, float(n + 1)), 60, indicators=indicators))
    assert edge.ok, edge.problems
    check.take(told(raw(25 * MINUTE + 1, 26.0), 60, indicators=Indicators(return_log=0.5, sma20=None)))
    assert edge.problems[0].endswith(": return_log, sma20")


def test_the_first_twenty_problems_are_named_and_all_counted() -> None:
    """A list of problems stays readable."""
    edge = recount([raw(n * MINUTE) for n in range(30)], [])
    assert (edge.missing, len(edge.problems)) == (30, 20)
    report = Report((edge, Edge("fine")))
    assert not report.ok
    assert "and 10 more" in report.to_text()
    assert report.to_json()["edges"][1]["ok"]


def test_the_account_shares_no_code_with_what_it_checks() -> None:
    """Nothing in moodtape.verify imports streams or sinks."""
    folder = Path(__file__).resolve().parents[2] / "moodtape" / "verify"
    for path in folder.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not [n for n in names if n.split(".")[0] in ("streams", "sinks")], path
