"""The instruments: what a symbol stands for, and which symbol a name means.

Two sources, the second over the first: what is shipped (:mod:`infra.shipped`) and the topic ``instruments.v1``,
which ``moodtape instruments load`` fills.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import zip_longest

from schemas.records import Instrument

from .clock import from_rfc3339
from .instrument_topic import loaded_instruments
from .names import names_of, normal_name, short_name
from .shipped import shipped_instruments

__all__ = [
    "LONGEST_SYMBOL",
    "SYMBOL_MARKS",
    "InstrumentTable",
    "load_instruments",
    "shipped_instruments",
    "shipped_table",
]

LONGEST_SYMBOL, SYMBOL_MARKS = 32, ".^=&_-"
"""Of Yahoo's notation: most characters, and those beside letters and figures, as between brackets of an expression."""

_NEVER = 1 << 62
_ANNOUNCED = 183 * 86_400 * 1_000_000
"""How long before a rename people may write the new symbol: half a year, in microseconds."""
_NICKNAME = re.compile(r"[a-z]{2,5}")


@dataclass(frozen=True, slots=True)
class Rename:
    """From ``time`` (microseconds UTC) on the instrument ``former`` is traded as ``symbol``."""

    former: str
    symbol: str
    time: int


class InstrumentTable:
    """Looks symbols and names up; never changes.

    Args:
        instruments: later ones replace earlier ones of the same symbol; aliases and former symbols add up. Where a
            former symbol has a date, a name or symbol finds the one that was valid at the time.

    What names mean is worked out when first asked for: who only looks symbols up starts sooner.
    """

    def __init__(self, instruments: Iterable[Instrument]) -> None:
        self._by_symbol = _merged(instruments)
        self._renamed: dict[str, str] = {}
        self._before: dict[str, Rename] = {}
        self._next: dict[str, Rename] = {}
        for rename in _renames(self._by_symbol.values()):
            self._renamed[rename.former] = rename.symbol
            if rename.time:
                self._before.setdefault(rename.symbol, rename)
                self._next.setdefault(rename.former, rename)

    @cached_property
    def renamed(self) -> frozenset[str]:
        """The symbols that are others' former or later ones."""
        return frozenset((*self._next, *self._before))

    @cached_property
    def _left(self) -> Mapping[str, Rename]:
        """The symbols that a company left and no other took: a fund that has one since is hardly ever meant by it."""
        return {former: rename for former, rename in self._next.items() if not self._is_taken(rename)}

    def _is_taken(self, rename: Rename) -> bool:
        holder = self._by_symbol.get(rename.former)
        if holder is None or not holder.name or holder.kind == "FUND":
            return False
        return not _same_company(holder, self._by_symbol[rename.symbol])

    @cached_property
    def aliases(self) -> Mapping[str, str]:
        """Normal form of every name in use -> symbol."""
        return _aliases(self._by_symbol)

    @cached_property
    def names(self) -> Mapping[str, str]:
        """The aliases, and below them the names that listings have."""
        return {**_listed_names(self._by_symbol, self.aliases), **self.aliases}

    @cached_property
    def in_use(self) -> frozenset[str]:
        """Symbols with an alias."""
        return _in_use(self._by_symbol.values(), self._renamed)

    @cached_property
    def nicknames(self) -> Mapping[str, str]:
        """What coins and indices are called in cashtags, in capitals -> symbol."""
        return _nicknames(self._by_symbol.values())

    def __len__(self) -> int:
        return len(self._by_symbol)

    def __contains__(self, symbol: str) -> bool:
        return symbol in self._by_symbol or symbol in self._renamed

    def knows(self, symbol: str) -> bool:
        """Whether a symbol stands, or stood, for an instrument."""
        return symbol in self

    def symbols(self) -> frozenset[str]:
        """All that stand, or stood, for an instrument."""
        return frozenset((*self._by_symbol, *self._renamed))

    def get(self, symbol: str) -> Instrument | None:
        """The instrument of a symbol, also of one that it bore before a rename."""
        found = self._by_symbol.get(symbol)
        if found is None and symbol in self._renamed:
            return self._by_symbol.get(self._renamed[symbol])
        return found

    def instruments(self) -> list[Instrument]:
        """All, by symbol."""
        return [self._by_symbol[symbol] for symbol in sorted(self._by_symbol)]

    def symbol_of(self, name: str, at: int | None = None) -> str | None:
        """Symbol that a name, as people write it, meant at a time (None = now)."""
        symbol = self.names.get(normal_name(name))
        return None if symbol is None else self.symbol_at(symbol, at)

    def meant(self, symbol: str, at: int | None) -> str:
        """The symbol that was valid at a time, of one that a post of then has: FB of 2023 is META."""
        rename, new = self._left.get(symbol), self._before.get(symbol)
        if rename is not None and (at is None or rename.time <= at):
            return self._last(rename, _NEVER if at is None else at)
        # Long before, other companies had what is the symbol of this one now.
        early = new is not None and at is not None and at < new.time - _ANNOUNCED
        return symbol if early else self.symbol_at(symbol, at)

    def _last(self, rename: Rename, at: int) -> str:
        following = self._next.get(rename.symbol)
        while following is not None and rename.time < following.time <= at:
            rename, following = following, self._next.get(following.symbol)
        return rename.symbol

    def symbol_at(self, symbol: str, at: int | None) -> str:
        """The symbol under which today's ``symbol`` was traded at a time: META of May 2022 was FB."""
        rename, last = self._before.get(symbol), _NEVER
        # Each rename is earlier than the one after it, so that symbols which were given back end the way.
        while at is not None and rename is not None and at < rename.time < last:
            symbol, last = rename.former, rename.time
            rename = self._before.get(symbol)
        return symbol


