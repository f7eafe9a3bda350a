"""Several scorers of one machine: who they are, and who is asked about a text."""

from collections import Counter
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from infra.settings import Settings
from moodtape.pipeline import children
from streams.scoring.cache import plain_text
from streams.scoring.wire import address_file, scorer_of


def names(settings: Settings) -> list[str]:
    """Names of the scorers that the supervisor starts."""
    return [child.name for child in children(settings, 1) if child.arguments[0] == "score"]


def test_the_supervisor_starts_as_many_scorers_as_are_asked_for() -> None:
    """One by default, each with a number of its own; none where the user names one elsewhere."""
    assert names(Settings()) == ["score-1"]
    assert names(Settings(scorer_processes=3)) == ["score-1", "score-2", "score-3"]
    assert names(Settings(scorer_processes=3, scorer_url="http://elsewhere:9100")) == []
    arguments = [tuple(child.arguments[-2:]) for child in children(Settings(scorer_processes=2), 1)[:2]]
    assert arguments == [("--number", "1"), ("--number", "2")]


def test_each_scorer_has_an_address_of_its_own(tmp_path: Path) -> None:
    """That of the first is the one that there was when there were no others."""
    assert [address_file(tmp_path, number).name for number in (1, 2, 3)] == [
        "score.json",
        "score-2.json",
        "score-3.json",
    ]


def test_a_text_has_the_same_scorer_in_every_process_and_version() -> None:
    """Literals: a worker of another machine or build must not ask another scorer, which has not cached it."""
    texts = ("shares surge", "shares plunge", "the sky is wide", "")
    assert [scorer_of(text, 2) for text in texts] == [1, 2, 1, 1]
    assert [scorer_of(text, 5) for text in texts] == [3, 3, 1, 1]


def test_scorers_have_even_shares() -> None:
    """Of 4,000 texts each of four scorers gets a quarter, give or take a tenth of it."""
    found = Counter(scorer_of(f"post number {number}", 4) for number in range(4000))
    assert sorted(found) == [1, 2, 3, 4]
    assert all(900 <= count <= 1100 for count in found.values())


@given(st.text(st.characters(exclude_categories=())), st.integers(1, 64))
def test_texts_that_are_scored_as_one_have_one_scorer(text: str, scorers: int) -> None:
    """Any text has one, half a surrogate too; more spaces make no other."""
    assert 1 <= scorer_of(text, scorers) <= scorers
    assert scorer_of(f" {plain_text(text)}\n", scorers) == scorer_of(text, scorers)
