"""Symbols in texts: tags of the source, cashtags, symbols with their exchange, and bare ones."""

import re
from collections.abc import Collection, Iterator, Sequence

from infra.instruments import InstrumentTable

from .cashtags import CASHTAG, Cashtags
from .exchange_symbols import ExchangeSymbols, is_behind_exchange_abroad
from .rules import Found
from .words import word_list

_BARE = re.compile(r"(?<![\w$&@'’.-])[A-Z]{3,5}(?:[.-][A-Z](?![A-Za-z]))?(?![\w&])")
_CAPITAL = re.compile(r"(?<![\w$&@'’.-])[A-Z]{1,5}(?:[.-][A-Z](?![A-Za-z]))?(?![\w&])")
_TRADED = re.compile(
    r"(?<![A-Za-z])(?:[Bb]uy(?:ing)?|[Bb]ought|[Ss]old|[Ss]elling|[Hh]olding|[Ss]horting"
    r"|(?:shares|calls|puts) (?:of|on|in))"
    r"\s([A-Z]{1,5})(?![\w&'’-])"
    r"|(?<![\w$&@'’.-])([A-Z]{1,5})\s"
    r"(?:calls?|puts?|shares|stock|gang|leaps|LEAPS|squeeze|\d+(?:\.\d+)?[cpCP])\b"
)
_CAPITALS = re.compile(r"[A-Z]{2,}")
_LOWER = re.compile(r"[a-z]")


class Symbols:
    """Finds what is written as a symbol.

    Args:
        table: the instruments that are known.
    """

    def __init__(self, table: InstrumentTable) -> None:
        self._table = table
        self._cashtags = Cashtags(table)
        self._on_exchanges = ExchangeSymbols(table)
        self._not_traded = word_list("not_traded")
        self._traded_words = word_list("traded_words")
        # Of nicknames only those of indices: SOL, ADA and ETC are other things as well.
        indices = {name: symbol for name, symbol in table.nicknames.items() if symbol.startswith("^")}
        self._bare = {symbol: symbol for symbol in table.symbols()} | indices
        self._stop = word_list("stop_symbols")
        for symbol in self._stop:
            self._bare.pop(symbol, None)

    def certain(self, text: str, words: Sequence[str], tagged: Sequence[str]) -> list[Found]:
        """Tags, cashtags and symbols with their exchange; ``words`` are those of the text in small letters."""
        found = list(self._cashtags.tags(tagged, text)) if tagged else []
        if "$" in text:
            found += self._cashtags.among(text)
        found += self._on_exchanges.among(text, words)
        return found

    def bare(self, text: str, *, at_home: bool) -> list[Found]:
        """Known symbols of three letters or more in capitals that are no words, of a text that does not shout.

        Args:
            text: without links.
            at_home: the post is from a community that speaks of shares.
        """
        found, written = [], set()
        for match in _BARE.finditer(text):
            symbol = self._bare.get(match[0].replace(".", "-"))
            if symbol is not None and not is_behind_exchange_abroad(text, match.start()):
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

    def again(self, text: str, traded: Collection[str]) -> Iterator[str]:
        """Symbols in capitals, of a part of a post that as a whole said which of them count, and which it trades."""
        for match in _CAPITAL.finditer(text):
            written = match[0].replace(".", "-")
            if written in traded or not (len(written) == 1 or written in self._stop or written in self._not_traded):
                yield self._bare.get(written, written)

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
    return any(word not in known for word in _CAPITALS.findall(CASHTAG.sub(" ", text)))
