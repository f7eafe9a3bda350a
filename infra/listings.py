"""The public listings' files: NASDAQ, NYSE and other exchanges, screeners, S&P 500 members, SEC company tickers.

A table of our own (:mod:`infra.instrument_files`) is one of them, for markets that have no public listing.
"""

import csv
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from schemas.records import Instrument, Kind

from .errors import UserError
from .instrument_files import BadRow, completed, instrument_of
from .names import is_derived

Row = Mapping[str, str]
MOST_BYTES = 64 * 1024 * 1024

_EXCHANGES = {"A": "AMEX", "N": "NYSE", "P": "NYSE Arca", "Z": "BATS", "V": "IEX"}
# Yahoo writes units, warrants and rights of the New York exchanges in two letters.
_SUFFIXES = {"U": "UN", "W": "WT", "WS": "WT", "R": "RT"}
_SYMBOL = re.compile(r"[A-Z0-9]{1,15}(?:-[A-Z0-9]{1,4}){0,2}")
_DERIVED = re.compile(r"-(?:P[A-Z]?|UN|WT|RT)$")
_FUND = re.compile(r"\b(?:ETF|ETN|ETFs|Fund|Funds|Index Shares)\b", re.IGNORECASE)
_CALENDAR = "XNYS"
_FOOTER = "File Creation Time"


@dataclass(frozen=True, slots=True)
class Listing:
    """What a file lists: its instruments in order, and how many rows were left out (test issues, odd symbols)."""

    instruments: tuple[Instrument, ...]
    left_out: int


class Entry(NamedTuple):
    """A row of a listing of the United States."""

    symbol: str
    name: str
    exchange: str | None = None
    fund: bool = False


def yahoo_symbol(symbol: str) -> str | None:
    """A US symbol in Yahoo's notation: ``BRK.B`` -> ``BRK-B``, ``BAC$E`` -> ``BAC-PE``; None if unreadable."""
    text = symbol.strip().upper().replace("/", ".").replace("$", "-P")
    base, separator, suffix = text.replace(".", "-").partition("-")
    text = base + "-" + _SUFFIXES.get(suffix, suffix) if separator else base
    return text if _SYMBOL.fullmatch(text) else None


def parse_listing(path: Path) -> Listing:
    """The instruments of a listing file, the format told by its columns.

    Raises:
        UserError: the file cannot be read, is none of the formats, is cut off, or a row of it is broken.
    """
    text = _text(path)
    try:
        rows = _sec_rows(text) if text.lstrip().startswith(("{", "[")) else _csv_rows(text)
        read = list(rows)
    except (BadRow, csv.Error) as error:
        raise UserError(f"{path}: no public listing: {error}; nothing of it was taken") from None
    found: dict[str, Instrument] = {}
    for instrument in read:
        if instrument is not None:
            found.setdefault(instrument.symbol, instrument)
    if not found:
        raise UserError(f"{path}: no instrument in it; give a public listing")
    return Listing(tuple(found.values()), read.count(None))


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise UserError(f"{path}: over {MOST_BYTES >> 20} MiB; no public listing is so large")
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: {error}; give a public listing in UTF-8") from None


def _instrument(entry: Entry) -> Instrument | None:
    symbol, name = yahoo_symbol(entry.symbol), entry.name.strip()
    if symbol is None or not name:
        return None
    listed = completed(Instrument(symbol=symbol, name=name, exchange=entry.exchange, kind=_kind(entry, symbol)))
    return replace(listed, currency="USD", calendar=listed.calendar or _CALENDAR)


def _kind(entry: Entry, symbol: str) -> Kind:
    if is_derived(entry.name) or _DERIVED.search(symbol):
        return "DERIVED"
    return "FUND" if entry.fund or _FUND.search(entry.name) else "STOCK"


def _sec_rows(text: str) -> Iterator[Instrument | None]:
    try:
        data = json.loads(text)
        rows = data.values() if isinstance(data, dict) else data
        entries = [Entry(str(row["ticker"]), str(row["title"])) for row in rows]
    except (ValueError, KeyError, TypeError) as error:
        raise BadRow(f"not like the SEC's company_tickers.json ({type(error).__name__}: {error})") from None
    return map(_instrument, entries)


def _csv_rows(text: str) -> Iterator[Instrument | None]:
    delimiter = "|" if "|" in text.partition("\n")[0] else ","
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    columns = frozenset(reader.fieldnames or ())
    read = next((read for needed, read in _FORMATS if needed <= columns), None)
    if read is None:
        raise BadRow(f"none of the known listings; its columns are {sorted(map(str, columns))[:8]}")
    for row in reader:
        if str(next(iter(row.values()), "")).startswith(_FOOTER):
            continue
        if None in row or None in row.values():
            raise BadRow(f"line {reader.line_num} has not the columns of the first line; is the file cut off?")
        try:
            yield None if row.get("Test Issue") == "Y" else read(row)
        except BadRow as error:
            raise BadRow(f"line {reader.line_num}: {error}") from None


def _other_listed(row: Row) -> Instrument | None:
    exchange = _EXCHANGES.get(row["Exchange"])
    return _instrument(Entry(row["ACT Symbol"], row["Security Name"], exchange, row.get("ETF") == "Y"))


def _nyse_listed(row: Row) -> Instrument | None:
    return _instrument(Entry(row["ACT Symbol"], row["Company Name"], "NYSE"))


def _nasdaq_listed(row: Row) -> Instrument | None:
    return _instrument(Entry(row["Symbol"], row["Security Name"], "NASDAQ", row.get("ETF") == "Y"))


def _constituent(row: Row) -> Instrument | None:
    # Members of the index are known by the name that it has for them.
    found = _instrument(Entry(row["Symbol"], row["Security"]))
    return None if found is None else replace(found, aliases=(found.name,))


def _screener(row: Row) -> Instrument | None:
    return _instrument(Entry(row["symbol"], row["name"], row.get("exchange") or None))


# The first whose columns are all there reads the file.
_FORMATS: tuple[tuple[frozenset[str], Callable[[Row], Instrument | None]], ...] = (
    (frozenset({"ACT Symbol", "Security Name", "Exchange"}), _other_listed),
    (frozenset({"ACT Symbol", "Company Name"}), _nyse_listed),
    (frozenset({"Symbol", "Security Name"}), _nasdaq_listed),
    (frozenset({"Symbol", "Security", "GICS Sector"}), _constituent),
    (frozenset({"symbol", "name", "lastsale"}), _screener),
    (frozenset({"symbol", "name"}), instrument_of),
)
