"""Which instruments a post names."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from infra.clock import from_rfc3339
from infra.instruments import shipped_table
from streams import rules
from streams.matching import MAX_MENTIONS, Matcher

MATCHER = Matcher(shipped_table())


def found(text: str, *tagged: str, at: int | None = None) -> dict[str, str]:
    """Symbol -> rule."""
    return {mention.symbol: mention.rule for mention in MATCHER.find(text, tagged, at)}


@pytest.mark.parametrize(
    ("text", "symbols"),
    [
        ("$TSLA to the sky", {"TSLA": "cashtag"}),
        ("i sold my $tsla today", {"TSLA": "cashtag"}),
        ("$BRK.B, $brk.b and $BRK-B are one", {"BRK-B": "cashtag"}),
        ("holding $GME.", {"GME": "cashtag"}),
        ("$GME.Still holding", {"GME": "cashtag"}),
        ("$AAPL$MSFT are up", {"AAPL": "cashtag", "MSFT": "cashtag"}),
        ("long $VOD.L here", {"VOD.L": "exchange"}),
        ("$BTC.X never sleeps", {"BTC-USD": "cashtag"}),
        ("$ZZYQ is new here", {"ZZYQ": "cashtag_unknown"}),
        ("$ZZYQ.A is its class A", {"ZZYQ-A": "cashtag_unknown"}),
        ("GME to the moon", {"GME": "bare"}),
        ("buying BRK.B and AAPL", {"BRK-B": "bare", "AAPL": "bare"}),
        ("TSLA@400 was cheap, #AAPL too", {"TSLA": "bare", "AAPL": "bare"}),
        ("tesla and gamestop opened flat", {"TSLA": "name", "GME": "name"}),
        ("TeSLa's new plant", {"TSLA": "name"}),
        ("at&t, coca-cola and Procter & Gamble pay", {"T": "name", "KO": "name", "PG": "name"}),
        ("Apple Inc. reports on Tuesday", {"AAPL": "name"}),
        ("ford beats general motors", {"F": "name", "GM": "name"}),
        ("Ｔｅｓｌａ in wide letters", {"TSLA": "name"}),
        ("GME 🚀🚀", {"GME": "bare"}),
        ("GME AMC", {"GME": "bare", "AMC": "bare"}),
        ("why I sold Apple last week", {"AAPL": "name_capital"}),
        ("Visa shares slide", {"V": "name_capital"}),
        ("loving my new phone #Apple", {"AAPL": "name_capital"}),
        ("Oracle And Tesla Sign A Deal", {"ORCL": "name_capital", "TSLA": "name"}),
        ("johnson &amp; johnson, AT&amp;T", {"JNJ": "name", "T": "name"}),
        ("$AAPL, $MSFT/$GME", {"AAPL": "cashtag", "MSFT": "cashtag", "GME": "cashtag"}),
        ("$BRK.C and $es_f, $ES_F", {"BRK-C": "cashtag_unknown", "ES-F": "cashtag_unknown"}),
        ("$BTC over $SPX, $eth too", {"BTC-USD": "cashtag", "^GSPC": "cashtag", "ETH-USD": "cashtag"}),
        ("$005930.KS and $RELIANCE.NS", {"005930.KS": "exchange", "RELIANCE.NS": "exchange"}),
        ("$ZZOOT.NS of another market", {"ZZOOT.NS": "exchange_unknown"}),
        ("GameStop (NYSE: GME) soars", {"GME": "exchange"}),
        ("nasdaq:TSLA, NYSE American: ZZYQ", {"TSLA": "exchange", "ZZYQ": "exchange_unknown"}),
        ("LON:VOD, HKEX: 700", {"VOD.L": "exchange", "0700.HK": "exchange"}),
        ("the one in London (LON: VOD)", {"VOD.L": "exchange"}),
        (
            "sold RELIANCE.NS and 005930.KS, kept 999990.KS",
            {"RELIANCE.NS": "exchange", "005930.KS": "exchange", "999990.KS": "exchange_unknown"},
        ),
        ("Terex Corp. (TEX) pays", {"TEX": "name_listed"}),
        ("the maker of satellites (ASTS) pays", {"ASTS": "bare_listed"}),
        ("I think that Krispy Kreme opened another store here", {"DNUT": "name_listed"}),
        ("they sold BB calls", {"BB": "traded"}),
        ("why I bought F again", {"F": "traded"}),
        ("ASTS 30c for March", {"ASTS": "traded"}),
        ("the VIX and NDX are down", {"^VIX": "bare", "^NDX": "bare"}),
        ("bitcoin and dogecoin, the nikkei", {"BTC-USD": "name", "DOGE-USD": "name", "^N225": "name"}),
        ("$BRK.B/$AAPL/$TSLA", {"BRK-B": "cashtag", "AAPL": "cashtag", "TSLA": "cashtag"}),
        ("$BRK/B but $GME/AMC", {"BRK-B": "cashtag", "GME": "cashtag", "AMC": "bare"}),
        ("VOD.L/BP.L", {"VOD.L": "exchange", "BP.L": "exchange"}),
        ("$700.HK, 700.HK and HKG:700", {"0700.HK": "exchange"}),
        ("$ZZYQ.a and $ZZYX_f", {"ZZYQ-A": "cashtag_unknown", "ZZYX-F": "cashtag_unknown"}),
        ("two makers (NASDAQ: TSLA, AAPL)", {"TSLA": "exchange", "AAPL": "exchange"}),
        (
            "(NYSE: F, GM and GME; LON: BP)",
            {"F": "exchange", "GM": "exchange", "GME": "exchange", "BP.L": "exchange"},
        ),
        ("two more (NYSE: SNAP, ARM)", {"SNAP": "exchange", "ARM": "exchange"}),
        ("NYSE: GME, ALL of it", {"GME": "exchange"}),
        ("small (LON: ZZYQ)", {"ZZYQ.L": "exchange_unknown"}),
        ("Agilent (NYSE: A) and $NOK", {"A": "exchange", "NOK": "cashtag"}),
        ("NASDAQ: NDX and SHA:600519", {"^NDX": "exchange", "600519.SS": "exchange"}),
        ("bought 5 $NOK calls, then $HKD", {"NOK": "cashtag", "HKD": "cashtag"}),
        ("$USD beside $TSLA", {"USD": "cashtag", "TSLA": "cashtag"}),
        ("amazon.com and booking.com grow", {"AMZN": "name", "BKNG": "name"}),
    ],
)
def test_instruments_are_found(text: str, symbols: dict[str, str]) -> None:
    """Each rule finds what it is for."""
    assert found(text) == symbols


@pytest.mark.parametrize(
    "text",
    [
        "",
        "an apple a day, and a target to hit",
        "Apple pie for everyone",
        "The Visa Of My Dreams Came Today",
        "she said. Oracle of Delphi",
        "gme and tsla in small letters",
        "ALL are ON it NOW, CEO said YES",
        "GME TO THE MOON",
        "it costs $5, $5M or $1.50",
        "$hit happens, A$AP played",
        "see https://example.com/TSLA and www.example.com/GME or example.com/stocks/GME?s=AAPL",
        "write to tesla@example.com or info@gamestop.com",
        "thanks @tesla and @GME",
        "teslacoil pretesla GMEX",
        "$TSLAXYZ",
        "a-GME-b and GME_x",
        "run `GME --buy` or ```import TSLA``` or ```AMC",
        "raised 12 $M, 3.5 $bn and (in $B) more",
        "I sold MY calls and ALL puts, buy NOW",
        "the u.s. and Q1.L and 12.5.KS",
        "krispy kreme in small letters, terex too",
        "ASTS beside nothing",
        "Visa applications open, companies shell out for shares",
        "ABBÁ and ÉGME",
        "Nasdaq: 2.3% and NASDAQ: 15,000, NYSE: 10 new highs, NSE: 18000, HKEX: 24,000",
        "NYSE: HALTED at 10:30 IST: OPEN, SIX: HOURS, BIT: COIN",
        "mended CVE:2021-1234 of CVE: ABCD",
        "NYSE: A new high, NASDAQ: DOWN",
        "in $USD 500, 300 $CAD, 1.5k $EUR, $HKD 12 and 2 million $INR",
        "$US, $EUR, $GBP; $USD/JPY and $EUR/$USD",
        "it cost 3500.TO or $5000.IS",
        "read it on tesla.com, www.tesla.com or news.gamestop.com",
        "bit.ly/tesla, BIT.LY/GME and Reuters.com/tesla/GME",
    ],
)
def test_nothing_is_found(text: str) -> None:
    """English words, small letters, shouting, money, links, addresses, handles and parts of words name nothing."""
    assert found(text) == {}


def test_a_shouted_post_lends_no_bare_word_but_its_cashtags_and_names_count() -> None:
    """Capitals tell nothing in a post that is all in capitals."""
    assert found("BUY $AMC AND GME AND TESLA") == {"AMC": "cashtag", "TSLA": "name"}


def test_tags_of_the_source_count_known_or_not() -> None:
    """A known tag is surer than a name; one of symbol form counts less; others do not."""
    mentions = MATCHER.find("tesla", ["tsla", "$gme", "BRK.B", "ZZYQ", "not a symbol", "TOOLONGX"])
    assert {m.symbol: (m.rule, m.confidence) for m in mentions} == {
        "BRK-B": ("tag", 0.97),
        "GME": ("tag", 0.97),
        "TSLA": ("tag", 0.97),
        "ZZYQ": ("tag_unknown", 0.7),
    }


@pytest.mark.parametrize(
    ("tag", "symbols"),
    [
        ("BTC", {"BTC-USD": "tag"}),
        ("$SPX", {"^GSPC": "tag"}),
        ("BTC.X", {"BTC-USD": "tag"}),
        ("btc-usd", {"BTC-USD": "tag"}),
        ("^GSPC", {"^GSPC": "tag"}),
        ("BRK/B", {"BRK-B": "tag"}),
        ("VOD.L", {"VOD.L": "tag"}),
        ("700.HK", {"0700.HK": "tag"}),
        ("ZZYQ.TO", {"ZZYQ.TO": "tag_unknown"}),
        ("1234.HK", {"1234.HK": "tag_unknown"}),
        ("ZZYQ-PA", {"ZZYQ-PA": "tag_unknown"}),
        ("ZZYQ-LONG", {}),
        ("EUR", {}),
    ],
)
def test_tags_are_read_as_cashtags_are(tag: str, symbols: dict[str, str]) -> None:
    """Nicknames, suffixes of markets and coins, classes of shares; a tag and the cashtag that it repeats are one."""
    assert found("nothing more", tag) == symbols
    assert set(found(f"the ${tag.strip('$').upper()}", tag)) >= set(symbols)


def test_money_that_the_source_took_for_a_tag_is_none() -> None:
    """Where the text shows the sum; a currency that stands nowhere in the text is the fund of that symbol."""
    assert found("it cost $USD 500", "USD") == {}
    assert found("$hit happens", "HIT") == {}
    assert found("a fund", "USD") == {"USD": "tag"}


def test_the_best_rule_is_kept_and_symbols_are_sorted() -> None:
    """An instrument is there once, by its surest rule, in the order of the symbols."""
    mentions = MATCHER.find("Tesla TSLA $TSLA and AAPL", ["TSLA", "AAPL"])
    assert [(m.symbol, m.rule) for m in mentions] == [("AAPL", "tag"), ("TSLA", "cashtag")]


def test_names_mean_the_symbol_of_the_posts_time() -> None:
    """Facebook in March 2022 is FB, and META from June 2022 on."""
    before, after = from_rfc3339("2022-03-14T12:00:00Z"), from_rfc3339("2022-07-01T12:00:00Z")
    assert found("facebook fell", at=before) == {"FB": "name"}
    assert found("facebook fell", at=after) == {"META": "name"}
    assert found("$FB fell", at=before) == {"FB": "cashtag"}
    assert found("$FB and facebook", at=before) == {"FB": "cashtag"}


@pytest.mark.parametrize(
    ("text", "tags", "day", "symbols"),
    [
        ("facebook and $FB", (), "2023-07-01", {"META"}),
        ("facebook and $META", (), "2022-03-01", {"FB"}),
        ("FB (NASDAQ: FB) sinks", ("FB",), "2023-07-01", {"META"}),
        ("$SQ", (), "2025-07-01", {"XYZ"}),
        ("$SQ", (), "2024-07-01", {"SQ"}),
        ("$LB", (), "2025-07-01", {"LB"}),
        ("$WTW", (), "2014-07-01", {"WTW"}),
    ],
)
def test_symbols_mean_those_of_the_posts_time(text: str, tags: tuple[str, ...], day: str, symbols: set[str]) -> None:
    """One series: what was left means what came, what is to come what is, unless another company has or had it."""
    assert set(found(text, *tags, at=from_rfc3339(f"{day}T12:00:00Z"))) == symbols


def test_a_part_of_a_post_is_read_with_the_knowledge_of_the_whole() -> None:
    """Names that need support, symbols that are traded, capitals; no instrument that the whole does not name."""
    read = MATCHER.reader("Tesla plunges. Apple soars, TSLA IS DEAD. I bought BB. ASTS is BB", ("GME",))
    parts = ("Tesla plunges", "Apple soars", "apple pie", "TSLA IS DEAD", "ASTS is BB", "a BBB", "GME", "$MSFT", "")
    named = ({"TSLA"}, {"AAPL"}, set(), {"TSLA"}, {"BB"}, set(), {"GME"}, set(), set())
    assert tuple(read(part) for part in parts) == named
    assert MATCHER.reader("$GM, $UP, $ZZYQ", ())("GM, UP and ZZYQ") == {"GM", "ZZYQ"}
    before = from_rfc3339("2022-03-14T12:00:00Z")
    assert MATCHER.reader("facebook and Apple fall", (), before)("facebook") == {"FB"}


def test_what_is_not_sure_enough_is_told_apart() -> None:
    """Below the set confidence a mention is left out, and the matcher says which; nothing is in both."""
    kept, unsure, _ = MATCHER.judge("ASTS beside $GME", [])
    assert {m.symbol: m.rule for m in kept} == {"GME": "cashtag"}
    assert {m.symbol: m.rule for m in unsure} == {"ASTS": "bare_alone"}
    assert all(mention.confidence < 0.5 for mention in unsure)
    everything = Matcher(shipped_table(), least=0.0).judge("ASTS beside $GME", [])
    assert ({m.symbol for m in everything.mentions}, everything.unsure) == ({"GME", "ASTS"}, ())
    strict = Matcher(shipped_table(), least=0.98).judge("tesla $GME", [])
    assert [m.symbol for m in strict.mentions] == ["GME"]
    assert [m.symbol for m in strict.unsure] == ["TSLA"]


def test_a_community_that_speaks_of_shares_supports_bare_symbols() -> None:
    """ASTS alone is too little anywhere, and enough where every second word is a symbol."""
    assert MATCHER.find("ASTS to the moon", []) == ()
    (mention,) = MATCHER.find("ASTS to the moon", [], None, "WallStreetBets")
    assert (mention.symbol, mention.rule) == ("ASTS", "bare_community")


def test_every_rule_has_a_confidence_and_stands_in_the_table_of_rules() -> None:
    """The documented rules are those that there are."""
    documented = set(re.findall(r"^``(\w+)``", rules.__doc__ or "", re.MULTILINE))
    assert documented == set(rules.CONFIDENCE)
    assert all(0 < confidence < 1 for confidence in rules.CONFIDENCE.values())


@settings(max_examples=400, deadline=None)
@given(st.text(), st.lists(st.text(max_size=12), max_size=5))
@example("\ud800$TSLA\udfff", ["\ud800"])
@example("\x00$\x00", ["$", "#", ""])
@example("İstanbul ﬁrst ß $ſ", [])
def test_any_text_is_answered_in_order_and_the_same_again(text: str, tagged: list[str]) -> None:
    """No text breaks the matcher; symbols are sorted and single, and a matcher without memory says the same."""
    mentions = MATCHER.find(text, tagged)
    symbols = [mention.symbol for mention in mentions]
    assert symbols == sorted(set(symbols))
    assert all(0 < mention.confidence < 1 for mention in mentions)
    assert mentions == MATCHER.find(text, tagged)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.sampled_from(["$TSLA", "GME", "tesla", "up", "AT&T", "https://a.example/GME", "ALL", "5%"]), max_size=12
    )
)
def test_what_stands_apart_is_found_apart(words: list[str]) -> None:
    """Instruments of a text are those of its words, where the words stand apart and the text does not shout."""
    text = "so " + " ".join(words)
    expected = {symbol for word in words for symbol in found(f"so {word}")}
    assert set(found(text)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "$AAPL " * 150_000,
        " ".join(
            f"${a}{b}{c}"
            for a in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
            for b in "ABCDEFGHIJKLMNOPQRST"
            for c in "ABCDEFGHIJKLMNOPQRST"
        ),
        "a" * 1_000_000,
        "a.a" * 330_000,
        "@a" * 500_000,
        "$" * 1_000_000,
        "A-" * 500_000,
        "a/" * 500_000,
        "tesla" * 200_000,
        "é " * 500_000,
        "NYSE:" * 200_000,
        "A." * 500_000,
        "`a" * 500_000,
        "(AAAA)" * 160_000,
        "buy A " * 160_000,
    ],
    ids=[
        "one",
        "many",
        "word",
        "dots",
        "handles",
        "dollars",
        "dashes",
        "slashes",
        "names",
        "accents",
        "prefixes",
        "suffixes",
        "code",
        "brackets",
        "trades",
    ],
)
def test_a_megabyte_of_anything_is_bounded(text: str) -> None:
    """Long texts of nasty forms are answered, with at most 64 instruments; the suite's time-out is the bound."""
    assert len(MATCHER.find(text, ["TSLA"])) <= MAX_MENTIONS


