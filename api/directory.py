"""Which instruments are known, what they are called, and which ones a caller may have meant."""

import asyncio
import difflib
from collections.abc import Callable, Iterable, Sequence

from infra.clock import MICROS, Now
from infra.errors import ServiceUnavailable
from schemas.records import Instrument

from .problems import Problem
from .store import Row, Store

_FRESH = 60 * MICROS
_AGAIN = 2 * MICROS
_NEAREST = 5


class Directory:
    """The shipped instruments, those loaded into the database, and any symbol with stored rows.

    ``merged`` adds loaded instruments to the shipped ones; it may take its time, and is called in a thread.
    """

    def __init__(self, store: Store, now: Now, merged: Callable[[Sequence[Instrument]], Iterable[Instrument]]) -> None:
        self._store, self._now, self._merged = store, now, merged
        self._table: dict[str, Instrument] = {}
        self._until = 0
        self._loading = asyncio.Lock()

    async def table(self) -> dict[str, Instrument]:
        """Instruments by symbol; a loaded one replaces a shipped one."""
        async with self._loading:
            if self._now() >= self._until:
                await self._load()
        return self._table

    async def resolve(self, text: str, store: Store) -> str:
        """The known symbol that a caller wrote in any case; one of the instruments, or with rows in ``store``.

        Raises:
            Problem: 404 with the nearest symbols.
        """
        symbol = text.upper()
        table = await self.table()
        if symbol in table or await store.stored(symbol):
            return symbol
        near = await asyncio.to_thread(nearest, text, table)
        detail = f"{symbol} is not an instrument that we know." + (f" Did you mean {near[0]}?" if near else "")
        raise Problem(404, "unknown-symbol", detail, nearest=near)

    async def name(self, symbol: str) -> str | None:
        """The instrument's name."""
        found = (await self.table()).get(symbol)
        return found.name or None if found else None

    async def search(self, text: str, limit: int) -> list[Instrument]:
        """Instruments whose symbol or name fits, best first."""
        table = await self.table()
        return [table[symbol] for symbol in await asyncio.to_thread(ranked, text, table, limit)]

    async def _load(self) -> None:
        try:
            rows, kept = await self._store.instruments(), _FRESH
        except ServiceUnavailable:
            # What was known goes on; the next callers shall not each wait for a database that is away.
            rows, kept = [], _AGAIN
        if rows or not self._table:
            merged = await asyncio.to_thread(self._merged, [_instrument(row) for row in rows])
            self._table = {instrument.symbol: instrument for instrument in merged}
        self._until = self._now() + kept


def _instrument(row: Row) -> Instrument:
    lists = {name: tuple(row[name]) for name in ("former_symbols", "aliases")}
    return Instrument(**{**row, **lists})


def nearest(text: str, table: dict[str, Instrument]) -> list[str]:
    """At most five symbols that look like ``text``, or whose name has it, best first."""
    symbol = text.upper()
    # difflib costs 10 us a pair: of some ten thousand symbols only those alike in length and beginning
    alike = [s for s in table if abs(len(s) - len(symbol)) <= 2 and s[:1] == symbol[:1]]
    close = difflib.get_close_matches(symbol, alike, _NEAREST, 0.6)
    named = [s for s in ranked(text, table, _NEAREST) if s not in close]
    return (named[:1] + close + named[1:])[:_NEAREST] if named and len(text) > 3 else (close + named)[:_NEAREST]


def ranked(text: str, table: dict[str, Instrument], limit: int) -> list[str]:
    """Symbols that are, begin with or are named by ``text``, best first, of equals those in use, present and short."""
    wanted = text.casefold().strip()
    if not wanted:
        return []
    fitting = []
    for symbol, instrument in table.items():
        rank = _rank(wanted, instrument)
        if rank is not None:
            fitting.append((rank, not instrument.aliases, symbol in instrument.former_symbols, len(symbol), symbol))
    return [symbol for *_, symbol in sorted(fitting)[:limit]]


def _rank(wanted: str, instrument: Instrument) -> int | None:
    symbol, name = instrument.symbol.casefold(), instrument.name.casefold()
    tests = (
        symbol == wanted,
        wanted.upper() in instrument.former_symbols,
        name == wanted or wanted in (alias.casefold() for alias in instrument.aliases),
        symbol.startswith(wanted),
        name.startswith(wanted),
        f" {wanted}" in name,
        len(wanted) > 2 and wanted in name,
    )
    return next((rank for rank, fits in enumerate(tests) if fits), None)
