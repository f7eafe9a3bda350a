"""Finds the instruments that a post names.

Rules, the surest first; an instrument found by several keeps the best:

================= ========== =======================================================================================
rule              confidence what was seen
================= ========== =======================================================================================
``cashtag``       0.98       ``$`` and a known symbol in any case: ``$TSLA``, ``$brk.b``
``exchange``      0.97       ``$`` and a known symbol with its exchange: ``$VOD.L``
``tag``           0.96       the source itself tagged the post with a known symbol
``name``          0.95       the company's name in any case: ``tesla``, ``at&t``; not names that are English words
``name_capital``  0.93       a name that is an English word (``Apple``, ``Visa``) in capitals where the sentence does
                             not ask for one, or beside words of the market, or as a hashtag
``bare``          0.88       a known symbol of three letters or more in capitals, no English word, in a post that is
                             not all in capitals
``tag``           0.50       the source's tag has the form of a symbol that we do not know
``cashtag_unknown`` 0.45     ``$`` and one to five capitals that we do not know: ``$YHOO`` of another day
================= ========== =======================================================================================

The confidence is the share that is right, as ``bench/matching`` measures it for names and bare symbols; cashtags and
tags are what it measures against, and have theirs by assumption.

Nothing is found inside links, e-mail addresses, handles and amounts of money. A name means the symbol that was
valid at the post's time (``facebook`` is FB until June 2022).
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache

from ahocorasick_rs import AhoCorasick, MatchKind

from infra.instruments import InstrumentTable
from infra.names import name_words
from schemas.records import PostMention

from .text import without_links
from .words import word_list

MAX_MENTIONS = 64
CASHTAG, EXCHANGE, TAG, NAME, CAPITAL, BARE, UNKNOWN_TAG, UNKNOWN = 0.98, 0.97, 0.96, 0.95, 0.93, 0.88, 0.50, 0.45

_CASHTAG = re.compile(r"\$([A-Za-z]{1,5}|\d{4,6}(?=\.[A-Za-z]))(?:[.\-_]([A-Za-z]{1,3}))?(?![A-Za-z0-9_])")
_BARE = re.compile(r"(?<![A-Za-z0-9$&@_'’.-])[A-Z]{3,5}(?:[.-][A-Z](?![A-Za-z]))?(?![A-Za-z0-9&_])")
_TAG = re.compile(r"[A-Z]{1,5}(?:-[A-Z]{1,2})?")
_CAPITALS = re.compile(r"[A-Z]{2,}")
_LOWER = re.compile(r"[a-z]")
# What stands before the first word of a sentence, a quotation, a headline.
_OPENS = tuple(".!?:;|-–—\"'“‘(>")
_LONG_WORD = re.compile(r"[A-Za-z]{4,}")
_TITLE_SHARE = 0.6
_BY_NAME = ("name", "name_capital")

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
        capital = word_list("capital_names")
        self._of_name: list[tuple[str, re.Pattern[str] | None]] = []
        patterns = []
        for name, symbol in table.names.items():
            if name in capital:
                self._of_name.append((symbol, re.compile(rf"(?<![\w@$-])#?(?:{_written(name)})(?![\w-])")))
            elif _worth_finding(name) and name not in stop_names:
                self._of_name.append((symbol, None))
            else:
                continue
            # Texts are joined with two spaces, so that each word has a space of its own on either side.
            patterns.append(" " + name.replace(" ", "  ") + " ")
        self._names = AhoCorasick(patterns, matchkind=MatchKind.LeftmostLongest)
        self._market = word_list("market_words")
        self._remember: Callable[[str, tuple[str, ...]], tuple[Found, ...]] = lru_cache(remembered)(self._look)

    def find(self, text: str, tagged: Sequence[str], at: int | None = None) -> tuple[PostMention, ...]:
        """Instruments of a post, by symbol, each once; at most 64, the surest.

        Args:
            text: the post's text.
            tagged: symbols that the source itself attached.
            at: time of the post, microseconds UTC, for names of instruments that were renamed; None = today.
        """
        found = self._remember(text, tuple(tagged))
        if not found:
            return ()
        best: dict[str, Found] = {}
        for symbol, rule, confidence in found:
            valid = self._table.symbol_at(symbol, at) if rule in _BY_NAME else symbol
            if valid not in best or best[valid][2] < confidence:
                best[valid] = (valid, rule, confidence)
        chosen = sorted(best.values(), key=lambda f: (-f[2], f[0]))[:MAX_MENTIONS]
        return tuple(PostMention(symbol=s, rule=r, confidence=c) for s, r, c in sorted(chosen))

    def _look(self, text: str, tagged: tuple[str, ...]) -> tuple[Found, ...]:
        plain = without_links(text)
        words = name_words(plain)
        named = [self._of_name[index] for index in self._names_in(words)]
        found = [*self._tags(tagged), *self._cashtags(plain), *self._bare(plain)]
        found += [(symbol, "name", NAME) for symbol, capital in named if capital is None]
        if any(capital for _, capital in named):
            found += self._capital(plain, words, dict(named), sure=bool(found))
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

    def _names_in(self, words: Sequence[str]) -> Iterator[int]:
        joined = "  ".join(words)
        for index, _, _ in self._names.find_matches_as_indexes(f" {joined} "):
            yield index

    def _capital(
        self, text: str, words: Sequence[str], named: Mapping[str, re.Pattern[str] | None], *, sure: bool
    ) -> Iterator[Found]:
        """Names that are words too. ``sure``: the post names another instrument, which supports them."""
        supported = sure or not self._market.isdisjoint(words)
        titled = not supported and _is_title(text)
        for symbol, pattern in named.items():
            for match in pattern.finditer(text) if pattern else ():
                if supported or match[0][0] == "#" or not (titled or _opens_sentence(text, match.start())):
                    yield symbol, "name_capital", CAPITAL
                    break


def _written(name: str) -> str:
    """Pattern of a name with capitals."""
    return "|".join((re.escape(name.title()), re.escape(name.upper())))


def _opens_sentence(text: str, start: int) -> bool:
    before = text[:start].rstrip()
    return not before or before.endswith(_OPENS)


def _is_title(text: str) -> bool:
    """Whether nearly every longer word has a capital, as in headlines: then one more says nothing."""
    words = _LONG_WORD.findall(text)
    return sum(1 for word in words if word[0].isupper()) > _TITLE_SHARE * len(words)


def _worth_finding(name: str) -> bool:
    """Shorter names are looked for only where we wrote them down as an alias, which all are longer than two."""
    return len(name) >= 4 or name in _SHORT_NAMES


_SHORT_NAMES = frozenset({"amd", "bmw", "ibm", "kfc", "ubs"})
