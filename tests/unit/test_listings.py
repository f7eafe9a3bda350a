"""Public listings become instruments."""

import json
from pathlib import Path

import pytest

from infra.derived import derived
from infra.errors import UserError
from infra.instrument_files import table_text
from infra.listings import parse_listing, yahoo_symbol
from schemas.records import Instrument

NASDAQ = "Symbol,Company Name,Security Name,Test Issue\nZOOT,Zoot Inc.,Zoot Inc. - Common Stock,N\nZTST,T,Test,Y\n"
NYSE = 'ACT Symbol,Company Name\nBRK.B,"Berkshire, Inc. Class B"\nACM$C,Acme Preferred\n'
OTHER = "ACT Symbol,Company Name,Security Name,Exchange,Test Issue\nZED,Zed,Zed Fund,P,N\n"
SCREENER = "symbol,name,lastsale,exchange\nBRK/A,Berkshire,$1.00,NYSE\n"
MEMBERS = "Symbol,Security,GICS Sector\nBF.B,Brown-Forman,Staples\n"
PIPED = "Symbol|Security Name|Test Issue\nZOOT|Zoot Inc.|N\nFile Creation Time: 1120|\n"


def _file(folder: Path, text: str) -> Path:
    path = folder / "listing"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (NASDAQ, [("ZOOT", "NASDAQ")]),
        (NYSE, [("BRK-B", "NYSE"), ("ACM-PC", "NYSE")]),
        (OTHER, [("ZED", "NYSE Arca")]),
        (SCREENER, [("BRK-A", "NYSE")]),
        (MEMBERS, [("BF-B", None)]),
        (PIPED, [("ZOOT", "NASDAQ")]),
        (json.dumps({"0": {"cik_str": 1, "ticker": "ZOOT", "title": "ZOOT INC"}}), [("ZOOT", None)]),
    ],
)
def test_every_public_format_is_told_by_its_columns(
    tmp_path: Path, text: str, found: list[tuple[str, str | None]]
) -> None:
    """Symbols come in Yahoo's notation with their exchange; test issues and footers are left out."""
    assert [(i.symbol, i.exchange) for i in parse_listing(_file(tmp_path, text)).instruments] == found


@pytest.mark.parametrize(
    "text",
    [
        *("", "a,b\n1,2\n", "{", '{"a": 1}', "Symbol,Security Name\n", "[1]"),
        *(PIPED + "CUT|", NASDAQ + "ZOO,Zoo", 'Symbol,Security Name\nA,"Agile', NASDAQ + "A,B,C,N,E\n"),
        *("symbol,name\nno symbol,Zoot\n", "symbol,name,kind\nZOOT,Zoot,CAR\n", "symbol,name,former\nZ,Zoot,Y:soon\n"),
    ],
)
def test_other_files_are_a_users_mistake(tmp_path: Path, text: str) -> None:
    """A file that is no listing, is cut off or has a broken row gives one sentence, and nothing of it is taken."""
    with pytest.raises(UserError, match="listing"):
        parse_listing(_file(tmp_path, text))


def test_a_missing_or_binary_file_is_a_users_mistake(tmp_path: Path) -> None:
    """A file that is not there, or is not text, gives one sentence."""
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00\x81")
    for name in ("absent", "binary"):
        with pytest.raises(UserError, match=name):
            parse_listing(tmp_path / name)


def test_rows_that_are_left_out_are_counted(tmp_path: Path) -> None:
    """Test issues and symbols that Yahoo cannot have are left out; what a symbol says first counts."""
    listing = parse_listing(_file(tmp_path, NASDAQ + "A B,x,Odd,N\nZOOT,x,Again,N\n"))
    assert ([i.name for i in listing.instruments], listing.left_out) == (["Zoot Inc. - Common Stock"], 2)


