"""The fold of posts: validation, duplicates, revisions, deletions, lateness, scores and state."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.sentiment.hostile import HOSTILE
from infra.errors import PoisonError
from infra.instruments import InstrumentTable, shipped_table
from infra.metrics import POSTS_FLAGGED
from schemas.clocks import Blind, Clock
from schemas.codec import encode
from schemas.records import Instrument, Mention, RawPost, ScoredPost, SentimentScore
from schemas.topics import MENTIONS, POSTS, RAW_POSTS
from streams.matching import Matcher
from streams.posts import SCORED_CHARACTERS, PostsFold
from streams.scoring.lexicon import LexiconScorer
from streams.seen import PART_POSTS, SLICE
from streams.stage import Emit

SECOND = 1_000_000
HOUR = 3600 * SECOND
DAY = 24 * HOUR
BEGIN = 1_700_000_000 * SECOND
MATCHER = Matcher(
    InstrumentTable(
        [
            Instrument(symbol=s, name=n, aliases=(n,))
            for s, n in (("TSLA", "Tesla Inc."), ("GME", "GameStop"), ("T", "AT&T"))
        ]
    )
)
SCORER = LexiconScorer()


def post(text: str = "tesla is up", post_id: str = "1", at: int = BEGIN, **fields: Any) -> RawPost:
    """A raw post of source x."""
    given_ = {"source": "x", "post_id": post_id, "event_time": at, "ingest_time": at, "text": text}
    return RawPost(**(given_ | fields))


def feed(fold: PostsFold, record: RawPost, watermark: int | None = None) -> list[Any]:
    """Fold one post with its score; the records that come out."""
    return [emit.record for emit in emits(fold, record, watermark)]


def emits(fold: PostsFold, record: RawPost, watermark: int | None = None) -> Sequence[Emit]:
    """Fold one post with its score."""
    return fold.fact(RAW_POSTS, record, watermark, answers(fold.questions([record])))


def answers(texts: Sequence[str]) -> Mapping[str, SentimentScore]:
    """What the scorer says."""
    return {text: SCORER.score(text) for text in texts}


def test_a_post_becomes_a_scored_post_and_a_mention_for_each_instrument() -> None:
    """All fields are carried, the score is the scorer's, keys are the post's and the symbols'."""
    record = post("tesla beats $GME", author="a", community="c", url="u", language="en", revision=3)
    out = emits(PostsFold(MATCHER), record)
    assert [(emit.topic, emit.key) for emit in out] == [(POSTS, "x:1"), (MENTIONS, "GME"), (MENTIONS, "TSLA")]
    scored, gme, _ = (emit.record for emit in out)
    assert isinstance(scored, ScoredPost)
    assert isinstance(gme, Mention)
    assert scored.sentiment == SCORER.score("tesla beats $GME")
    assert [m.symbol for m in scored.mentions] == ["GME", "TSLA"]
    assert (gme.author, gme.community, gme.url, gme.revision, gme.rule) == ("a", "c", "u", 3, "cashtag")
    assert gme.score == scored.sentiment.score
    assert gme.words == ("tesla", "beats")
    assert gme.fingerprint is not None
    assert all(encode(emit.record) for emit in out)


def test_each_instrument_has_the_score_of_its_own_clauses() -> None:
    """Two moods of two instruments: a mention's score is that of its clause scored alone, the post's of the whole."""
    text = "tesla plunges again, GameStop soars"
    scored, gme, tsla = feed(PostsFold(MATCHER), post(text))
    assert (gme.symbol, gme.score) == ("GME", SCORER.score("GameStop soars").score)
    assert (tsla.symbol, tsla.score) == ("TSLA", SCORER.score("tesla plunges again").score)
    assert tsla.score < 0 < gme.score
    assert scored.sentiment == SCORER.score(text)
    assert PostsFold(MATCHER).questions([post(text)]) == [text, "GameStop soars", "tesla plunges again"]


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("tesla plunges. Apple soars. GameStop jumps", ()),
        ("Tesla plunges; Apple soars", ()),
        ("Apple soars", ("TSLA",)),
    ],
)
def test_a_name_that_the_whole_post_supports_owns_its_clause(text: str, tags: tuple[str, ...]) -> None:
    """Apple's mood is not that of the company before it; what has no clause has that of the whole."""
    fold = PostsFold(Matcher(shipped_table()))
    scores = {record.symbol: record.score for record in feed(fold, post(text, symbols=tags))[1:]}
    assert scores["AAPL"] == SCORER.score("Apple soars").score
    assert scores["TSLA"] == SCORER.score(text if tags else "tesla plunges").score


