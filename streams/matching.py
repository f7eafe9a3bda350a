"""Finds the instruments that a post names.

Rules, the surest first; an instrument found by several keeps the best:

================= ========== =======================================================================================
rule              confidence what was seen
================= ========== =======================================================================================
``cashtag``       0.95       ``$`` and a known symbol in any case: ``$TSLA``, ``$brk.b``
``exchange``      0.93       ``$`` and a known symbol with its exchange: ``$VOD.L``
``tag``           0.90       the source itself tagged the post with a known symbol
``name``          0.80       the company's name in any case: ``tesla``, ``at&t``; not names that are English words
``bare``          0.70       a known symbol of three letters or more in capitals, no English word, in a post that is
                             not all in capitals
``tag``           0.50       the source's tag has the form of a symbol that we do not know
``cashtag_unknown`` 0.45     ``$`` and one to five capitals that we do not know: ``$YHOO`` of another day
================= ========== =======================================================================================

Nothing is found inside links, e-mail addresses, handles and amounts of money. A name means the symbol that was
valid at the post's time (``facebook`` is FB until June 2022).
"""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

from ahocorasick_rs import AhoCorasick, MatchKind

from infra.instruments import InstrumentTable
from infra.names import name_words
from schemas.records import PostMention

from .text import without_links
from .words import word_list

MAX_MENTIONS = 64
CASHTAG, EXCHANGE, TAG, NAME, BARE, UNKNOWN_TAG, UNKNOWN = 0.95, 0.93, 0.90, 0.80, 0.70, 0.50, 0.45

_CASHTAG = re.compile(r"\$([A-Za-z]{1,5}|\d{4,6}(?=\.[A-Za-z]))(?:[.\-_]([A-Za-z]{1,3}))?(?![A-Za-z0-9_])")
_BARE = re.compile(r"(?<![A-Za-z0-9$&@_'’.-])[A-Z]{3,5}(?:[.-][A-Z](?![A-Za-z]))?(?![A-Za-z0-9&_])")
_TAG = re.compile(r"[A-Z]{1,5}(?:-[A-Z]{1,2})?")
_CAPITALS = re.compile(r"[A-Z]{2,}")
_LOWER = re.compile(r"[a-z]")

Found = tuple[str, str, float]


class Matcher:
    """Finds instruments in texts; pure, and safe to share between folds of a process.

    Args:
        table: the instruments that are known.
        remembered: how many texts' answers are kept, for posts that are asked about twice and for reposts.
    """

    def __init__(self, table: InstrumentTable, remembered: int = 8192) -> None:
        self._table = table
        self._stop = word_list("stop_symbols")
        stop_names = word_list("stop_names") | word_list("stop_words") | {word.lower() for word in self._stop}
        names = {
            name: symbol for name, symbol in table.names.items() if _worth_finding(name) and name not in stop_names
        }
        self._name_symbols = list(names.values())
        # Texts are joined with two spaces, so that each word has a space of its own on either side.
        patterns = [" " + name.replace(" ", "  ") + " " for name in names]
        self._names = AhoCorasick(patterns, matchkind=MatchKind.LeftmostLongest)
        self._remember: Callable[[str, tuple[str, ...]], tuple[Found, ...]] = lru_cache(remembered)(self._look)

    def find(self, text: str, tagged: Sequence[str], at: int | None = None) -> tuple[PostMention, ...]:
        """Instruments of a post, by symbol, each once; at most 64, the surest.

        Args:
            text: the post's text.
            tagged: symbols that the source itself attached.
            at: time of the post, microseconds UTC, for names of instruments that were renamed; None = today.
        """
        best: dict[str, Found] = {}
        for symbol, rule, confidence in self._remember(text, tuple(tagged)):
            valid = self._table.symbol_at(symbol, at) if rule == "name" else symbol
            if valid not in best or best[valid][2] < confidence:
                best[valid] = (valid, rule, confidence)
        chosen = sorted(best.values(), key=lambda f: (-f[2], f[0]))[:MAX_MENTIONS]
        return tuple(PostMention(symbol=s, rule=r, confidence=c) for s, r, c in sorted(chosen))

    def _look(self, text: str, tagged: tuple[str, ...]) -> tuple[Found, ...]:
        plain = without_links(text)
        found = [*self._tags(tagged), *self._cashtags(plain), *self._bare(plain), *self._named(plain)]
        return tuple(dict.fromkeys(found))

    def _tags(self, tagged: Sequence[str]) -> Iterator[Found]:
        for tag in tagged:
            symbol = tag.strip().lstrip("$#").upper()
            symbol = symbol if symbol in self._table else symbol.replace(".", "-")
            if symbol in self._table:
                yield symbol, "tag", TAG
            elif _TAG.fullmatch(symbol):
                yield symbol, "tag", UNKNOWN_TAG

    def _cashtags(self, text: str) -> Iterator[Found]:
        if "$" not in text:
            return
        end = -1
        for match in _CASHTAG.finditer(text):
            start, after = match.span()
            if start == 0 or start == end or not text[start - 1].isalnum():
                end = after
                found = self._cashtag(match[1], match[2])
                if found is not None:
                    yield found

    def _cashtag(self, base: str, suffix: str | None) -> Found | None:
        """``BRK`` ``B`` is a class, ``VOD`` ``L`` an exchange, ``BTC`` ``X`` a coin; else a sentence began."""
        symbol = base.upper()
        if suffix:
            end = suffix.upper()
            if f"{symbol}-{end}" in self._table:
                return f"{symbol}-{end}", "cashtag", CASHTAG
            if f"{symbol}.{end}" in self._table:
                return f"{symbol}.{end}", "exchange", EXCHANGE
            if end == "X" and f"{symbol}-USD" in self._table:
                return f"{symbol}-USD", "cashtag", CASHTAG
        if symbol in self._table:
            return symbol, "cashtag", CASHTAG
        if not (base.isalpha() and base.isupper()):
            return None
        is_class = suffix is not None and len(suffix) == 1 and suffix.isupper()
        return (f"{symbol}-{suffix}" if is_class else symbol), "cashtag_unknown", UNKNOWN

    def _bare(self, text: str) -> Iterator[Found]:
        seen = [match.replace(".", "-") for match in _BARE.findall(text)]
        known = [symbol for symbol in seen if symbol in self._table and symbol not in self._stop]
        if known and not self._all_capitals(text, frozenset(known)):
            for symbol in known:
                yield symbol, "bare", BARE

    @staticmethod
    def _all_capitals(text: str, known: frozenset[str]) -> bool:
        """Whether a text shouts: no small letter, and words in capitals beside its symbols."""
        if _LOWER.search(text):
            return False
        return any(word not in known for word in _CAPITALS.findall(_CASHTAG.sub(" ", text)))

    def _named(self, text: str) -> Iterator[Found]:
        words = "  ".join(name_words(text))
        for index, _, _ in self._names.find_matches_as_indexes(f" {words} "):
            yield self._name_symbols[index], "name", NAME


def _worth_finding(name: str) -> bool:
    """Shorter names are looked for only where we wrote them down as an alias, which all are longer than two."""
    return len(name) >= 4 or name in _SHORT_NAMES


_SHORT_NAMES = frozenset({"amd", "bmw", "ibm", "kfc", "ubs"})
