"""Symbols in texts: tags of the source, cashtags, symbols with their exchange, and bare ones."""

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import lru_cache

from infra.exchanges import by_prefix, by_suffix
from infra.instruments import InstrumentTable

from .rules import Found
from .words import word_list

_LONG_SUFFIX = "|".join(suffix for suffix in sorted(by_suffix()) if len(suffix) > 1)
_SUFFIXES = "|".join(sorted(by_suffix(), key=len, reverse=True))
_PREFIX = "|".join(sorted(by_prefix(), key=len, reverse=True))
_CASHTAG = re.compile(
    rf"\$([A-Za-z]{{1,5}}(?![A-Za-z0-9])|\d{{4,6}}(?=\.[A-Za-z])|[A-Z0-9]{{2,12}}(?=\.(?:{_LONG_SUFFIX})(?![A-Za-z0-9])))"
    r"(?:[.\-_]([A-Za-z]{1,3}))?(?!\w)"
)
# People write Nasdaq and nyse as they like; "American" and the like are what the exchanges call their parts.
_PREFIXED = re.compile(
    rf"(?<![A-Za-z0-9$@_])((?i:nasdaq|nyse)|{_PREFIX})(?:\s(?:American|MKT|Arca|GS|GM|CM))?"
    r"\s?:\s?\$?([A-Z0-9]{1,12}(?:[.-][A-Z]{1,2})?)(?![A-Za-z0-9_])"
)
_SUFFIXED = re.compile(rf"(?<![\w$&@'’.-])([A-Z0-9]{{1,12}})\.({_SUFFIXES})(?!\w)")
_SUFFIX = re.compile(rf"\.(?:{_SUFFIXES})(?![A-Za-z0-9_])")
_PREFIX_WORDS = frozenset(prefix.lower() for prefix in by_prefix())
_BARE = re.compile(r"(?<![\w$&@'’.-])[A-Z]{3,5}(?:[.-][A-Z](?![A-Za-z]))?(?![\w&])")
_TRADED = re.compile(
    r"(?<![A-Za-z])(?:[Bb]uy(?:ing)?|[Bb]ought|[Ss]old|[Ss]elling|[Hh]olding|[Ss]horting"
    r"|(?:shares|calls|puts) (?:of|on|in))"
    r"\s([A-Z]{1,5})(?![\w&'’-])"
    r"|(?<![\w$&@'’.-])([A-Z]{1,5})\s"
    r"(?:calls?|puts?|shares|stock|gang|leaps|LEAPS|squeeze|\d+(?:\.\d+)?[cpCP])\b"
)
_TAG = re.compile(r"[A-Z]{1,5}(?:-[A-Z]{1,2})?")
_CAPITALS = re.compile(r"[A-Z]{2,}")
_LOWER = re.compile(r"[a-z]")
# "12 $M", "in $bn": a unit of money.
_UNITS = frozenset({"K", "M", "B", "T", "MM", "MN", "BN", "TN", "MIL"})
# Of shares, and F of futures: "$BBD.B" is another company than "$BBD", and "$ES_F" no company at all.
_CLASSES = frozenset({"A", "B", "C", "F"})
# "$hit" and "$ex" are no cashtags.
_SPELT = frozenset({"hit", "ex"})
_AMOUNT = re.compile(r"(?:\d\s?|\b(?:[Ii]n|[Oo]f|US|per)\s?\(?)$")


