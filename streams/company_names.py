"""Names of companies in texts, by an automaton over all of them."""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

from ahocorasick_rs import AhoCorasick, MatchKind

from infra.instruments import InstrumentTable
from infra.names import is_small

from .rules import Found
from .words import word_list

Sort = Literal["name", "name_capital", "name_listed", "hidden"]

_LONG_WORD = re.compile(r"[A-Za-z]{4,}")
_TITLE_SHARE = 0.6
# What stands before the first word of a sentence, a quotation, a headline.
_OPENS = tuple(".!?:;|-–—\"'“‘(>")
# Shorter names are looked for only where we wrote them down as an alias.
_SHORT_NAMES = frozenset({"amd", "bmw", "ibm", "kfc", "ubs"})


class Named(NamedTuple):
    """A name that is looked for."""

    name: str
    symbol: str
    sort: Sort


class CompanyNames:
    """Finds names of instruments.

    Args:
        table: the instruments that are known.
    """

    def __init__(self, table: InstrumentTable) -> None:
        self._named = list(_looked_for(table))
        # Texts are joined with two spaces, so that each word has a space of its own on either side.
        patterns = [" " + named.name.replace(" ", "  ") + " " for named in self._named]
        self._automaton = AhoCorasick(patterns, matchkind=MatchKind.LeftmostLongest)

    def among(self, words: Sequence[str]) -> list[Named]:
        """The names in a text's words, in its order, whatever their letters' case."""
        joined = f" {'  '.join(words)} "
        found = [self._named[index] for index, _, _ in self._automaton.find_matches_as_indexes(joined)]
        return [named for named in found if named.sort != "hidden"] if found else found


def _looked_for(table: InstrumentTable) -> Iterator[Named]:
    symbols, capital = word_list("stop_symbols"), word_list("capital_names")
    stop = word_list("stop_names") | word_list("stop_words") | {word.lower() for word in symbols}
    hidden = word_list("not_names")
    for phrase in hidden:
        yield Named(phrase, "", "hidden")
    for name, symbol in table.names.items():
        if name in hidden:
            continue
        if name in capital:
            yield Named(name, symbol, "name_capital")
        elif (len(name) >= 4 or name in _SHORT_NAMES) and name not in stop:
            yield Named(name, symbol, "name" if name in table.aliases else "name_listed")


def capital_names(text: str, named: Sequence[Named], *, supported: bool) -> Iterator[Found]:
    """Which names that are words too, or that only listings have, a text means.

    Args:
        text: as it was written.
        named: what was found in its words.
        supported: the post has a word of the market or another instrument.
    """
    titled = not supported and _is_title(text)
    for name in dict.fromkeys(named):
        if name.sort == "name_capital":
            if _capital(text, name.name, supported=supported, titled=titled):
                yield Found(name.symbol, name.sort)
        elif name.sort == "name_listed" and is_capital(text, name):
            certain = supported or (" " in name.name and not titled)
            yield Found(name.symbol, "name_listed" if certain else "name_alone")


def is_capital(text: str, named: Named) -> bool:
    """Whether a name stands in a text as one that is a word too, or that only listings have, must be written."""
    pattern = _written(named.name) if named.sort == "name_capital" else _with_capitals(named.name)
    return pattern.search(text) is not None


def _capital(text: str, name: str, *, supported: bool, titled: bool) -> bool:
    return any(
        supported or match[0][0] == "#" or not (titled or _opens_sentence(text, match.start()))
        for match in _written(name).finditer(text)
    )


@lru_cache(4096)
def _written(name: str) -> re.Pattern[str]:
    """Pattern of a name with capitals, perhaps as a hashtag."""
    return re.compile(rf"(?<![\w@$-])#?(?:{re.escape(name.title())}|{re.escape(name.upper())})(?![\w-])")


@lru_cache(4096)
def _with_capitals(name: str) -> re.Pattern[str]:
    """Pattern of a name each of whose words has a capital, whatever stands between them."""
    words = [f"(?i:{re.escape(word)})" if is_small(word) else _capital_word(word) for word in name.split()]
    together = r"\W{1,4}".join(words)
    return re.compile(rf"(?<![\w@$]){together}(?!\w)")


def _capital_word(word: str) -> str:
    return rf"{re.escape(word[0].upper())}(?i:{re.escape(word[1:])})"


def _opens_sentence(text: str, start: int) -> bool:
    before = text[:start].rstrip()
    return not before or before.endswith(_OPENS)


def _is_title(text: str) -> bool:
    """Whether nearly every longer word has a capital, as in headlines: then one more says nothing."""
    words = _LONG_WORD.findall(text)
    return sum(1 for word in words if word[0].isupper()) > _TITLE_SHARE * len(words)