def test_kinds_are_told_by_column_name_and_symbol(tmp_path: Path) -> None:
    """Funds by the listing's column or their name; units, warrants and preferred shares by name or symbol."""
    text = (
        "ACT Symbol,Security Name,Exchange,ETF,Test Issue\nAAA,Zed Trust,P,Y,N\nBBB,Zed Bond Fund,N,N,N\n"
        "CCC,Zed Inc. Warrants,N,N,N\nDDD$A,Zed Dep Shs,N,N,N\nEEE,Zed L.P. Common Units,N,N,N\n"
    )
    kinds = {i.symbol: i.kind for i in parse_listing(_file(tmp_path, text)).instruments}
    assert kinds == {"AAA": "FUND", "BBB": "FUND", "CCC": "DERIVED", "DDD-PA": "DERIVED", "EEE": "STOCK"}


OWN = (
    "symbol,name,exchange,currency,calendar,kind,aliases,former\n"
    "ZOOT.KS,Zoot,,,,STOCK,zooty|zoo,\n^ZOO,Zoo 50,,EUR,XPAR,INDEX,,\nZOO-USD,Zoocoin,,USD,,CRYPTO,zoo,\n"
    "ZED,Zed,NYSE,,,STOCK,,ZET:2020-01-02|ZEE:\n"
)


def test_a_table_of_our_own_goes_there_and_back(tmp_path: Path) -> None:
    """Other markets, indices, coins and former symbols come from a CSV; written again it is the same text."""
    found = parse_listing(_file(tmp_path, OWN)).instruments
    assert [(i.symbol, i.exchange, i.currency, i.calendar) for i in found] == [
        ("ZOOT.KS", "Korea", "KRW", "XKRX"),
        ("^ZOO", None, "EUR", "XPAR"),
        ("ZOO-USD", None, "USD", "24/7"),
        ("ZED", "NYSE", "USD", "XNYS"),
    ]
    assert found[3].former_symbols == ("ZET", "ZEE")
    assert found[3].former_until == ("2020-01-02", "")
    assert parse_listing(_file(tmp_path, table_text(found))).instruments == found


def test_the_derived_table_has_each_symbol_once_under_its_plain_name(tmp_path: Path) -> None:
    """The first listing names a symbol; members of the index are in use by the index's name for them."""
    zed = "Symbol,Security,GICS Sector\nZOOT,Zooty's,Staples\n"
    listings = [parse_listing(_file(tmp_path, text)) for text in (NASDAQ, OTHER, zed, PIPED)]
    assert derived(listings) == [
        Instrument(symbol="ZED", name="Zed Fund", exchange="NYSE Arca", currency="USD", calendar="XNYS", kind="FUND"),
        Instrument(
            symbol="ZOOT",
            name="Zoot Inc.",
            exchange="NASDAQ",
            currency="USD",
            aliases=("Zooty's",),
            calendar="XNAS",
            kind="STOCK",
        ),
    ]


@pytest.mark.parametrize(
    ("listed", "yahoo"),
    [
        ("BRK.B", "BRK-B"),
        ("brk/b", "BRK-B"),
        ("BAC$E", "BAC-PE"),
        ("ACE.U", "ACE-UN"),
        ("ACE.WS", "ACE-WT"),
        ("AAPL", "AAPL"),
        ("", None),
        ("A B", None),
        ("É", None),
    ],
)
def test_symbols_are_written_as_yahoo_does(listed: str, yahoo: str | None) -> None:
    """Classes, preferred shares, units and warrants have Yahoo's suffixes; what is no symbol is None."""
    assert yahoo_symbol(listed) == yahoo


@pytest.mark.shared
def test_all_listings_in_shared_are_read(shared: Path) -> None:
    """Each file of the ticker universe is one of the formats and gives most of its rows."""
    files = [p for p in (shared / "data" / "ticker_universe").iterdir() if p.suffix in (".csv", ".json")]
    counts = {path.name: len(parse_listing(path).instruments) for path in files}
    assert len(counts) == 9
    assert counts["sp500_constituents.csv"] == 503
    assert counts["sec_company_tickers.json"] > 10_000
    assert all(count > 250 for count in counts.values())