def _merged(instruments: Iterable[Instrument]) -> dict[str, Instrument]:
    merged: dict[str, Instrument] = {}
    for new in instruments:
        old = merged.get(new.symbol)
        merged[new.symbol] = new if old is None else _over(old, new)
    return merged


def _over(old: Instrument, new: Instrument) -> Instrument:
    # A listing read again calls the same company a little otherwise; only of names in use the old one stays in use.
    names = (old.name,) if old.aliases and new.name and old.name and old.name != new.name else ()
    former = dict(_former(old))
    for symbol, until in _former(new):
        former[symbol] = until or former.get(symbol, "")
    return replace(
        new,
        name=new.name or old.name,
        exchange=new.exchange or old.exchange,
        currency=new.currency or old.currency,
        calendar=new.calendar or old.calendar,
        kind=old.kind if new.kind == "UNKNOWN" else new.kind,
        former_symbols=tuple(former),
        former_until=tuple(former.values()),
        aliases=_union(old.aliases, new.aliases, names),
    )


def _former(instrument: Instrument) -> list[tuple[str, str]]:
    """Former symbols with their dates; records from before there were dates have none."""
    return list(zip_longest(instrument.former_symbols, instrument.former_until, fillvalue=""))


def _renames(instruments: Iterable[Instrument]) -> Iterator[Rename]:
    for instrument in instruments:
        for former, until in _former(instrument):
            yield Rename(former, instrument.symbol, from_rfc3339(f"{until}T00:00:00Z") if until else 0)


def _same_company(one: Instrument, other: Instrument) -> bool:
    """Whether one of their names begins as one of the other's does."""
    ours, theirs = ([f"{short_name(name)} " for name in (i.name, *i.aliases) if name] for i in (one, other))
    return any(a.startswith(b) or b.startswith(a) for a in ours for b in theirs)


def _in_use(instruments: Iterable[Instrument], renamed: Mapping[str, str]) -> frozenset[str]:
    """Symbols of the instruments that somebody gave an alias, of those that people talk about; also former ones."""
    found = {instrument.symbol for instrument in instruments if instrument.aliases}
    news = found
    while news:
        news = {former for former, symbol in renamed.items() if symbol in news} - found
        found |= news
    return frozenset(found)


def _nicknames(instruments: Iterable[Instrument]) -> dict[str, str]:
    """What coins and indices are called in cashtags -> symbol: ``BTC`` is ``BTC-USD``, ``SPX`` is ``^GSPC``."""
    named = [instrument for instrument in instruments if instrument.kind in ("CRYPTO", "INDEX")]
    return {alias.upper(): i.symbol for i in named for alias in i.aliases if _NICKNAME.fullmatch(alias)}


def _union(*parts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(item for part in parts for item in part))


def _ranked(by_symbol: Mapping[str, Instrument]) -> list[Instrument]:
    """Who has the first claim to a name: by the market, then the shortest symbol, then the alphabet."""
    return sorted(by_symbol.values(), key=lambda i: (_remoteness(i), len(i.symbol), i.symbol))


def _remoteness(instrument: Instrument) -> int:
    """0 for what trades on an exchange of the US, coins and indices, 1 abroad, 2 over the counter or nowhere known."""
    if "." in instrument.symbol:
        return 1
    nowhere = instrument.exchange in (None, "OTC") and instrument.kind not in ("INDEX", "CRYPTO")
    return 2 if nowhere else 0


def _aliases(by_symbol: Mapping[str, Instrument]) -> dict[str, str]:
    """Normal forms of the aliases, each to one symbol; as they are written they go before their shorter forms."""
    named = [(alias, instrument.symbol) for instrument in _ranked(by_symbol) for alias in instrument.aliases]
    found: dict[str, str] = {}
    for alias, symbol in named:
        found.setdefault(normal_name(alias), symbol)
    for alias, symbol in named:
        for name in names_of(alias):
            found.setdefault(name, symbol)
    found.pop("", None)
    return found


def _listed_names(by_symbol: Mapping[str, Instrument], aliases: Mapping[str, str]) -> dict[str, str]:
    """Normal forms of the names that only listings have, each to one symbol; the full ones to that of the shortest.

    Where the shortest is an alias, the full ones would only hide it in a text.
    """
    found: dict[str, str] = {}
    for instrument in _ranked(by_symbol):
        names = names_of(instrument.name) if instrument.kind != "DERIVED" else ()
        if names and names[-1] not in aliases:
            found.setdefault(names[0], found.setdefault(names[-1], instrument.symbol))
    found.pop("", None)
    return found


def shipped_table(loaded: Iterable[Instrument] = ()) -> InstrumentTable:
    """The table of what is shipped and, over it, what was loaded."""
    return InstrumentTable([*shipped_instruments(), *loaded])


def load_instruments(bootstrap: str) -> InstrumentTable:
    """The shipped instruments and, over them, those of the topic.

    Raises:
        ServiceUnavailable: Kafka does not answer, or the topic is not there.
    """
    return shipped_table(loaded_instruments(bootstrap).values())
