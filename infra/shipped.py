"""The instruments that come with moodtape, each source over the one before it.

1. the package ``pytickersymbols``: members of twenty indices, for the markets of Europe and Japan;
2. ``data/listed.csv``: what is listed in the United States, derived from listings in the public domain;
3. ``data/instruments.csv``: indices, funds, coins, other markets, what is talked about, symbols of former years;
4. ``data/renames.csv``: symbols that were changed, with their dates.
"""

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from importlib.resources import files

from pytickersymbols import PyTickerSymbols

from schemas.records import Instrument

from .exchanges import by_prefix
from .instrument_files import completed, instrument_of

_US = frozenset({"NASDAQ", "NYSE", "NYSE Arca", "AMEX", "OTC"})


@cache
def shipped_instruments() -> tuple[Instrument, ...]:
    """The instruments that come with moodtape, earlier ones refined by later ones."""
    listed = (instrument_of(row) for row in _rows("listed.csv"))
    own = (_in_use(instrument_of(row)) for row in _rows("instruments.csv"))
    return (*_package_instruments(), *listed, *own, *_renamed_instruments())


def _in_use(instrument: Instrument) -> Instrument:
    """The instrument with its name as an alias: what people talk about, they call by its name."""
    return replace(instrument, aliases=(instrument.name, *instrument.aliases) if instrument.name else ())


def _rows(name: str) -> Iterator[dict[str, str]]:
    text = (files("infra") / "data" / name).read_text(encoding="utf-8")
    yield from csv.DictReader(text.splitlines())


def _renamed_instruments() -> Iterator[Instrument]:
    """Of each symbol that another one became: the former, and the first day of the new one."""
    former: dict[str, list[tuple[str, str]]] = {}
    for row in _rows("renames.csv"):
        former.setdefault(row["symbol"], []).append((row["former"], row["date"]))
    for symbol, pairs in former.items():
        names, dates = zip(*pairs, strict=True)
        yield Instrument(symbol=symbol, former_symbols=names, former_until=dates)


def _package_instruments() -> Iterator[Instrument]:
    for stock in PyTickerSymbols().get_all_stocks():
        yield from _listings_of(stock)


def _listings_of(stock: Mapping[str, object]) -> Iterable[Instrument]:
    """The home listing of a stock and its listings in the US; others repeat it in other currencies."""
    home = str(stock.get("symbol") or "")
    wanted = {home, home.replace(".", "-")}
    listings: list[Mapping[str, str]] = stock.get("symbols") or []  # type: ignore[assignment]
    for listing in listings:
        exchange = by_prefix().get(listing["google"].partition(":")[0])
        if listing["yahoo"] in wanted or (exchange is not None and exchange.name in _US):
            bare = Instrument(symbol=listing["yahoo"], name=str(stock["name"]), currency=listing["currency"] or None)
            yield _in_use(completed(replace(bare, exchange=exchange.name if exchange else None, kind="STOCK")))
