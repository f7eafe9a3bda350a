"""The account: what adds up is accepted, and whatever does not is counted and named."""

import ast
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.clock import to_datetime
from moodtape.verify.account import Edge, Report
from moodtape.verify.first_stages import PostRules, QuoteRules
from moodtape.verify.letters import NONE, SINK_GROUP, Buried, Tries, digest
from moodtape.verify.reading import Fact, Span
from moodtape.verify.recount import Recount
from moodtape.verify.rows import Comparison, Revisions, differences
from moodtape.verify.stored import PartitionedRows
from moodtape.verify.tables import TABLES
from schemas.codec import encode
from schemas.records import Quote, RawPost, RawQuote, ScoredPost, SourceBar
from schemas.topics import QUOTES, RAW_QUOTES, TOPIC_OF_RECORD

MINUTE = 60_000_000
T0 = 1_699_999_200_000_000
SYMBOL = "AMC"  # of partition 0
TABLE = next(table for table in TABLES if table.topic == QUOTES)


def raw(moment: int, price: float = 1.0, symbol: str = SYMBOL, ingest: int = 0, **more: Any) -> RawQuote:
    """A raw quote ``moment`` microseconds after T0."""
    return RawQuote(source="simulator", symbol=symbol, event_time=T0 + moment, ingest_time=ingest, price=price, **more)


def quote(fact: RawQuote, revision: int = 0, flags: tuple[str, ...] = ()) -> Quote:
    """What the first stage makes of a raw quote."""
    shared = {name: getattr(fact, name) for name in RawQuote.__slots__}
    return Quote(**shared, revision=revision, flags=flags)


def facts(records: Sequence[Any], start: int = 0) -> list[Fact]:
    """Records as they lie in a log; None is a record that cannot be decoded."""
    return [
        Fact(
            start + i,
            r,
            b"k" if r is None else TOPIC_OF_RECORD[type(r)].key(r).encode(),
            b"?" if r is None else encode(r),
            [],
        )
        for i, r in enumerate(records)
    ]


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
        st.sampled_from([SYMBOL, "META"]),
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
    assert "simulator AMC 0 2023-11-14T22:00:00Z" in problem
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


def test_a_stale_and_a_skipped_revision_are_caught() -> None:
    """Revisions of a quote count 0, 1, 2: one that is left out is missing, one that comes again or late is too much."""
    for revisions, missing, extra in (((0, 1, 2), 0, 0), ((0, 2), 1, 0), ((0, 1, 0), 0, 1), ((0, 1, 1), 0, 1)):
        records = [quote(raw(0), revision=revision) for revision in revisions]
        edge = compare(records, [row(i, r) for i, r in enumerate(records)])
        assert (edge.missing, edge.extra, edge.altered) == (missing, extra, 0), revisions
    assert "is stale: revision 1 stands before it" in compare(
        [quote(raw(0), revision=n) for n in (1, 0)], [row(n, quote(raw(0), revision=1 - n)) for n in (0, 1)]
    ).problems[0]  # fmt: skip


def test_revisions_are_remembered_for_as_long_as_there_is_room() -> None:
    """The last revision of each of the newest keys is known, older ones are forgotten, never mistaken."""
    seen = Revisions(limit=4)
    assert [seen.take(("a",), revision) for revision in (0, 1, 0)] == [None, 0, 1]
    for other in range(4):
        seen.take((other,), 0)
    assert seen.take(("a",), 2) == 1
    for other in range(9):
        seen.take((other,), 0)
    assert seen.take(("a",), 3) is None


def test_a_record_belongs_to_the_partition_of_its_key() -> None:
    """A record under another key, and one in a partition that is not its key's, are altered."""
    record = quote(raw(0))
    (fact,) = facts([record])
    edge = Edge("quotes.v1 -> quote")
    Comparison(edge, TABLE).walk(0, [fact._replace(key=b"GME")], [row(0, record)], Tries(QUOTES, 0, SINK_GROUP, NONE))
    assert (edge.altered, edge.missing, edge.extra) == (1, 0, 0)
    assert edge.problems[0].endswith("its key is 'GME', not 'AMC'")
    edge = Edge("quotes.v1 -> quote")
    Comparison(edge, TABLE).walk(5, [fact], [row(0, record)], Tries(QUOTES, 5, SINK_GROUP, NONE))
    assert (edge.altered, edge.missing, edge.extra) == (1, 0, 0)
    assert edge.problems[0].endswith("it belongs to partition 0")


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