@pytest.mark.parametrize("text", ["tesla and GameStop soar", "tesla soars, great day", "$TSLA, $GME. Both will soar!"])
def test_what_clauses_do_not_tell_apart_has_the_score_of_the_whole(text: str) -> None:
    """One question, and the same score for the post and all its mentions."""
    assert PostsFold(MATCHER).questions([post(text)]) == [text]
    scored, *mentions = feed(PostsFold(MATCHER), post(text))
    assert {mention.score for mention in mentions} == {scored.sentiment.score}


def test_an_instrument_that_only_a_tag_names_has_the_score_of_the_whole() -> None:
    """A tag stands in no clause."""
    scored, *mentions = feed(PostsFold(MATCHER), post("tesla plunges, GameStop soars", symbols=("T",)))
    assert {m.symbol: m.score == scored.sentiment.score for m in mentions} == {"GME": False, "T": True, "TSLA": False}


@pytest.mark.parametrize(
    ("fields", "language", "scored"),
    [
        ({"text": "die Aktie von tesla ist heute nicht zu bremsen"}, "de", False),
        ({"text": "tesla is up", "language": "fr"}, "fr", False),
        ({"text": "tesla is up", "language": "en-GB"}, "en", True),
        ({"text": "tesla 🚀", "language": "und"}, None, True),
    ],
)
def test_posts_of_other_languages_are_kept_unscored(fields: dict[str, Any], language: str | None, scored: bool) -> None:
    """They are asked nothing, keep their mentions without a score and are flagged and counted; the others are not."""
    fold, counted = PostsFold(MATCHER), POSTS_FLAGGED.labels("foreign")
    before = counted._value.get()
    assert bool(fold.questions([post(**fields)])) == scored
    out, mention = feed(fold, post(**fields))
    assert (out.language, out.sentiment is not None, mention.score is not None) == (language, scored, scored)
    assert out.flags == mention.flags == (() if scored else ("foreign",))
    assert counted._value.get() - before == (not scored)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_texts_come_out_bounded_and_explained(name: str) -> None:
    """At most 64 mentions and 25 questions of 2,000 characters, records that encode, flags that say why."""
    text, asked = HOSTILE[name], PostsFold(MATCHER).questions([post(HOSTILE[name])])
    assert len(asked) <= 25
    assert all(len(question) <= SCORED_CHARACTERS for question in asked)
    scored, *mentions = feed(PostsFold(MATCHER), post(text))
    assert len(mentions) == len(scored.mentions) <= 64
    assert ("long" in scored.flags) == (len(text) > SCORED_CHARACTERS)
    assert ("crowded" in scored.flags) == (len(mentions) == 64) == (name == "ten thousand cashtags")
    assert all(encode(record) for record in (scored, *mentions))
    assert all(len(mention.words) <= 10 and 0 <= mention.spam <= 1 for mention in mentions)


def test_a_post_without_an_instrument_is_passed_on_unscored() -> None:
    """Nothing is asked about it, and its sentiment is null, not neutral."""
    fold = PostsFold(MATCHER)
    assert fold.questions([post("nothing to see")]) == []
    (scored,) = feed(fold, post("nothing to see"))
    assert scored.mentions == ()
    assert scored.sentiment is None


def test_a_post_without_an_answer_has_no_score() -> None:
    """Where the model failed on a text, every score field is null."""
    _, mention = (emit.record for emit in PostsFold(MATCHER).fact(RAW_POSTS, post(), None, {}))
    assert (mention.score, mention.label, mention.model) == (None, None, None)


