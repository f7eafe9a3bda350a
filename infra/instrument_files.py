"""Our own table of instruments as a CSV file: what ships in ``infra/data``, and what users write for other markets.

Columns, of which only the first two must be there: ``symbol,name,exchange,currency,calendar,kind,aliases,former``.
Symbols are Yahoo's. Aliases are separated by ``|``, former symbols too, each with ``:`` and the first day of the next
symbol (``FB:2022-06-09``). Where they are empty, currency and calendar follow from the exchange or the symbol's suffix.
"""

import csv
import io
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date
from typing import cast, get_args

from schemas.records import Instrument, Kind

from .exchanges import ALWAYS_OPEN, Exchange, by_name, by_suffix

COLUMNS = ("symbol", "name", "exchange", "currency", "calendar", "kind", "aliases", "former")
SYMBOL = re.compile(r"\^?[A-Z0-9&]{1,15}(?:[-.=][A-Z0-9]{1,6}){0,2}")
_KINDS = frozenset(get_args(Kind))


class BadRow(ValueError):
    """A row that says no instrument; the message says what is wrong with it."""


def instrument_of(row: Mapping[str, str]) -> Instrument:
    """The instrument of a row.

    Raises:
        BadRow: no symbol of Yahoo's form, an unknown kind, or a date that is none.
    """
    symbol = row["symbol"].strip()
    if SYMBOL.fullmatch(symbol) is None:
        raise BadRow(f"{symbol[:20]!r} is no symbol in Yahoo's notation")
    kind = row.get("kind") or "UNKNOWN"
    if kind not in _KINDS:
        raise BadRow(f"{kind[:20]!r} is no kind; one of {', '.join(sorted(_KINDS))}")
    former = [_former(part) for part in _parts(row.get("former"))]
    return completed(
        Instrument(
            symbol=symbol,
            name=row["name"].strip(),
            exchange=row.get("exchange") or None,
            currency=row.get("currency") or None,
            calendar=row.get("calendar") or None,
            kind=cast("Kind", kind),
            aliases=tuple(_parts(row.get("aliases"))),
            former_symbols=tuple(was for was, _ in former),
            former_until=tuple(until for _, until in former),
        )
    )


def completed(instrument: Instrument) -> Instrument:
    """The instrument with the exchange, currency and calendar that its suffix, exchange or kind gives it."""
    exchange = exchange_of(instrument)
    if exchange is not None:
        return replace(
            instrument,
            exchange=exchange.name,
            currency=instrument.currency or exchange.currency,
            calendar=instrument.calendar or exchange.calendar,
        )
    return replace(instrument, calendar=ALWAYS_OPEN) if instrument.kind == "CRYPTO" else instrument


def exchange_of(instrument: Instrument) -> Exchange | None:
    """Where it is listed, by its exchange's name or else by its symbol's suffix."""
    if instrument.exchange is not None:
        return by_name().get(instrument.exchange)
    return by_suffix().get(instrument.symbol.rpartition(".")[2]) if "." in instrument.symbol else None


def _parts(text: str | None) -> list[str]:
    return [part.strip() for part in (text or "").split("|") if part.strip()]


def _former(part: str) -> tuple[str, str]:
    symbol, _, until = part.partition(":")
    if until:
        try:
            date.fromisoformat(until)
        except ValueError:
            raise BadRow(f"{until[:20]!r} is no date like 2022-06-09") from None
    return symbol, until


def table_text(instruments: Iterable[Instrument]) -> str:
    """The CSV text of instruments; what :func:`completed` gives is left out."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(_row(instrument) for instrument in instruments)
    return out.getvalue()


def _row(instrument: Instrument) -> tuple[str, ...]:
    exchange = exchange_of(instrument)
    former = zip(instrument.former_symbols, instrument.former_until, strict=True)
    return (
        instrument.symbol,
        instrument.name,
        instrument.exchange or "",
        "" if exchange and exchange.currency == instrument.currency else instrument.currency or "",
        "" if exchange and exchange.calendar == instrument.calendar else instrument.calendar or "",
        instrument.kind,
        "|".join(instrument.aliases),
        "|".join(f"{symbol}:{until}" for symbol, until in former),
    )
