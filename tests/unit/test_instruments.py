"""The instrument table: what is shipped, and looking things up."""

import json
from pathlib import Path

import pytest

from infra.clock import from_rfc3339
from infra.instruments import InstrumentTable, Rename, shipped_table
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
    assert meta.former_symbols == ("FB",)


def test_renames_chain() -> None:
    """A symbol renamed twice is found at all three times."""
    instruments = [Instrument(symbol="CCC", name="Zoot Inc.")]
    table = InstrumentTable(instruments, [Rename("AAA", "BBB", 100), Rename("BBB", "CCC", 200)])
    assert [table.symbol_of("zoot", at) for at in (50, 100, 199, 200, None)] == ["AAA", "BBB", "BBB", "CCC", "CCC"]
    assert table.get("AAA") == instruments[0]


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


@pytest.mark.shared
def test_every_symbol_of_the_recordings_is_shipped(shared: Path, table: InstrumentTable) -> None:
    """Nothing must be loaded before the recordings can be played."""
    files = sorted((shared / "recordings").glob("*/recording.json"))
    symbols = {symbol for path in files for symbol in json.loads(path.read_text())["symbols"]}
    assert len(symbols) > 80
    assert [symbol for symbol in sorted(symbols) if not table.knows(symbol)] == []
