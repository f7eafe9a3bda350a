"""What is said of a text without a model."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.records import RawPost
from streams.text import fingerprint, keywords, language_of, normalise, spam_score, without_links, words_of

SENTENCE = (
    "the new plant opens in spring and the orders keep coming in faster than anyone in the city had thought possible"
)


def spam(text: str, *symbols: str) -> float:
    """Likeness to spam of a post."""
    return spam_score(normalise(text), RawPost(source="x", post_id="1", event_time=1, text=text, symbols=symbols))


def distance(a: str, b: str) -> int:
    """Bits in which two texts' fingerprints differ."""
    one, two = fingerprint(normalise(a)), fingerprint(normalise(b))
    assert one is not None
    assert two is not None
    return ((one ^ two) & (2**64 - 1)).bit_count()


def test_links_addresses_and_handles_go() -> None:
    """URLs, paths below a host, e-mail addresses and handles are replaced by spaces; the rest stays."""
    text = "a https://x.example/q?s=1 b www.example.com c me@example.com d @someone e x.example/path f 3/4"
    assert without_links(text).split() == ["a", "b", "c", "d", "e", "f", "3/4"]
    assert without_links("a bit.ly/x b BIT.LY/X c a.b.c.co.uk/x/y d").split() == ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    "text", ["VOD.L/BP.L", "$BRK.B/$AAPL/$TSLA", "RIO.AX/BHP.AX", "$TSLA.up/down", "9.5/10", "$71.4/share"]
)
def test_no_host_no_link(text: str) -> None:
    """Symbols, prices and marks with a bar between them stay."""
    assert without_links(text) == text


def test_normal_form() -> None:
    """Compatibility forms, case, surplus spaces and the mark of a repost make no difference."""
    assert normalise("RT @someone: Ｔhe\n NEW   plant") == normalise("the new plant ") == "the new plant"


def test_keywords_are_the_first_ten_worth_counting() -> None:
    """Stop words, numbers, cashtags and short words do not count; hashtags do, without their sign."""
    text = normalise("The $TSLA earnings of 2022 beat the #Forecast, and earnings beat 5% it's Musk's plant")
    assert keywords(words_of(text)) == ("earnings", "beat", "forecast", "musk", "plant")
    assert len(keywords(words_of("alpha bravo charlie delta echo foxtrot golf hotel india juliet kilo lima"))) == 10


def test_a_text_without_a_pair_of_words_has_no_fingerprint() -> None:
    """One word or none is too little to tell copies by."""
    assert fingerprint("") is None
    assert fingerprint("moon") is None
    assert fingerprint("🚀 🚀") is None


def test_fingerprints_are_these_for_ever() -> None:
    """A stored fingerprint must be comparable with tomorrow's: the function is part of the contract."""
    assert fingerprint("to the moon") == 4618452739402829844


def test_copies_are_near_and_other_texts_are_far() -> None:
    """A repost differs in no bit, one changed word of many in few, another text in many."""
    assert distance(SENTENCE, f"RT @someone: {SENTENCE.upper()} https://x.example/1") == 0
    assert distance(SENTENCE, SENTENCE.replace("city", "town")) < 16
    assert (
        distance(SENTENCE, "a judge has stopped the sale of the northern mines until the owners show their books") > 16
    )


@settings(max_examples=200, deadline=None)
@given(st.text())
def test_any_text_is_answered(text: str) -> None:
    """No text breaks a function; fingerprints are signed 64-bit numbers, likeness to spam is in [0, 1]."""
    plain = normalise(text)
    mark = fingerprint(plain)
    assert mark is None or -(2**63) <= mark < 2**63
    assert 0.0 <= spam(text) <= 1.0
    assert len(keywords(words_of(plain))) <= 10
    language_of(plain, None)


@pytest.mark.parametrize(
    ("text", "given_tag", "language"),
    [
        ("the plant is open and they sell to all of us", None, "en"),
        ("el precio de la acción está muy alto y no es lo que queremos", None, "es"),
        ("die Aktie ist heute nicht mehr das was sie war und das ist gut", None, "de"),
        ("株価が上がっている", None, "ja"),
        ("акции растут", None, "ru"),
        ("주가가 오른다", None, "ko"),
        ("$TSLA 🚀", None, None),
        ("the plant is open and they sell", "DE", "de"),
        ("the plant is open and they sell", "en-US", "en"),
        ("die Aktie ist heute nicht mehr das was sie war", "und", "de"),
        ("$TSLA 🚀", "qme", None),
        ("aktien stiger och det är inte slut", None, "sv"),
        ("hissesi bugün çok yükseliyor", None, "tr"),
        ("η μετοχή ανεβαίνει", None, "el"),
        ("", "", None),
    ],
)
def test_language(text: str, given_tag: str | None, language: str | None) -> None:
    """The source's tag wins; else script or little words tell; else it is unknown."""
    assert language_of(normalise(text), given_tag) == language


@pytest.mark.parametrize(
    "text",
    [
        "Join our chat room for free signals: https://x.example/a https://x.example/b",
        "$AAA $BBB $CCC $DDD $EEE $FFF $GGG $HHH $III $JJJ look at these",
        "DM me for a free trial, guaranteed, subscribe now",
        "#a #b #c #d #e #f join us",
        "Worth a look: $AAA $BBB $CCC #equity https://x.example/a",
    ],
)
def test_promotion_looks_like_spam(text: str) -> None:
    """Promotion, boards of instruments, many hashtags: each reaches the half that keeps a post out of moods."""
    assert spam(text) >= 0.5


@pytest.mark.parametrize(
    "text",
    [
        "GME to the moon",
        "I sold half of my $TSLA and $AAPL today, too much risk",
        "$AAA fell after its rivals $BBB and $CCC had said that they would cut prices this autumn https://x.example/a",
        "Long $AAA, short $BBB and $CCC",
        SENTENCE,
        "🚀🚀🚀🚀🚀🚀🚀🚀 GME",
        "",
    ],
)
def test_talk_does_not_look_like_spam(text: str) -> None:
    """What people say to each other stays well below a half."""
    assert spam(text) < 0.2


def test_a_messenger_in_the_news_is_no_promotion() -> None:
    """A company that is bought is not advertised; a group in it is."""
    assert spam("$FB pays for WhatsApp https://x.example/a https://x.example/b") == 0.3
    assert spam("Our WhatsApp group knows $FB https://x.example/a https://x.example/b") >= 0.5
