"""Company names in their normal form."""

import pytest

from infra.names import name_words, names_of, normal_name, short_name


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("Tesla, Inc. - Common Stock", "tesla"),
        ("AT&T Inc.", "at&t"),
        ("The Walt Disney Company", "walt disney"),
        ("Moody's Corporation", "moody s"),
        ("Telefónica S.A.", "telefónica"),
        ("Mitsui & Co.", "mitsui"),
        ("Icahn Enterprises L.P.", "icahn enterprises"),
        ("Alphabet Inc. Class A Common Stock", "alphabet"),
        ("NIO Inc. American depositary shares, each representing one Class A share", "nio"),
        ("Procter & Gamble Company (The)", "procter & gamble"),
        ("Inc.", "inc"),
    ],
)
def test_short_names_lose_legal_forms_and_what_listings_add(name: str, short: str) -> None:
    """What is left of a listing's name is what people call the company."""
    assert short_name(name) == short


@pytest.mark.parametrize(
    "name", ["Acme Corp. - Warrants", "Acme Corp. - Rights", "Acme 6.5% Notes due 2030", "Acme Units"]
)
def test_derived_securities_have_no_name(name: str) -> None:
    """The name on a warrant, unit, right or note means the company's common share, so it finds nothing."""
    assert names_of(name) == ()


def test_names_and_texts_meet_in_one_normal_form() -> None:
    """Case, punctuation, apostrophes of either kind and wide letters make no difference."""
    assert normal_name("Coca-Cola") == normal_name("COCA COLA") == normal_name("Ｃｏｃａ－Ｃｏｌａ") == "coca cola"
    assert name_words("McDonald’s") == name_words("mcdonald's") == ["mcdonald", "s"]


def test_full_name_comes_before_the_short_one() -> None:
    """Both the full and the short form of a name are looked for."""
    assert names_of("Apple Inc.") == ("apple inc", "apple")
