"""The account over dead letters that were sent back: facts are counted, not their copies."""

from collections.abc import Sequence
from dataclasses import replace

from moodtape.verify.account import Edge
from moodtape.verify.dead_letters import Letter, LetterWalk, last_tries
from moodtape.verify.first_stages import QuoteRules
from moodtape.verify.letters import NONE, SINK_GROUP, Buried, Tries, digest
from moodtape.verify.reading import Fact
from moodtape.verify.recount import Recount
from moodtape.verify.rows import Comparison
from schemas.codec import encode
from schemas.deadletters import DeadLetter, redriven_headers
from schemas.topics import QUOTES, RAW_QUOTES
from tests.unit.test_verify import TABLE, quote, raw, recount, row


def letter(offset: int, attempts: int, group: str, topic: str) -> DeadLetter:
    """What a dead letter says."""
    return DeadLetter(
        topic=topic, partition=0, offset=offset, stage="s", error="E", message="", reason="bug",
        attempts=attempts, group=group, failed_at=0, headers=[],
    )  # fmt: skip


def tries_of(*numbers: int, group: str = "moodtape.quotes", topic: str = RAW_QUOTES) -> list[Fact]:
    """A log that holds one fact over and over: 1 is the original at offset 0, n its nth try by a group."""
    fact = raw(0)
    return [
        Fact(
            at,
            fact,
            fact.symbol.encode(),
            encode(fact),
            redriven_headers(letter(0, n - 1, group, topic)) if n > 1 else [],
        )
        for at, n in enumerate(numbers)
    ]


def gave_up(*numbers: int) -> Buried:
    """These tries of the fact at offset 0 failed."""
    return Buried({(0, n): digest(raw(0).symbol.encode(), encode(raw(0))) for n in numbers}, ())


def test_a_fact_is_dead_until_a_try_succeeds() -> None:
    """However often it failed it is one fact and one dead; once it came out it is none."""
    assert counted(recount(tries_of(1), [], gave_up(1))) == (1, 0, 1)
    assert counted(recount(tries_of(1, 2, 3), [], gave_up(1, 2, 3))) == (1, 0, 1)
    assert counted(recount(tries_of(1, 2, 3), [quote(raw(0))], gave_up(1, 2))) == (1, 1, 0)
    assert recount(tries_of(1, 2), [], gave_up(1)).missing == 1
    assert recount(tries_of(1, 2), [quote(raw(0))] * 2, gave_up(1)).extra == 1


def test_a_try_for_another_group_counts_nothing() -> None:
    """What was sent back for somebody else is neither a fact nor a duplicate."""
    edge = recount(tries_of(1, 2, group="moodtape.posts"), [quote(raw(0))])
    assert counted(edge) == (1, 1, 0)
    assert edge.duplicates == 0


def test_an_output_sent_back_is_no_second_output() -> None:
    """What came out once and was sent back for one of its readers came out once."""
    edge = Edge("raw")
    count = Recount(edge, QuoteRules(), 0, 1, Tries(RAW_QUOTES, 0, "moodtape.quotes", NONE))
    count.take_raw(tries_of(1))
    came = tries_of(1, 2, group=SINK_GROUP, topic=QUOTES)
    count.take_out([fact._replace(record=quote(fact.record)) for fact in came])
    count.close()
    assert counted(edge) == (1, 1, 0)


def counted(edge: Edge) -> tuple[int, int, int]:
    """In, out and dead of an edge that adds up."""
    assert edge.ok, edge.problems
    return edge.facts_in, edge.facts_out, edge.dead


def compare(log: Sequence[Fact], offsets: Sequence[int], dead: Buried = NONE, low: int = 0) -> Edge:
    """The edge between such a log and rows at some offsets."""
    edge = Edge("quotes.v1 -> quote")
    facts = [fact._replace(record=quote(fact.record)) for fact in log]
    rows = [row(offset, quote(raw(0))) for offset in offsets]
    Comparison(edge, TABLE).walk(0, facts, rows, Tries(QUOTES, 0, SINK_GROUP, dead, low))
    return edge


def test_a_refused_row_may_come_with_a_later_try() -> None:
    """The store has a fact by the try that it accepted; by none, it is dead; by two, one is too many."""
    log = tries_of(1, 2, group=SINK_GROUP, topic=QUOTES)
    assert counted(compare(log, [], gave_up(1, 2))) == (1, 0, 1)
    assert counted(compare(log, [1], gave_up(1))) == (1, 1, 0)
    assert counted(compare(log, [0], gave_up(1))) == (1, 1, 0)
    assert compare(log, [0, 1], gave_up(1)).extra == 1
    assert compare(log, [], gave_up(1)).missing == 1
    assert compare(log[1:], [1], gave_up(1), low=1).facts_in == 1


def test_a_copy_for_a_stage_has_no_row() -> None:
    """What a stage tries again the store has already: a second row is one too many."""
    log = tries_of(1, 2, group="moodtape.bars", topic=QUOTES)
    assert counted(compare(log, [0])) == (1, 1, 0)
    assert compare(log, [0, 1]).extra == 1


def test_folds_take_in_what_they_did_not_give_up() -> None:
    """Given up, or sent back for others, a record is not in a fold."""
    log = [Fact(at, replace(quote(f.record)), f.key, f.value, f.headers) for at, f in enumerate(tries_of(1, 2))]
    tries = Tries(RAW_QUOTES, 0, "moodtape.quotes", gave_up(1))
    assert list(tries.folded(log)) == log[1:]
    assert list(Tries(RAW_QUOTES, 0, "moodtape.bars", NONE).folded(log)) == log[:1]


def letters(*attempts: int) -> list[Letter]:
    """Letters of one identity, in order of their log, each of a try."""
    place = {
        "origin_topic": QUOTES,
        "origin_partition": 0,
        "origin_offset": 5,
        "consumer_group": "g",
        "value_sha256": b"v",
    }
    return [Letter(at, {**place, "reason": "bug", "attempts": n}) for at, n in enumerate(attempts)]


def walk(given: list[Letter], kept: Sequence[int], behind: Sequence[int] = ()) -> Edge:
    """The edge between letters and rows: ``kept`` offsets have a row; so do ``behind``, which came meanwhile."""
    edge = Edge("dlq")
    rows = [{**given[at].columns, "topic_partition": 0, "topic_offset": at} for at in kept]
    later = [{**given[0].columns, "topic_partition": 0, "topic_offset": at} for at in behind]
    steps = LetterWalk(edge)
    steps.walk(0, given, iter(rows), last_tries(given))
    steps.settle(later)
    return edge


def test_an_identity_has_the_row_of_its_last_try() -> None:
    """Letters of earlier tries, and copies, have no row of their own."""
    edge = walk(letters(1, 1, 2, 2), [2])
    assert edge.ok
    assert (edge.facts_in, edge.facts_out, edge.duplicates) == (1, 1, 3)
    assert (walk(letters(1, 2), [0]).missing, walk(letters(1, 2), [0]).extra) == (1, 1)
    assert walk(letters(1, 2), [0, 1]).extra == 1
    assert walk(letters(1, 2), []).missing == 1
    assert walk(letters(1, 2), [], behind=[9]).ok
