"""Cashtags in texts, and the symbols that a source attached to a post: both are resolved by the same rules."""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

from infra.exchanges import by_suffix
from infra.instruments import InstrumentTable

from .exchange_symbols import may_be_listed, padded
from .rules import Found

_LONG_SUFFIX = "|".join(suffix for suffix in sorted(by_suffix()) if len(suffix) > 1)
CASHTAG = re.compile(
    rf"\$([A-Za-z]{{1,5}}(?![A-Za-z0-9])|[0-9]{{4,6}}(?=\.[A-Za-z])|[A-Z0-9]{{2,12}}(?=\.(?:{_LONG_SUFFIX})(?![A-Za-z0-9])))"
    r"(?:([.\-_/])([A-Za-z]{1,3}))?(?!\w)"
)
# Of shares, and F of futures: "$BBD.B" is another company than "$BBD", and "$ES_F" no company at all.
_CLASSES = frozenset({"A", "B", "C", "F"})
# "$hit" and "$ex" are no cashtags.
_SPELT = frozenset({"hit", "ex"})
# "12 $M", "in $bn": a unit of money.
_UNITS = frozenset({"K", "M", "B", "T", "MM", "MN", "BN", "TN", "MIL"})
_OF_UNIT = re.compile(r"(?:\d\s?|\b(?:[Ii]n|[Oo]f|US|per)\s?\(?)$")
# Not NOK: "500 $NOK" are shares of Nokia more often than crowns.
_MONEY = """
AUD BRL CAD CHF CNY CZK DKK EUR GBP HKD HUF IDR ILS INR JPY KRW MXN MYR NZD PHP PLN RMB RUB SEK SGD THB TRY TWD UAH US
USD VND ZAR
"""
_CURRENCIES = frozenset(_MONEY.split())
_CURRENCY = "|".join(sorted(_CURRENCIES))
_SUM_BEFORE = re.compile(
    rf"(?:\d\s?(?:[kKmMbB][nN]?|thousand|million|billion|trillion)?\s?\(?|(?:{_CURRENCY})\s?[/-]\s?)$"
)
_SUM_AFTER = re.compile(rf"\s?\d|\s?[/-]\s?\$?(?:{_CURRENCY})\b")
_OF_MONEY = _CURRENCIES | _UNITS | {spelt.upper() for spelt in _SPELT}
_NO_TAGS = _OF_MONEY - _UNITS
_OF_TAG = {"cashtag": "tag", "exchange": "tag"}


class Cashtags:
    """Finds ``$`` and a symbol.

    Args:
        table: the instruments that are known.
    """

    def __init__(self, table: InstrumentTable) -> None:
        self._table = table
        # The same few make up most of them.
        self._of: Callable[[str, str | None, str | None], Found | None] = lru_cache(8192)(self._resolved)
        self._of_tag: Callable[[str], Found | None] = lru_cache(8192)(self._tag)

    def among(self, text: str) -> Iterator[Found]:
        """The cashtags of a text."""
        end = -1
        for match in CASHTAG.finditer(text):
            start, after = match.span()
            if start == 0 or start == end or not text[start - 1].isalnum():
                end = after
                found = None if _is_money(text, match) else self._of(*match.groups())
                if found is not None:
                    yield found

    def tags(self, tagged: Sequence[str], text: str) -> Iterator[Found]:
        """What the source attached; money that it took for a cashtag of the text is judged where it stands."""
        for written in dict.fromkeys(tag.strip().lstrip("$#").upper() for tag in tagged):
            if written in _NO_TAGS and f"${written}" in text.upper():
                continue
            found = self._of_tag(written)
            if found is not None:
                yield found

    def _tag(self, written: str) -> Found | None:
        if written in self._table and written not in self._table.nicknames:
            return Found(written, "tag")
        match = CASHTAG.fullmatch(f"${written}")
        if match is None:
            return None
        base, mark, suffix = match.groups()
        found = self._with_suffix(base, mark, suffix) if suffix else self._of(base, None, None)
        if found is not None:
            return Found(found.symbol, _OF_TAG.get(found.rule, "tag_unknown"))
        # No sentence begins within a tag: what stands behind the mark belongs to the symbol.
        return Found(f"{base}-{suffix}", "tag_unknown") if suffix and len(suffix) < 3 else None

    def _resolved(self, base: str, mark: str | None, suffix: str | None) -> Found | None:
        """A symbol with what belongs to it; else a sentence began behind it."""
        symbol = base.upper()
        if mark and suffix:
            found = self._with_suffix(base, mark, suffix)
            if found is not None or (mark != "/" and suffix.upper() in _CLASSES):
                return found
        if symbol in self._table.nicknames:
            return Found(self._table.nicknames[symbol], "cashtag")
        if symbol in self._table:
            return Found(symbol, "cashtag")
        if not (base.isalpha() and base.isupper()) or symbol in _CURRENCIES:
            return None
        letter = suffix is not None and mark != "/" and len(suffix) == 1 and suffix.isupper()
        return Found(f"{symbol}-{suffix}" if letter else symbol, "cashtag_unknown")

    def _with_suffix(self, base: str, mark: str, suffix: str) -> Found | None:
        """``BRK`` ``B`` is a class, ``VOD`` ``L`` an exchange, ``BTC`` ``X`` a coin."""
        symbol, end = base.upper(), suffix.upper()
        if f"{symbol}-{end}" in self._table:
            return Found(f"{symbol}-{end}", "cashtag")
        if mark == "/":
            return None
        listed = f"{padded(symbol, end)}.{end}"
        if listed in self._table:
            return Found(listed, "exchange")
        if end == "X" and f"{symbol}-USD" in self._table:
            return Found(f"{symbol}-USD", "cashtag")
        if end in _CLASSES:
            return Found(f"{symbol}-{end}", "cashtag_unknown") if base.isupper() else None
        foreign = (
            mark == "." and len(end) > 1 and suffix.isupper() and end in by_suffix() and may_be_listed(symbol, end)
        )
        return Found(listed, "exchange_unknown") if foreign else None


def _is_money(text: str, match: re.Match[str]) -> bool:
    """Whether a unit or a currency stands beside an amount, or a sign for a letter."""
    written = match[1].upper()
    if written not in _OF_MONEY:
        return False
    before = text[max(0, match.start() - 16) : match.start()]
    if written in _CURRENCIES:
        return bool(_SUM_BEFORE.search(before) or _SUM_AFTER.match(text, match.end(1)))
    return match[1] in _SPELT or (written in _UNITS and _OF_UNIT.search(before[-5:]) is not None)