def test_questions_are_asked_once_and_change_nothing() -> None:
    """Equal texts are one question; asking leaves no trace in the state."""
    fold = PostsFold(MATCHER)
    records = [post(), post(post_id="2"), post("gone", post_id="3", deleted=True), post("GameStop too", post_id="4")]
    assert fold.questions(records) == ["tesla is up", "GameStop too"]
    assert list(fold.dump()) == []
    assert len(feed(fold, records[0])) == 2


@pytest.mark.parametrize(
    "record",
    [
        post(source=""),
        post(source="a:b"),
        post(source="a,b"),
        post(post_id=""),
        post(at=0),
        post(at=253_402_300_799 * SECOND, ingest_time=0),
        post(ingest_time=BEGIN - 301 * SECOND),
        post(revision=-1),
    ],
)
def test_what_cannot_be_a_post_is_poison_and_leaves_no_trace(record: RawPost) -> None:
    """No identity, a name that breaks keys, an impossible time or revision: invalid, state untouched."""
    fold = PostsFold(MATCHER)
    with pytest.raises(PoisonError) as caught:
        fold.fact(RAW_POSTS, record, None, {})
    assert caught.value.reason == "invalid"
    assert list(fold.dump()) == []


def test_five_minutes_ahead_is_still_valid() -> None:
    """A post may be 5 minutes past its own ingest_time, and one without ingest_time is not judged."""
    fold = PostsFold(MATCHER)
    assert feed(fold, post(ingest_time=BEGIN - 300 * SECOND))
    assert feed(fold, post(post_id="2", ingest_time=0))


@pytest.mark.parametrize(
    "again",
    [
        post(revision=1),
        post("tesla is up", revision=1, likes=9),
        post("tesla is up", revision=2),
        post("older text of tesla", revision=0),
        post("tesla is up", revision=1, at=BEGIN + HOUR),
    ],
)
def test_duplicates_leave_no_trace(again: RawPost) -> None:
    """The same revision, the same content under a higher one, and an older revision come to nothing."""
    fold = PostsFold(MATCHER)
    feed(fold, post(revision=1))
    assert feed(fold, again) == []


def test_a_duplicate_of_content_still_raises_the_highest_revision() -> None:
    """After revision 5 said the same as 1, revision 3 is older, whatever it says."""
    fold = PostsFold(MATCHER)
    feed(fold, post(revision=1))
    feed(fold, post(revision=5))
    assert feed(fold, post("tesla is down", revision=3)) == []
    assert feed(fold, post("tesla is down", revision=6))


def test_identity_is_source_and_post_id() -> None:
    """The same id of another source is another post."""
    fold = PostsFold(MATCHER)
    assert feed(fold, post())
    assert feed(fold, post(source="reddit"))


def test_a_revision_takes_back_the_symbols_that_it_no_longer_names() -> None:
    """What the last revision named and this one does not gets a deleted Mention of this revision; the rest as usual."""
    fold = PostsFold(MATCHER)
    feed(fold, post("tesla and GameStop"))
    scored, *mentions = feed(fold, post("AT&T and GameStop", revision=1))
    assert [(m.symbol, m.deleted, m.revision) for m in mentions] == [
        ("GME", False, 1),
        ("T", False, 1),
        ("TSLA", True, 1),
    ]
    assert mentions[2].score is None
    assert [m.symbol for m in scored.mentions] == ["GME", "T"]
    _, *again = feed(fold, post("AT&T alone", revision=2))
    assert [(m.symbol, m.deleted) for m in again] == [("T", False), ("GME", True)]


