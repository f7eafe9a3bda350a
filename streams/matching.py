"""Finds the instruments that a post names, by the rules of :mod:`streams.rules`.

Nothing is found inside links, e-mail addresses, handles, code, amounts of money and the names of sites that are no
company's. A name or symbol means the one that was valid at the post's time: ``facebook`` is FB until June 2022, and
``$FB`` is META since.
"""

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from infra.instruments import InstrumentTable
from infra.names import name_words, normal_name
from schemas.records import PostMention

from .company_names import CompanyNames, Named, capital_names, is_capital
from .rules import BY_NAME, CONFIDENCE, Found
from .symbols import Symbols
from .text import without_links
from .words import word_list

MAX_MENTIONS = 64
LEAST = 0.5

# Endings of sites' names that stand in no link.
_ENDINGS = frozenset({"ai", "biz", "co", "com", "edu", "gov", "info", "io", "ly", "net", "org"})
_SITE = re.compile(
    rf"(?<![\w$@.-])(?:[\w-]{{1,63}}\.){{1,3}}(?:{'|'.join(sorted(_ENDINGS))}|(?i:com|net|org))(?:\.[a-z]{{2}})?(?![\w-])"
)
_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]+`", re.DOTALL)


class Judged(NamedTuple):
    """What a post names: ``mentions`` are sure enough, ``unsure`` are not; both by symbol.

    ``crowded``: it names more than 64, of which the surest are kept.
    """

    mentions: tuple[PostMention, ...]
    unsure: tuple[PostMention, ...]
    crowded: bool = False


NOTHING = Judged((), ())


class Matcher:
    """Finds instruments in texts; pure, and safe to share between folds of a process.

    Args:
        table: the instruments that are known.
        least: confidence below which a mention is unsure.
        remembered: how many texts' answers are kept, for posts that are asked about twice and for reposts.
    """

    def __init__(self, table: InstrumentTable, least: float = LEAST, remembered: int = 8192) -> None:
        self._table = table
        self._least = least
        self._renamed = table.renamed
        self._symbols = Symbols(table)
        self._names = CompanyNames(table)
        self._market = word_list("market_words")
        self._communities = word_list("communities")
        self._remember: Callable[[str, tuple[str, ...], bool], tuple[Found, ...]] = lru_cache(remembered)(self._look)

    def find(
        self, text: str, tagged: Sequence[str], at: int | None = None, community: str | None = None
    ) -> tuple[PostMention, ...]:
        """Instruments of a post that are sure enough, by symbol, each once; at most 64, the surest.

        Args:
            text: the post's text.
            tagged: symbols that the source itself attached.
            at: time of the post, microseconds UTC, for instruments that were renamed; None = today.
            community: where it was posted; some speak of shares only.
        """
        return self.judge(text, tagged, at, community).mentions

    def judge(self, text: str, tagged: Sequence[str], at: int | None = None, community: str | None = None) -> Judged:
        """As :meth:`find`, with what was seen but is not sure enough."""
        at_home = community is not None and community.lower() in self._communities
        found = self._remember(text, tuple(tagged), at_home)
        if not found:
            return NOTHING
        best: dict[str, Found] = {}
        for each in found:
            named = self._dated(each, at) if each.symbol in self._renamed else each
            other = best.get(named.symbol)
            if other is None or CONFIDENCE[other.rule] < CONFIDENCE[named.rule]:
                best[named.symbol] = named
        mentions = [_mention(each) for each in (_surest(best.values()) if len(best) > 1 else best.values())]
        unsure = tuple(mention for mention in mentions if mention.confidence < self._least)
        crowded = len(best) > MAX_MENTIONS
        if not unsure:
            return Judged(tuple(mentions), unsure, crowded)
        return Judged(tuple(mention for mention in mentions if mention.confidence >= self._least), unsure, crowded)

    def reader(
        self, text: str, tagged: Sequence[str], at: int | None = None, community: str | None = None
    ) -> Callable[[str], frozenset[str]]:
        """Who finds the post's instruments in a part of its text.

        What the whole post made sure of is sure in each part: a company's name that needs support, a short symbol that
        is traded, capitals. Parts name no others.
        """
        at_home = community is not None and community.lower() in self._communities
        kept = {mention.symbol for mention in self.judge(text, tagged, at, community).mentions}
        found = self._remember(text, tuple(tagged), at_home)
        known = {each.symbol: symbol for each in found if (symbol := self._dated(each, at).symbol) in kept}
        traded = frozenset(each.symbol for each in found if each.rule == "traded")

        def named(part: str) -> frozenset[str]:
            return frozenset(known[symbol] for symbol in self._written(part, traded) if symbol in known)

        return named

    def _written(self, part: str, traded: Collection[str]) -> Iterator[str]:
        """All symbols that a part of a post may stand for."""
        plain, words, named = self._read(part)
        yield from (each.symbol for each in self._symbols.certain(plain, words, ()))
        yield from self._symbols.again(plain, traded)
        yield from (name.symbol for name in named if name.sort == "name" or is_capital(plain, name))

    def _dated(self, found: Found, at: int | None) -> Found:
        named = found.rule in BY_NAME
        symbol = self._table.symbol_at(found.symbol, at) if named else self._table.meant(found.symbol, at)
        return found if symbol == found.symbol else Found(symbol, found.rule)

    def _read(self, text: str) -> tuple[str, list[str], list[Named]]:
        """A text without links, code and sites, its words and the names among them."""
        plain = without_links(_CODE.sub(" ", text) if "`" in text else text)
        words = name_words(plain)
        if "." in plain and not _ENDINGS.isdisjoint(words):
            plain = _SITE.sub(self._site, plain)
            words = name_words(plain)
        return plain, words, self._names.among(words)

    def _site(self, match: re.Match[str]) -> str:
        return match[0] if normal_name(match[0]) in self._table.names else " "

    def _look(self, text: str, tagged: tuple[str, ...], at_home: bool) -> tuple[Found, ...]:  # cached
        plain, words, named = self._read(text)
        found = self._symbols.certain(plain, words, tagged)
        found += [Found(name.symbol, "name") for name in named if name.sort == "name"]
        market = not self._market.isdisjoint(words)
        found += self._symbols.bare(plain, at_home=at_home)
        found += self._symbols.traded(plain, words)
        if len(named) > sum(name.sort == "name" for name in named):
            sure = any(rule != "bare_alone" for _, rule in found)
            found += capital_names(plain, named, supported=market or sure)
        return tuple(dict.fromkeys(found)) if len(found) > 1 else tuple(found)


@lru_cache(65_536)
def _mention(found: Found) -> PostMention:
    return PostMention(symbol=found.symbol, rule=found.rule, confidence=CONFIDENCE[found.rule])


def _surest(found: Collection[Found]) -> list[Found]:
    """The surest of many, by symbol."""
    if len(found) <= MAX_MENTIONS:
        return sorted(found)
    return sorted(sorted(found, key=lambda each: (-CONFIDENCE[each.rule], each.symbol))[:MAX_MENTIONS])