class Symbols:
    """Finds what is written as a symbol.

    Args:
        table: the instruments that are known.
    """

    def __init__(self, table: InstrumentTable) -> None:
        self._table = table
        self._not_traded = word_list("not_traded")
        self._traded_words = word_list("traded_words")
        # Of nicknames only those of indices: SOL, ADA and ETC are other things as well.
        indices = {name: symbol for name, symbol in table.nicknames.items() if symbol.startswith("^")}
        self._bare = {symbol: symbol for symbol in table.symbols()} | indices
        for symbol in word_list("stop_symbols"):
            self._bare.pop(symbol, None)
        # The same few cashtags make up most of them.
        self._of_cashtag: Callable[[str, str | None], Found | None] = lru_cache(8192)(self._cashtag)

    def certain(self, text: str, words: Sequence[str], tagged: Sequence[str]) -> list[Found]:
        """Tags, cashtags and symbols with their exchange; ``words`` are those of the text in small letters."""
        found = list(self._tags(tagged)) if tagged else []
        if "$" in text:
            found += self._cashtags(text)
        if ":" in text and not _PREFIX_WORDS.isdisjoint(words):
            found += [self._prefixed(match[1].upper(), match[2]) for match in _PREFIXED.finditer(text)]
        if "." in text and _SUFFIX.search(text):
            found += self._with_suffixes(text)
        return found

    def _tags(self, tagged: Sequence[str]) -> Iterator[Found]:
        """What the source attached."""
        for tag in tagged:
            symbol = tag.strip().lstrip("$#").upper()
            symbol = symbol if symbol in self._table else symbol.replace(".", "-")
            if symbol in self._table:
                yield Found(symbol, "tag")
            elif _TAG.fullmatch(symbol):
                yield Found(symbol, "tag_unknown")

    def _cashtags(self, text: str) -> Iterator[Found]:
        """``$`` and a symbol."""
        end = -1
        for match in _CASHTAG.finditer(text):
            start, after = match.span()
            if start == 0 or start == end or not text[start - 1].isalnum():
                end = after
                amount = match[1].upper() in _UNITS and _AMOUNT.search(text[max(0, start - 5) : start])
                if amount or match[1] in _SPELT:
                    continue
                found = self._of_cashtag(match[1], match[2])
                if found is not None:
                    yield found

    def _cashtag(self, base: str, suffix: str | None) -> Found | None:
        """``BRK`` ``B`` is a class, ``VOD`` ``L`` an exchange, ``BTC`` ``X`` a coin; else a sentence began."""
        symbol = base.upper()
        if suffix:
            found = self._with_suffix(symbol, suffix)
            if found is not None:
                return found
        if suffix and suffix.upper() in _CLASSES:
            return Found(f"{symbol}-{suffix}", "cashtag_unknown") if base.isupper() else None
        if symbol in self._table.nicknames:
            return Found(self._table.nicknames[symbol], "cashtag")
        if symbol in self._table:
            return Found(symbol, "cashtag")
        if not (base.isalpha() and base.isupper()):
            return None
        letter = suffix is not None and len(suffix) == 1 and suffix.isupper()
        return Found(f"{symbol}-{suffix}" if letter else symbol, "cashtag_unknown")

    def _with_suffix(self, symbol: str, suffix: str) -> Found | None:
        end = suffix.upper()
        if f"{symbol}-{end}" in self._table:
            return Found(f"{symbol}-{end}", "cashtag")
        if f"{symbol}.{end}" in self._table:
            return Found(f"{symbol}.{end}", "exchange")
        if end == "X" and f"{symbol}-USD" in self._table:
            return Found(f"{symbol}-USD", "cashtag")
        foreign = len(end) > 1 and suffix.isupper() and end in by_suffix()
        return Found(f"{symbol}.{end}", "exchange_unknown") if foreign else None

    def _with_suffixes(self, text: str) -> Iterator[Found]:
        """``VOD.L``, ``005930.KS``."""
        for match in _SUFFIXED.finditer(text):
            found = self._suffixed(match[1], match[2])
            if found is not None:
                yield found

    def _prefixed(self, prefix: str, written: str) -> Found:
        """``NYSE: GME``, ``LON:VOD``."""
        suffix = by_prefix()[prefix].suffix
        base = written.zfill(4) if suffix == "HK" and written.isdigit() else written
        symbol = f"{base}.{suffix}" if suffix else base.replace(".", "-")
        return Found(symbol, "exchange" if symbol in self._table else "exchange_unknown")

    def _suffixed(self, base: str, suffix: str) -> Found | None:
        symbol = f"{base}.{suffix}"
        if symbol in self._table:
            return Found(symbol, "exchange")
        # "U.S", "Q1.L" and "PLEASE.NO" are no symbols; those of most exchanges in Asia are numbers.
        certain = base.isdigit() and len(base) >= 4 and len(suffix) > 1
        return Found(symbol, "exchange_unknown") if certain else None

    def bare(self, text: str, *, at_home: bool) -> list[Found]:
        """Known symbols of three letters or more in capitals that are no words, of a text that does not shout.

        Args:
            text: without links.
            at_home: the post is from a community that speaks of shares.
        """
        found, written = [], set()
        for match in _BARE.finditer(text):
            symbol = self._bare.get(match[0].replace(".", "-"))
            if symbol is not None:
                written.add(match[0])
                found.append(Found(symbol, self._bare_rule(symbol, text, match.span(), at_home=at_home)))
        return found if found and not _shouts(text, written) else []

    def _bare_rule(self, symbol: str, text: str, span: tuple[int, int], *, at_home: bool) -> str:
        if symbol in self._table.in_use:
            return "bare"
        if _in_brackets(text, *span):
            return "bare_listed"
        return "bare_community" if at_home else "bare_alone"

    def traded(self, text: str, words: Sequence[str]) -> list[Found]:
        """Symbols that somebody says to trade: also short ones and words, if they are in use."""
        if self._traded_words.isdisjoint(words):
            return []
        symbols = [match[1] or match[2] for match in _TRADED.finditer(text)]
        named = [symbol for symbol in symbols if self._may_be_traded(symbol)]
        return (
            [Found(self._bare.get(symbol, symbol), "traded") for symbol in named]
            if named and not _shouts(text, ())
            else []
        )

    def _may_be_traded(self, symbol: str) -> bool:
        in_use = symbol in self._table.in_use and symbol not in self._not_traded
        return in_use or (len(symbol) > 2 and symbol in self._bare)


def _in_brackets(text: str, start: int, end: int) -> bool:
    """Whether a symbol stands in brackets of its own, as behind the company's name."""
    return text[start - 1 : start] == "(" and text[end : end + 1] == ")"


def _shouts(text: str, known: Collection[str]) -> bool:
    """Whether a text is in capitals: no small letter, and words in capitals beside its symbols."""
    if _LOWER.search(text):
        return False
    return any(word not in known for word in _CAPITALS.findall(_CASHTAG.sub(" ", text)))
