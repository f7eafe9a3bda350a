"""What a post says of each of several instruments: its clauses, and whose they are."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.clauses import MOST_CLAUSES, clauses, own_texts

NAMES = ("alpha", "beta", "gamma")
WORDS = st.sampled_from(
    [*NAMES, "falls", "gains", "reports", "the", "and", "while", ", ", ". ", "; ", "\n", " - ", "5%"]
)
TEXTS = st.one_of(st.lists(WORDS, max_size=40).map(" ".join), st.text(max_size=300))


def named(clause: str) -> list[str]:
    """Those of three names that stand in a clause."""
    return [name for name in NAMES if name in clause.lower()]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("alpha and beta fall", ("alpha and beta fall",)),
        ("alpha falls, beta gains", ("alpha falls", "beta gains")),
        ("alpha falls while beta and gamma gain", ("alpha falls", "beta and gamma gain")),
        ("alpha, beta gain 2% but gamma drops", ("alpha, beta gain 2%", "gamma drops")),
        ("Loving alpha. Beta is a scam! Sold it.", ("Loving alpha", "Beta is a scam", "Sold it.")),
        ("I hate $ALPHA. Love $F. BETA CRASHES. GAMMA", ("I hate $ALPHA", "Love $F", "BETA CRASHES", "GAMMA")),
        ("alpha &amp; beta &gt; gamma; S&P;", ("alpha &amp; beta &gt; gamma", "S&P")),
        ("U.S. sales of A.I. chips and the U.S. plant", ("U.S. sales of A.I. chips and the U.S. plant",)),
        ("alpha reports on Tuesday; beta tomorrow", ("alpha reports on Tuesday", "beta tomorrow")),
        ("sales of 3.5 mn, up from 2.1 mn", ("sales of 3.5 mn, up from 2.1 mn",)),
        ("", ()),
        (" \n ; ", ()),
    ],
)
def test_a_text_is_cut_where_moods_may_differ(text: str, parts: tuple[str, ...]) -> None:
    """Between sentences always; at commas and joining words where a mood stands on both sides."""
    assert clauses(text) == parts


@pytest.mark.parametrize(
    ("text", "own"),
    [
        ("alpha falls, beta gains", {"alpha": "alpha falls", "beta": "beta gains"}),
        ("alpha is great. Really good. beta is bad", {"alpha": "alpha is great. Really good", "beta": "beta is bad"}),
        ("oh! alpha falls; beta, gamma", {"alpha": "alpha falls", "beta": "beta, gamma", "gamma": "beta, gamma"}),
        ("alpha falls, beta gains; alpha recovers", {"alpha": "alpha falls. alpha recovers", "beta": "beta gains"}),
        ("alpha and beta. Both will gain", {}),
        ("alpha falls, it is bad", {}),
        ("alpha, beta", {}),
    ],
)  # fmt: skip
def test_each_name_has_its_clauses(text: str, own: dict[str, str]) -> None:
    """Those that name it and what follows them; no answer where all are named together or only one is."""
    assert own_texts(clauses(text), named) == own


@settings(max_examples=200, deadline=None)
@given(TEXTS)
def test_clauses_are_bounded_and_lose_no_word(text: str) -> None:
    """At most 24, none empty; the words are the text's in order, less the joining ones that were cut out."""
    parts = clauses(text)
    assert len(parts) <= MOST_CLAUSES
    assert all(part.strip() for part in parts)
    left = iter(text)
    assert all(letter in left for part in parts for letter in part if letter.isalnum())


@settings(max_examples=200, deadline=None)
@given(TEXTS)
def test_an_own_text_names_its_owner(text: str) -> None:
    """Whoever has a text of their own is named in it, and never has another's clauses only."""
    for name, own in own_texts(clauses(text), named).items():
        assert name in named(own)


def test_a_crowd_of_clauses_is_bounded_work() -> None:
    """However many sentences a text has, at most 24 clauses are looked at."""
    asked: list[str] = []
    own_texts(clauses("alpha falls. " * 5000 + "beta gains"), lambda clause: asked.append(clause) or named(clause))
    assert len(asked) <= MOST_CLAUSES
