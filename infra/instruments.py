"""The instruments: what a symbol stands for, and which symbol a name means.

Two sources, the second over the first: what is shipped (:mod:`infra.shipped`) and the topic ``instruments.v1``,
which ``moodtape instruments load`` fills.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from schemas.records import Instrument

from .instrument_topic import loaded_instruments
from .names import names_of, normal_name
from .shipped import Rename, shipped_instruments, shipped_renames

__all__ = ["InstrumentTable", "Rename", "load_instruments", "shipped_instruments", "shipped_table"]


class InstrumentTable:
    """Looks symbols and names up; never changes.

    Args:
        instruments: later ones replace earlier ones of the same symbol; aliases and former symbols add up.
        renames: with dates, so that a name finds the symbol that was valid at the time.
    """

    def __init__(self, instruments: Iterable[Instrument], renames: Iterable[Rename] = ()) -> None:
        self._by_symbol = _merged(instruments)
        self._renamed = {rename.former: rename for rename in renames}
        self._before: dict[str, Rename] = {}
        for rename in self._renamed.values():
            self._before.setdefault(rename.symbol, rename)
        self.names: Mapping[str, str] = _names(self._by_symbol)

    def __len__(self) -> int:
        return len(self._by_symbol)

    def __contains__(self, symbol: str) -> bool:
        return symbol in self._by_symbol or symbol in self._renamed

    def knows(self, symbol: str) -> bool:
        """Whether a symbol stands, or stood, for an instrument."""
        return symbol in self

    def get(self, symbol: str) -> Instrument | None:
        """The instrument of a symbol, also of one that it bore before a rename."""
        found = self._by_symbol.get(symbol)
        if found is None and symbol in self._renamed:
            return self.get(self._renamed[symbol].symbol)
        return found

    def instruments(self) -> list[Instrument]:
        """All, by symbol."""
        return [self._by_symbol[symbol] for symbol in sorted(self._by_symbol)]

    def symbol_of(self, name: str, at: int | None = None) -> str | None:
        """Symbol that a name, as people write it, meant at a time (None = now)."""
        symbol = self.names.get(normal_name(name))
        return None if symbol is None else self.symbol_at(symbol, at)

    def symbol_at(self, symbol: str, at: int | None) -> str:
        """The symbol under which today's ``symbol`` was traded at a time: META of May 2022 was FB."""
        rename = self._before.get(symbol)
        while at is not None and rename is not None and at < rename.time:
            symbol, rename = rename.former, self._before.get(rename.former)
        return symbol


def _merged(instruments: Iterable[Instrument]) -> dict[str, Instrument]:
    merged: dict[str, Instrument] = {}
    for new in instruments:
        old = merged.get(new.symbol)
        merged[new.symbol] = new if old is None else _over(old, new)
    return merged


def _over(old: Instrument, new: Instrument) -> Instrument:
    names = (old.name,) if new.name and old.name and old.name != new.name else ()
    return replace(
        new,
        name=new.name or old.name,
        exchange=new.exchange or old.exchange,
        currency=new.currency or old.currency,
        former_symbols=_union(old.former_symbols, new.former_symbols),
        aliases=_union(old.aliases, new.aliases, names),
    )


def _union(*parts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(item for part in parts for item in part))


def _names(by_symbol: Mapping[str, Instrument]) -> dict[str, str]:
    """Normal form of every name to one symbol: aliases first, then US symbols, the shortest, the alphabet's first."""
    ranked = sorted(by_symbol.values(), key=lambda i: ("." in i.symbol, len(i.symbol), i.symbol))
    names: dict[str, str] = {}
    for instrument in ranked:
        for alias in instrument.aliases:
            for name in (normal_name(alias), *names_of(alias)):
                names.setdefault(name, instrument.symbol)
    for instrument in ranked:
        for name in names_of(instrument.name):
            names.setdefault(name, instrument.symbol)
    names.pop("", None)
    return names


def shipped_table(loaded: Iterable[Instrument] = ()) -> InstrumentTable:
    """The table of what is shipped and, over it, what was loaded."""
    return InstrumentTable([*shipped_instruments(), *loaded], shipped_renames())


def load_instruments(bootstrap: str) -> InstrumentTable:
    """The shipped instruments and, over them, those of the topic.

    Raises:
        ServiceUnavailable: Kafka does not answer, or the topic is not there.
    """
    return shipped_table(loaded_instruments(bootstrap).values())