def test_a_deletion_takes_back_every_mention_and_forgets_the_author() -> None:
    """A deleted post has no score, no author and no address, and its symbols get deleted Mentions."""
    fold = PostsFold(MATCHER)
    feed(fold, post("tesla and GameStop", author="a", url="u"))
    deletion = post("", revision=1, deleted=True, author="a", url="u")
    assert fold.questions([deletion]) == []
    scored, *mentions = feed(fold, deletion)
    assert (scored.deleted, scored.author, scored.url, scored.mentions, scored.sentiment) == (
        True,
        None,
        None,
        (),
        None,
    )
    assert [(m.symbol, m.deleted, m.author, m.url) for m in mentions] == [
        ("GME", True, None, None),
        ("TSLA", True, None, None),
    ]
    assert feed(fold, replace(deletion, revision=2)) == []
    assert len(feed(fold, post("tesla is back", revision=3))) == 2


def test_lateness_is_judged_against_the_watermark() -> None:
    """More than two hours behind is late, on the post and its mentions; exactly two hours, or no watermark, is not."""
    for behind, flags in ((2 * HOUR + 1, ("late",)), (2 * HOUR, ()), (-HOUR, ())):
        out = feed(PostsFold(MATCHER), post(), BEGIN + behind)
        assert [record.flags for record in out] == [flags, flags]
    assert feed(PostsFold(MATCHER), post(), None)[0].flags == ()


def test_posts_are_remembered_for_thirty_days_of_event_time() -> None:
    """A duplicate is one until the watermark is 30 days (and the rest of its ten minutes) past it."""
    fold = PostsFold(MATCHER)
    feed(fold, post())
    fold.advance(BEGIN + 30 * DAY)
    assert feed(fold, post()) == []
    fold.advance(BEGIN + 30 * DAY + SLICE)
    assert feed(fold, post())


def test_forgotten_slices_are_deleted_from_the_snapshot() -> None:
    """What is dropped from memory is dropped from the state topic."""
    fold = PostsFold(MATCHER)
    feed(fold, post())
    ((key, value),) = fold.dump()
    assert value is not None
    assert list(fold.dump()) == []
    fold.advance(BEGIN + 31 * DAY)
    assert list(fold.dump()) == [(key, None)]


def test_a_later_revision_moves_a_post_to_a_later_slice() -> None:
    """It is remembered from its latest time on: the slice it came from takes nothing of it along."""
    fold = PostsFold(MATCHER)
    feed(fold, post())
    feed(fold, post("tesla was up", at=BEGIN + HOUR, ingest_time=BEGIN + HOUR, revision=1))
    restored = PostsFold(MATCHER)
    for key, value in fold.dump():
        assert value is not None
        restored.load(key, value)
    for each in (fold, restored):
        each.advance(BEGIN + 30 * DAY + SLICE)
        assert feed(each, post()) == []
        each.advance(BEGIN + 30 * DAY + HOUR + SLICE)
        assert feed(each, post())


def test_snapshots_stay_small_and_write_only_what_changed() -> None:
    """A burst in ten minutes is split in parts; one more post writes one part."""
    fold = PostsFold(MATCHER)
    for number in range(2 * PART_POSTS + 10):
        fold.fact(RAW_POSTS, post("tesla", str(number)), None, {})
    sizes = [len(value or b"") for _, value in fold.dump()]
    assert len(sizes) == 3
    assert max(sizes) < 100_000
    fold.fact(RAW_POSTS, post("tesla", "one more"), None, {})
    assert len(list(fold.dump())) == 1


def test_clock_notes_carry_sources_and_blind_spans_once() -> None:
    """Sources are told with every clock, blind spans once; origins that never carry posts are left out."""
    fold = PostsFold(MATCHER)
    for origin, blind_from in (("x/a", 5), ("yahoo/a", 5), ("bluesky/b", None), ("x/a", None), ("x/b", 40)):
        fold.heard(Clock(kind="time", origin=origin, time=50, blind_from=blind_from))
    assert fold.clock_notes() == (("bluesky", "x"), (Blind("x", 5, 50), Blind("x", 40, 50)))
    assert fold.clock_notes() == (("bluesky", "x"), ())


