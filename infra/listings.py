"""The public listings' files: NASDAQ, NYSE and other exchanges, screeners, S&P 500 members, SEC company tickers."""

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from schemas.records import Instrument

from .errors import UserError

Row = Mapping[str, str]
Entry = tuple[str, str, str | None]

_EXCHANGES = {"A": "AMEX", "N": "NYSE", "P": "NYSE Arca", "Z": "BATS", "V": "IEX"}
# Yahoo writes units, warrants and rights of the New York exchanges in two letters.
_SUFFIXES = {"U": "UN", "W": "WT", "WS": "WT", "R": "RT"}
_SYMBOL = re.compile(r"[A-Z0-9]{1,15}(?:-[A-Z0-9]{1,4}){0,2}")


def yahoo_symbol(symbol: str) -> str | None:
    """A US symbol in Yahoo's notation: ``BRK.B`` -> ``BRK-B``, ``BAC$E`` -> ``BAC-PE``; None if unreadable."""
    text = symbol.strip().upper().replace("/", ".").replace("$", "-P")
    base, separator, suffix = text.replace(".", "-").partition("-")
    text = base + "-" + _SUFFIXES.get(suffix, suffix) if separator else base
    return text if _SYMBOL.fullmatch(text) else None


def parse_listing(path: Path) -> list[Instrument]:
    """Instruments of a listing file in its order, the format told by its columns; test issues are left out.

    Raises:
        UserError: the file cannot be read, or is none of the formats.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: {error}; give a public listing in UTF-8") from None
    entries = _sec_entries(path, text) if text.lstrip().startswith(("{", "[")) else _csv_entries(path, text)
    found: dict[str, Instrument] = {}
    for symbol, name, exchange in entries:
        yahoo = yahoo_symbol(symbol)
        if yahoo is not None and name.strip():
            found.setdefault(yahoo, Instrument(symbol=yahoo, name=name.strip(), exchange=exchange, currency="USD"))
    if not found:
        raise UserError(f"{path}: no instrument in it; give a public listing")
    return list(found.values())


def _sec_entries(path: Path, text: str) -> list[Entry]:
    try:
        data = json.loads(text)
        rows = data.values() if isinstance(data, dict) else data
        return [(str(row["ticker"]), str(row["title"]), None) for row in rows]
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path}: not a listing like the SEC's company_tickers.json ({type(error).__name__}: {error})"
        ) from None


def _csv_entries(path: Path, text: str) -> list[Entry]:
    delimiter = "|" if "|" in text.partition("\n")[0] else ","
    try:
        reader = csv.DictReader(io.StringIO(text), delimiter=delimiter, restval="")
        columns = frozenset(reader.fieldnames or ())
        read = next((read for needed, read in _FORMATS if needed <= columns), None)
        if read is None:
            raise UserError(f"{path}: none of the known listings; its columns are {sorted(columns)[:8]}")
        return list(_read_rows(reader, read))
    except csv.Error as error:
        raise UserError(f"{path}: not readable as CSV: {error}") from None


def _read_rows(rows: Iterable[Row], read: Callable[[Row], Entry]) -> Iterable[Entry]:
    return (read(row) for row in rows if row.get("Test Issue") != "Y")


def _other_listed(row: Row) -> Entry:
    return row["ACT Symbol"], row["Security Name"], _EXCHANGES.get(row["Exchange"])


def _nyse_listed(row: Row) -> Entry:
    return row["ACT Symbol"], row["Company Name"], "NYSE"


def _nasdaq_listed(row: Row) -> Entry:
    return row["Symbol"], row["Security Name"], "NASDAQ"


def _constituent(row: Row) -> Entry:
    return row["Symbol"], row["Security"], None


def _screener(row: Row) -> Entry:
    return row["symbol"], row["name"], row.get("exchange") or None


# The first whose columns are all there reads the file.
_FORMATS: tuple[tuple[frozenset[str], Callable[[Row], Entry]], ...] = (
    (frozenset({"ACT Symbol", "Security Name", "Exchange"}), _other_listed),
    (frozenset({"ACT Symbol", "Company Name"}), _nyse_listed),
    (frozenset({"Symbol", "Security Name"}), _nasdaq_listed),
    (frozenset({"Symbol", "Security", "GICS Sector"}), _constituent),
    (frozenset({"symbol", "name", "lastsale"}), _screener),
)
