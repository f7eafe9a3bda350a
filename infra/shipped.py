"""The instruments that come with moodtape.

The package ``pytickersymbols`` (members of twenty indices) and, over it, a small table of ours
(``data/instruments.csv``): funds, indices, what social media talk about, symbols of former years.
"""

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files

from pytickersymbols import PyTickerSymbols

from schemas.records import Instrument

from .clock import from_rfc3339

_EXCHANGES = {
    "AMS": "Euronext Amsterdam",
    "BME": "Madrid",
    "EBR": "Euronext Brussels",
    "EPA": "Euronext Paris",
    "ETR": "XETRA",
    "FRA": "Frankfurt",
    "HEL": "Helsinki",
    "LON": "London",
    "STO": "Stockholm",
    "SWX": "SIX",
    "TYO": "Tokyo",
}
_US = frozenset({"NASDAQ", "NYSE", "NYSEARCA", "NYSEAMERICAN"})


@dataclass(frozen=True, slots=True)
class Rename:
    """From ``time`` (microseconds UTC) on the instrument ``former`` is traded as ``symbol``."""

    former: str
    symbol: str
    time: int


def shipped_instruments() -> list[Instrument]:
    """The instruments that come with moodtape, earlier ones refined by later ones."""
    return [*_package_instruments(), *_own_instruments(), *_renamed_instruments()]


def shipped_renames() -> list[Rename]:
    """Changes of symbols with their dates (midnight UTC of the first day of the new symbol)."""
    return [
        Rename(row["former"], row["symbol"], from_rfc3339(f"{row['date']}T00:00:00+00:00"))
        for row in _rows("renames.csv")
    ]


def _rows(name: str) -> list[dict[str, str]]:
    text = (files("infra") / "data" / name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def _own_instruments() -> list[Instrument]:
    return [
        Instrument(
            symbol=row["symbol"],
            name=row["name"],
            exchange=row["exchange"] or None,
            currency=row["currency"] or None,
            aliases=tuple(alias for alias in row["aliases"].split("|") if alias),
        )
        for row in _rows("instruments.csv")
    ]


def _renamed_instruments() -> list[Instrument]:
    former: dict[str, list[str]] = {}
    for row in _rows("renames.csv"):
        former.setdefault(row["symbol"], []).append(row["former"])
    return [Instrument(symbol=symbol, former_symbols=tuple(names)) for symbol, names in former.items()]


def _package_instruments() -> list[Instrument]:
    found: list[Instrument] = []
    for stock in PyTickerSymbols().get_all_stocks():
        found.extend(_listings_of(stock))
    return found


def _listings_of(stock: Mapping[str, object]) -> Iterable[Instrument]:
    """The home listing of a stock and its listings in the US; others repeat it in other currencies."""
    home = str(stock.get("symbol") or "")
    wanted = {home, home.replace(".", "-")}
    listings: list[Mapping[str, str]] = stock.get("symbols") or []  # type: ignore[assignment]
    for listing in listings:
        exchange = listing["google"].partition(":")[0]
        if listing["yahoo"] in wanted or exchange in _US:
            yield Instrument(
                symbol=listing["yahoo"],
                name=str(stock["name"]),
                exchange=_EXCHANGES.get(exchange, exchange) or None,
                currency=listing["currency"] or None,
            )
