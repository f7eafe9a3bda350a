"""The instrument table: what is shipped, and looking things up."""

import json
from pathlib import Path

import pytest

from infra.clock import from_rfc3339
from infra.instruments import InstrumentTable, shipped_table
from schemas.records import Instrument


@pytest.fixture(scope="module")
def table() -> InstrumentTable:
    """What is shipped."""
    return shipped_table()


@pytest.mark.parametrize(
    ("name", "symbol"),
    [
        ("Tesla", "TSLA"),
        ("gamestop", "GME"),
        ("google", "GOOG"),
        ("AT&T", "T"),
        ("Coca-Cola", "KO"),
        ("berkshire hathaway", "BRK-B"),
        ("toyota", "TM"),
        ("nobody's company", None),
    ],
)
def test_names_find_symbols(table: InstrumentTable, name: str, symbol: str | None) -> None:
    """A name in any case finds one symbol."""
    assert table.symbol_of(name) == symbol


def test_a_name_means_the_symbol_of_its_time(table: InstrumentTable) -> None:
    """Facebook was FB until June 2022 and is META since; the former symbol stays known."""
    assert table.symbol_of("facebook", from_rfc3339("2022-03-14T00:00:00Z")) == "FB"
    assert table.symbol_of("facebook", from_rfc3339("2022-06-09T00:00:00Z")) == "META"
    assert table.symbol_of("facebook") == "META"
    assert table.knows("FB")
    meta = table.get("META")
    assert meta is not None
    assert dict(zip(meta.former_symbols, meta.former_until, strict=True)) == {"FB": "2022-06-09"}


def test_renames_chain() -> None:
    """A symbol renamed twice is found at all three times."""
    table = InstrumentTable(
        [
            Instrument(symbol="BBB", former_symbols=("AAA",), former_until=("2020-01-02",)),
            Instrument(symbol="CCC", name="Zoot Inc.", former_symbols=("BBB",), former_until=("2021-01-02",)),
        ]
    )
    days = ("2020-01-01", "2020-01-02", "2021-01-01", "2021-01-02")
    times = [from_rfc3339(f"{day}T12:00:00Z") for day in days]
    assert [table.symbol_of("zoot", at) for at in (*times, None)] == ["AAA", "BBB", "BBB", "CCC", "CCC"]


def test_a_symbol_that_was_given_back_ends_the_way() -> None:
    """FI became FISV again: each time has its symbol, and asking for the earliest comes to an end."""
    table = InstrumentTable(
        [
            Instrument(symbol="NEW", name="Zoot", former_symbols=("OLD",), former_until=("2020-01-01",)),
            Instrument(symbol="OLD", name="Zoot", former_symbols=("NEW",), former_until=("2021-01-01",)),
        ]
    )
    times = [from_rfc3339(f"{year}-06-01T00:00:00Z") for year in (2019, 2020, 2021)]
    assert [table.symbol_at("OLD", at) for at in times] == ["OLD", "NEW", "OLD"]


def test_a_written_symbol_means_the_one_of_its_time() -> None:
    """Through all renames, from half a year before; a symbol that another company took means that one, a fund's not."""
    table = InstrumentTable(
        [
            Instrument(symbol="BBB", former_symbols=("AAA", "TAKEN"), former_until=("2020-01-02", "2020-01-02")),
            Instrument(symbol="CCC", name="Zoot Inc.", former_symbols=("BBB",), former_until=("2021-01-02",)),
            Instrument(symbol="AAA", name="Some Fund", kind="FUND"),
            Instrument(symbol="TAKEN", name="Others Inc.", kind="STOCK"),
        ]
    )
    times = [from_rfc3339(f"{day}T00:00:00Z") for day in ("2018-01-01", "2019-12-01", "2020-12-01", "2021-01-02")]
    meant = {symbol: [table.meant(symbol, at) for at in (*times, None)] for symbol in ("AAA", "BBB", "CCC", "TAKEN")}
    assert meant == {
        "AAA": ["AAA", "AAA", "BBB", "CCC", "CCC"],
        "BBB": ["BBB", "AAA", "BBB", "CCC", "CCC"],
        "CCC": ["CCC", "CCC", "BBB", "CCC", "CCC"],
        "TAKEN": ["TAKEN"] * 5,
    }
    assert table.renamed == {"AAA", "BBB", "CCC", "TAKEN"}


def test_a_company_that_is_still_listed_under_its_former_symbol_left_it() -> None:
    """Lists keep it for long; the names tell."""
    old = Instrument(symbol="OLD", name="Zoot Inc.", kind="STOCK")
    new = Instrument(
        symbol="NEW", name="Zoot Inc. - Common Stock", former_symbols=("OLD",), former_until=("2020-01-01",)
    )
    assert InstrumentTable([old, new]).meant("OLD", None) == "NEW"


