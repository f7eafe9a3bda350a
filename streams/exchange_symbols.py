"""Symbols that are written with their exchange: ``NYSE: GME``, ``(NASDAQ: TSLA, AAPL)``, ``LON:VOD``, ``005930.KS``."""

import re
from collections.abc import Iterator, Sequence

from infra.exchanges import by_prefix, by_suffix, digits_of
from infra.instruments import InstrumentTable

from .rules import Found
from .words import word_list

_PREFIX = "|".join(sorted(by_prefix(), key=len, reverse=True))
_SUFFIXES = "|".join(sorted(by_suffix(), key=len, reverse=True))
# People write Nasdaq and nyse as they like; "American" and the like are what the exchanges call their parts.
_PREFIXED = re.compile(
    rf"(?<![A-Za-z0-9$@_])((?i:nasdaq|nyse)|{_PREFIX})(?:\s(?:American|MKT|Arca|GS|GM|CM))?"
    r"\s?:\s?\$?([A-Z0-9]{1,12}(?:[.-][A-Z]{1,2})?)(?![A-Za-z0-9_])"
)
_MORE = re.compile(
    r"\s?(?:[,;/&]|and\b)\s?\$?([A-Z0-9]{1,12}(?:[.-][A-Z]{1,2})?)(?![A-Za-z0-9_]|\s?:|\s(?:American|MKT|Arca)\b)"
)
_PREFIX_WORDS = frozenset(prefix.lower() for prefix in by_prefix())
_SUFFIXED = re.compile(rf"(?<![\w$&@'’.-])([A-Z0-9]{{1,12}})\.({_SUFFIXES})(?!\w)")
_SUFFIX = re.compile(rf"\.(?:{_SUFFIXES})(?![A-Za-z0-9_])")
_ABROAD = re.compile(
    rf"(?<![A-Za-z0-9$@_])(?:{'|'.join(prefix for prefix, exchange in by_prefix().items() if exchange.suffix)})\s?:\s?$"
)
_LONGEST_PREFIX = max(map(len, by_prefix())) + len(" : ") + 1
# Behind a number: it is an amount, a time or a date. Behind "A": a sentence begins with the article.
_AMOUNT = re.compile(r"\s?%|[.,:-]\d")
_SENTENCE = re.compile(r"\s[a-z]")
_OF_US = re.compile(r"[A-Z]{1,5}(?:[.-][A-Z]{1,2})?")
# Words, time zones, airports, offices: what stands behind them is an exchange's only if it is known.
_WORDS = "AMS B3 BATS BIT BKK BME CPH CVE ELI EPA FRA HEL IDX IEX IST MCX OSL SHA SHE SIX STO TLV VIE WSE"
_AMBIGUOUS = frozenset(_WORDS.split())
_FEWEST_DIGITS = 3


def may_be_listed(base: str, suffix: str) -> bool:
    """Whether an unknown symbol has the form of those of an exchange; digits alone are some exchanges' in Asia."""
    if base.isdigit():
        return len(base) >= _FEWEST_DIGITS and len(padded(base, suffix)) == digits_of(suffix)
    return bool(suffix) or _OF_US.fullmatch(base) is not None


def is_behind_exchange_abroad(text: str, start: int) -> bool:
    """Whether what begins there is another exchange's symbol: VOD of London and VOD of Nasdaq are not one."""
    return ":" in text[max(0, start - 2) : start] and bool(
        _ABROAD.search(text[max(0, start - _LONGEST_PREFIX) : start])
    )


def padded(base: str, suffix: str) -> str:
    """As Yahoo writes Hong Kong's numbers."""
    return base.zfill(4) if suffix == "HK" and base.isdigit() else base


class ExchangeSymbols:
    """Finds symbols with their exchange.

    Args:
        table: the instruments that are known.
    """

    def __init__(self, table: InstrumentTable) -> None:
        self._table = table
        words = ("stop_words", "stop_names", "stop_symbols", "not_traded", "market_words", "traded_words")
        self._words = frozenset(word.upper() for name in words for word in word_list(name))

    def among(self, text: str, words: Sequence[str]) -> list[Found]:
        """Those of a text whose words in small letters are ``words``."""
        found: list[Found] = []
        if ":" in text and not _PREFIX_WORDS.isdisjoint(words):
            for match in _PREFIXED.finditer(text):
                found += self._prefixed(text, match)
        if "." in text and _SUFFIX.search(text):
            for match in _SUFFIXED.finditer(text):
                found += self._suffixed(match[1], match[2])
        return found

    def _prefixed(self, text: str, match: re.Match[str]) -> Iterator[Found]:
        """What stands behind the name of an exchange, and the known symbols that the list goes on with."""
        prefix, end = match[1].upper(), match.end()
        found = self._behind(prefix, match[2], text, end)
        more = found and _MORE.match(text, end)
        if found is not None:
            yield found
        while more:
            symbol = _symbol(prefix, more[1])
            if symbol not in self._table or self._may_be_word(more) or _counts(text, more[1], more.end()):
                return
            yield Found(symbol, "exchange")
            more = _MORE.match(text, more.end())

    def _may_be_word(self, more: re.Match[str]) -> bool:
        """Whether a list may have ended, and a word in capitals follows it: "NYSE: GME, ALL of it"."""
        goes_on = more.string[more.end() : more.end() + 1] in tuple(",;)")
        return not goes_on and more[1] in self._words

    def _behind(self, prefix: str, written: str, text: str, end: int) -> Found | None:
        if _counts(text, written, end) or (written == "A" and _SENTENCE.match(text, end)):
            return None
        index = self._table.nicknames.get(written, "")
        if index.startswith("^"):
            return Found(index, "exchange")
        symbol = _symbol(prefix, written)
        if symbol in self._table:
            return Found(symbol, "exchange")
        certain = prefix not in _AMBIGUOUS and written not in self._words
        listed = certain and may_be_listed(written, by_prefix()[prefix].suffix)
        return Found(symbol, "exchange_unknown") if listed else None

    def _suffixed(self, base: str, suffix: str) -> Iterator[Found]:
        symbol = f"{padded(base, suffix)}.{suffix}"
        if symbol in self._table:
            yield Found(symbol, "exchange")
        # "U.S", "Q1.L" and "PLEASE.NO" are no symbols; those of most exchanges in Asia are numbers.
        elif base.isdigit() and len(suffix) > 1 and may_be_listed(base, suffix):
            yield Found(symbol, "exchange_unknown")


def _symbol(prefix: str, written: str) -> str:
    suffix = by_prefix()[prefix].suffix
    return f"{padded(written, suffix)}.{suffix}" if suffix else written.replace(".", "-")


def _counts(text: str, written: str, end: int) -> bool:
    """Whether digits are an amount and no symbol."""
    return written.isdigit() and _AMOUNT.match(text, end) is not None
