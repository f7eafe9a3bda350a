"""``moodtape instruments``: load public listings, look symbols up."""

from dataclasses import asdict
from pathlib import Path

import click

from infra.endpoints import find_endpoints
from infra.errors import ServiceUnavailable
from infra.instrument_topic import publish_instruments
from infra.instruments import InstrumentTable, load_instruments, shipped_table
from infra.listings import parse_listing
from schemas.records import Instrument

from ..options import Invocation, common


@click.group()
def instruments() -> None:
    """Load and list instruments."""


@instruments.command()
@click.argument("file", type=click.Path(path_type=Path))
@common
def load(call: Invocation, file: Path) -> None:
    """Add the instruments of a public listing: NASDAQ, NYSE, other-listed, screener, S&P 500, SEC tickers."""
    found = parse_listing(file)
    written = publish_instruments(find_endpoints(call.settings).kafka, found)
    counts = {"file": str(file), "instruments": len(found), "written": written, "unchanged": len(found) - written}
    call.show(counts, f"{file.name}: {len(found)} instruments, {written} written, {len(found) - written} known")


@instruments.command(name="list")
@click.option("--grep", default="", help="Only those with this text in symbol, name or alias, in any case.")
@common
def list_instruments(call: Invocation, grep: str) -> None:
    """List what is shipped and, where Kafka runs, what was loaded."""
    table = _table(call)
    found = [instrument for instrument in table.instruments() if grep.casefold() in _searched(instrument)]
    text = "\n".join(f"{i.symbol:<12} {i.currency or '':<4} {i.exchange or '':<18} {i.name}".rstrip() for i in found)
    call.show([asdict(instrument) for instrument in found], text or f"nothing with {grep!r}")


def _table(call: Invocation) -> InstrumentTable:
    try:
        return load_instruments(find_endpoints(call.settings).kafka)
    except ServiceUnavailable as error:
        call.note(f"only the shipped instruments: {error}")
        return shipped_table()


def _searched(instrument: Instrument) -> str:
    return "\n".join((instrument.symbol, instrument.name, *instrument.aliases, *instrument.former_symbols)).casefold()
