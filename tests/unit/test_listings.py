"""Public listings become instruments."""

import json
from pathlib import Path

import pytest

from infra.errors import UserError
from infra.listings import parse_listing, yahoo_symbol

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
    assert [(i.symbol, i.exchange) for i in parse_listing(_file(tmp_path, text))] == found


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "{", '{"a": 1}', "Symbol,Security Name\n", "[1]"])
def test_other_files_are_a_users_mistake(tmp_path: Path, text: str) -> None:
    """A file that is no listing gives one sentence, never a traceback."""
    with pytest.raises(UserError, match="listing"):
        parse_listing(_file(tmp_path, text))


def test_a_missing_or_binary_file_is_a_users_mistake(tmp_path: Path) -> None:
    """A file that is not there, or is not text, gives one sentence."""
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00\x81")
    for name in ("absent", "binary"):
        with pytest.raises(UserError, match=name):
            parse_listing(tmp_path / name)


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
    counts = {path.name: len(parse_listing(path)) for path in files}
    assert len(counts) == 9
    assert counts["sp500_constituents.csv"] == 503
    assert counts["sec_company_tickers.json"] > 10_000
    assert all(count > 250 for count in counts.values())