def test_a_former_symbol_without_a_date_is_known_but_never_meant_by_a_name() -> None:
    """Instruments that were loaded before there were dates keep their former symbols."""
    table = InstrumentTable([Instrument(symbol="NEW", name="Zoot", former_symbols=("OLD",))])
    assert table.knows("OLD")
    assert table.symbol_of("zoot", 0) == "NEW"


def test_later_instruments_go_over_earlier_ones() -> None:
    """A loaded instrument renames a shipped one and keeps its aliases; the old name still finds it."""
    old = Instrument(symbol="ZOT", name="Zoot Inc.", currency="USD", aliases=("zooty",))
    table = InstrumentTable([old, Instrument(symbol="ZOT", name="Zoot Brands", exchange="NYSE")])
    found = table.get("ZOT")
    assert found == Instrument(
        symbol="ZOT", name="Zoot Brands", exchange="NYSE", currency="USD", aliases=("zooty", "Zoot Inc.")
    )
    assert [table.symbol_of(name) for name in ("zoot", "zooty", "zoot brands")] == ["ZOT"] * 3
    assert len(table) == 1


def test_a_listing_read_again_puts_no_name_into_use() -> None:
    """Of a company without an alias the newest name counts alone; it stays one of those that must be supported."""
    table = InstrumentTable(
        [Instrument(symbol="ZOT", name="Zoot Inc."), Instrument(symbol="ZOT", name="Zoot Inc. - Common Stock")]
    )
    assert (table.aliases, table.in_use) == ({}, frozenset())
    assert table.symbol_of("zoot") == "ZOT"


@pytest.mark.parametrize(
    ("symbol", "exchange", "currency", "calendar", "kind"),
    [
        ("GME", "NYSE", "USD", "XNYS", "STOCK"),
        ("AAPL", "NASDAQ", "USD", "XNAS", "STOCK"),
        ("SPY", "NYSE Arca", "USD", "XNYS", "FUND"),
        ("^GSPC", None, "USD", "XNYS", "INDEX"),
        ("BTC-USD", None, "USD", "24/7", "CRYPTO"),
        ("005930.KS", "Korea", "KRW", "XKRX", "STOCK"),
        ("RELIANCE.NS", "NSE", "INR", "XNSE", "STOCK"),
        ("VOD.L", "London", "GBP", "XLON", "STOCK"),
        ("AAC-UN", "NYSE", "USD", "XNYS", "DERIVED"),
    ],
)
def test_what_ships_has_exchange_currency_calendar_and_kind(
    table: InstrumentTable, symbol: str, exchange: str | None, currency: str, calendar: str, kind: str
) -> None:
    """Stocks, funds, indices, coins, other markets and units are told apart and say when they trade."""
    found = table.get(symbol)
    assert found is not None
    assert (found.exchange, found.currency, found.calendar, found.kind) == (exchange, currency, calendar, kind)


def test_everything_listed_ships(table: InstrumentTable) -> None:
    """More than sixteen thousand symbols, nearly all with a name, a currency and a calendar."""
    assert len(table) > 16_000
    bare = [i.symbol for i in table.instruments() if not (i.name and i.currency and i.calendar)]
    assert len(bare) < 60, bare


def test_the_home_exchange_has_a_name_before_the_counter(table: InstrumentTable) -> None:
    """A company of London is found there, not at its symbol over the counter; one of New York in New York."""
    assert [table.symbol_of(name) for name in ("tesco", "alibaba", "toyota")] == ["TSCO.L", "BABA", "TM"]


def test_a_former_symbol_of_what_is_in_use_is_in_use(table: InstrumentTable) -> None:
    """CBS became VIAC, then PARA, then PSKY; all may be written bare."""
    assert {"CBS", "VIAC", "PARA", "PSKY", "UTX", "RTX"} <= table.in_use


def test_cashtags_of_coins_and_indices_have_nicknames(table: InstrumentTable) -> None:
    """BTC is the coin, not the fund of that symbol; SPX is the index."""
    assert {name: table.nicknames[name] for name in ("BTC", "ETH", "SPX")} == {
        "BTC": "BTC-USD",
        "ETH": "ETH-USD",
        "SPX": "^GSPC",
    }


@pytest.mark.shared
def test_every_symbol_of_the_recordings_is_shipped(shared: Path, table: InstrumentTable) -> None:
    """Nothing must be loaded before the recordings can be played."""
    files = sorted((shared / "recordings").glob("*/recording.json"))
    symbols = {symbol for path in files for symbol in json.loads(path.read_text())["symbols"]}
    assert len(symbols) > 80
    assert [symbol for symbol in sorted(symbols) if not table.knows(symbol)] == []