TEXTS = ("tesla is up", "GameStop fell", "tesla and GameStop", "$T $TSLA", "nothing", "")
POSTS_OF_A_HISTORY = st.builds(
    post,
    text=st.sampled_from(TEXTS),
    post_id=st.sampled_from("123"),
    at=st.integers(0, 40).map(lambda days: BEGIN + days * DAY),
    revision=st.integers(0, 4),
    deleted=st.booleans(),
    source=st.sampled_from(("x", "reddit")),
)
CLOCKS = st.builds(
    lambda days, blind: Clock(kind="time", origin="x/1", time=BEGIN + days * DAY, blind_from=blind),
    st.integers(0, 70),
    st.none() | st.just(BEGIN - HOUR),
)
STEPS = st.lists(POSTS_OF_A_HISTORY | CLOCKS, max_size=40)


def run(fold: PostsFold, step: RawPost | Clock, watermark: int) -> tuple[list[Any], int]:
    """One step of a history; what comes out, and the watermark after it."""
    if isinstance(step, RawPost):
        return [*emits(fold, step, watermark)], watermark
    fold.heard(step)
    if step.time <= watermark:
        return [], watermark
    return [*fold.advance(step.time), fold.clock_notes()], step.time


@settings(max_examples=150, deadline=None)
@given(STEPS, st.sets(st.integers(0, 40)))
def test_dumping_and_loading_anywhere_is_invisible(steps: list[RawPost | Clock], cuts: set[int]) -> None:
    """A fold restored from its snapshots at any points of any history goes on as one that never stopped."""
    whole, broken, stored = PostsFold(MATCHER), PostsFold(MATCHER), dict[str, bytes]()
    mark = BEGIN
    for number, step in enumerate(steps):
        expected, after = run(whole, step, mark)
        got, _ = run(broken, step, mark)
        mark = after
        assert got == expected
        if number in cuts:
            for key, value in broken.dump():
                stored.pop(key, None)
                if value is not None:
                    stored[key] = value
            broken = PostsFold(MATCHER)
            for key in sorted(stored):
                broken.load(key, stored[key])
            assert list(broken.dump()) == []


@settings(max_examples=150, deadline=None)
@given(st.lists(POSTS_OF_A_HISTORY, max_size=40))
def test_what_stands_at_the_end_is_what_the_last_revisions_name(records: list[RawPost]) -> None:
    """Mentions not deleted, of the highest revision per post and symbol, are those of each post's last change."""
    fold, standing, last = PostsFold(MATCHER), dict[tuple[str, str, str], Mention](), dict[tuple[str, str], RawPost]()
    for record in records:
        out = feed(fold, record)
        if out:
            last[record.source, record.post_id] = record
        for mention in out[1:]:
            standing[mention.source, mention.post_id, mention.symbol] = mention
    named = {key for key, mention in standing.items() if not mention.deleted}
    assert named == {
        (*key, mention.symbol)
        for key, record in last.items()
        if not record.deleted
        for mention in MATCHER.find(record.text, (), record.event_time)
    }


@settings(max_examples=100, deadline=None)
@given(st.lists(POSTS_OF_A_HISTORY, max_size=30))
def test_every_key_is_emitted_once_per_revision(records: list[RawPost]) -> None:
    """(source, post_id, revision) of posts and (symbol, source, post_id, revision) of mentions never repeat."""
    fold = PostsFold(MATCHER)
    out = [record for raw in [*records, *records] for record in feed(fold, raw)]
    keys = [(getattr(r, "symbol", ""), r.source, r.post_id, r.revision) for r in out]
    assert len(keys) == len(set(keys))


def test_a_post_that_names_an_instrument_unsurely_is_flagged_and_not_scored() -> None:
    """What is below the set confidence gives no mention and no score, and can be counted."""
    strict = PostsFold(Matcher(InstrumentTable([Instrument(symbol="TSLA", name="T", aliases=("Tesla",))]), least=0.98))
    (out,) = feed(strict, post("tesla is up"))
    assert (out.mentions, out.sentiment, out.flags) == ((), None, ("unsure_mention",))
    assert feed(PostsFold(MATCHER), post("tesla is up"))[0].flags == ()
