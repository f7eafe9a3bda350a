"""``moodtape instruments``: load public listings, look symbols up."""

from dataclasses import asdict
from pathlib import Path

import click

from infra.derived import derived
from infra.endpoints import find_endpoints
from infra.errors import ServiceUnavailable
from infra.files import write_whole
from infra.instrument_files import table_text
from infra.instrument_topic import publish_instruments
from infra.instruments import InstrumentTable, load_instruments, shipped_table
from infra.listings import parse_listing
from infra.mention_counts import count_rules
from infra.migrate import require_schema
from schemas.records import Instrument

from ..options import Invocation, common


@click.group()
def instruments() -> None:
    """Load and list instruments."""


@instruments.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@common
def load(call: Invocation, files: tuple[Path, ...]) -> None:
    """Add the instruments of public listings: NASDAQ, NYSE, other-listed, screener, S&P 500, SEC tickers, or a CSV.

    All files are read before anything is written, and written in one transaction: a broken file, or a broker that goes
    away, leaves the topic as it was. Columns of a CSV of your own, in Yahoo's notation of symbols: symbol, name,
    exchange, currency, calendar, kind, aliases (separated by |), former (as FB:2022-06-09, separated by |).
    """
    listings = [parse_listing(file) for file in files]
    found = {instrument.symbol: instrument for listing in reversed(listings) for instrument in listing.instruments}
    written = publish_instruments(find_endpoints(call.settings).kafka, found.values())
    counts = {
        "files": [str(file) for file in files],
        "instruments": len(found),
        "left_out": sum(listing.left_out for listing in listings),
        "written": written,
        "unchanged": len(found) - written,
    }
    names = ", ".join(file.name for file in files)
    call.show(
        counts,
        f"{names}: {len(found)} instruments, {written} written, {len(found) - written} known; "
        f"{counts['left_out']} rows left out (test issues, symbols that Yahoo has not)",
    )


@instruments.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path, dir_okay=False), help="CSV file to write.")
@common
def derive(call: Invocation, files: tuple[Path, ...], out: Path) -> None:
    """Make the table that ships with moodtape of public listings, the first of them first in names and exchanges."""
    found = derived(parse_listing(file) for file in files)
    write_whole(out, table_text(found))
    call.show({"out": str(out), "instruments": len(found)}, f"{out}: {len(found)} instruments")


@instruments.command(name="list")
@click.option("--grep", default="", help="Only those with this text in symbol, name or alias, in any case.")
@common
def list_instruments(call: Invocation, grep: str) -> None:
    """List what is shipped and, where Kafka runs, what was loaded."""
    table = _table(call)
    found = [instrument for instrument in table.instruments() if grep.casefold() in _searched(instrument)]
    text = "\n".join(f"{i.symbol:<12} {i.currency or '':<4} {i.exchange or '':<18} {i.name}".rstrip() for i in found)
    call.show([asdict(instrument) for instrument in found], text or f"nothing with {grep!r}")


@instruments.command()
@common
def rules(call: Invocation) -> None:
    """Count by which rules stored posts named instruments, and what was left out for not being sure enough."""
    database = find_endpoints(call.settings).database
    require_schema(database)
    counted = count_rules(database)
    lines = [f"{rule.rule:<18} {rule.mentions:>10,}  confidence {rule.confidence:.2f}" for rule in counted.rules]
    lines.append(f"{counted.unsure_posts:,} of {counted.posts:,} posts name one too unsurely (flag unsure_mention)")
    call.show(asdict(counted), "\n".join(lines))


def _table(call: Invocation) -> InstrumentTable:
    try:
        return load_instruments(find_endpoints(call.settings).kafka)
    except ServiceUnavailable as error:
        call.note(f"only the shipped instruments: {error}")
        return shipped_table()


def _searched(instrument: Instrument) -> str:
    return "\n".join((instrument.symbol, instrument.name, *instrument.aliases, *instrument.former_symbols)).casefold()