def test_the_surest_mentions_are_kept_where_there_are_too_many() -> None:
    """Of ten thousand cashtags, the known ones are kept before the unknown."""
    unknown = " ".join(f"$Q{a}{b}{c}" for a in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" for b in "QWXYZ" for c in "QWXYZ")
    mentions = MATCHER.find(f"{unknown} $TSLA tesla $GME", [])
    assert len(mentions) == MAX_MENTIONS
    assert {"TSLA", "GME"} <= {mention.symbol for mention in mentions}


def test_crowded_is_what_lost_an_instrument() -> None:
    """Sixty-four fit."""
    symbols = [f"$Q{a}{b}Q" for a in "ABCDEFGHIJKLM" for b in "QWXYZ"]
    assert not MATCHER.judge(" ".join(symbols[:MAX_MENTIONS]), []).crowded
    assert MATCHER.judge(" ".join(symbols[: MAX_MENTIONS + 1]), []).crowded


@pytest.mark.shared
def test_most_posts_of_the_gme_recording_name_gme(shared: Path) -> None:
    """Bare GME, $GME and the name are found in at least three of four posts of a forum that talked of little else."""
    import gzip

    with gzip.open(shared / "recordings" / "gme_2021_01" / "posts.jsonl.gz", "rt", encoding="utf-8") as lines:
        posts = [json.loads(line) for line in lines]
    named = sum("GME" in found(post["text"], *post["symbols"]) for post in posts)
    assert named / len(posts) > 0.75
