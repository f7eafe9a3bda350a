"""Finds the instruments that a post names, by the rules of :mod:`streams.rules`.

Nothing is found inside links, e-mail addresses, handles, code and amounts of money. A name means the symbol that was
valid at the post's time (``facebook`` is FB until June 2022).
"""

import re
from collections.abc import Callable, Collection, Sequence
from functools import lru_cache
from typing import NamedTuple

from infra.instruments import InstrumentTable
from infra.names import name_words
from schemas.records import PostMention

from .company_names import CompanyNames, capital_names
from .rules import BY_NAME, CONFIDENCE, Found
from .symbols import Symbols
from .text import without_links
from .words import word_list

MAX_MENTIONS = 64
LEAST = 0.5

_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]+`", re.DOTALL)


class Judged(NamedTuple):
    """What a post names: ``mentions`` are sure enough, ``unsure`` are not; both by symbol."""

    mentions: tuple[PostMention, ...]
    unsure: tuple[PostMention, ...]


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
            at: time of the post, microseconds UTC, for names of instruments that were renamed; None = today.
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
            named = self._dated(each, at) if each.rule in BY_NAME else each
            other = best.get(named.symbol)
            if other is None or CONFIDENCE[other.rule] < CONFIDENCE[named.rule]:
                best[named.symbol] = named
        mentions = [_mention(each) for each in (_surest(best.values()) if len(best) > 1 else best.values())]
        unsure = tuple(mention for mention in mentions if mention.confidence < self._least)
        if not unsure:
            return Judged(tuple(mentions), unsure)
        return Judged(tuple(mention for mention in mentions if mention.confidence >= self._least), unsure)

    def _dated(self, found: Found, at: int | None) -> Found:
        symbol = self._table.symbol_at(found.symbol, at)
        return found if symbol == found.symbol else Found(symbol, found.rule)

    def _look(self, text: str, tagged: tuple[str, ...], at_home: bool) -> tuple[Found, ...]:  # cached
        plain = without_links(_CODE.sub(" ", text) if "`" in text else text)
        words = name_words(plain)
        named = self._names.among(words)
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
