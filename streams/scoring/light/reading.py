"""A text as the light model reads it: words, their kinds, and what the lexicon makes of them.

A *word* is a lower-cased word, an emoji, a mark (``!``, ``?``), or a placeholder: ``<url>``, ``<user>``, ``<cash>``
for a cashtag, ``<num>``, ``<pct>`` and ``<money>`` for figures, ``<+num>``, ``<-num>``, ``<+pct>`` and ``<-pct>`` for
those with a sign. The same word many times in a row is one.
A *kind* is what it is to the model: of the lexicon (``not``, ``very``, ``mild``, ``up``, ``down``, ``burden``; ``P1``,
``P2``, ``N1``, ``N2`` by weight), of ``kinds.txt``, or ``#`` for a figure; None for all others.
"""

import html
import re
import unicodedata
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from operator import is_
from typing import NamedTuple

from ..lexicon import NUMBER, Lexicon, parse_lexicon

MOST_CHARACTERS = 4000
MOST_TOKENS = 400
_LONGEST_KEPT, _MOST_KEPT = 32, 50_000

_TOKEN = re.compile(
    r"https?://\S+|@\w+|\$[a-z][a-z.]{0,6}\b|[+-]?[$€£]?\d[\d.,]*(?:\s?%|[kmb]n?\b)?"
    r"|[^\W\d_]+(?:'[^\W\d_]+)*|[!?]|[\u2600-\u27bf\u2b00-\u2bff\U0001f300-\U0001faff]|…|\.\.\."
)
_FIGURE = re.compile(r"\d[\d,]*(?:\.\d+)?")
_UNITS = {"k": 1e3, "thousand": 1e3, "lakh": 1e5, "m": 1e6, "mn": 1e6, "mln": 1e6, "million": 1e6, "cr": 1e7}
_UNITS |= {"crore": 1e7, "b": 1e9, "bn": 1e9, "billion": 1e9, "trillion": 1e12}


class Token(NamedTuple):
    """One word of a text; ``weight`` is the lexicon's, ``figure`` the size of a number."""

    word: str
    kind: str | None
    weight: float
    figure: float | None


class Reader:
    """Turns texts into tokens; remembers those it met, which is most of them. Safe to share between threads."""

    def __init__(self) -> None:
        self._lexicon = parse_lexicon(_text("streams.scoring", "lexicon.txt"))
        self._kinds = _kinds(self._lexicon, _text(__package__, "kinds.txt"))
        self._kept: dict[str, Token] = {}

    def read(self, text: str) -> list[Token]:
        """Tokens of a text in order; its first 4,000 characters and 400 tokens."""
        kept, make = self._kept.get, self._make
        tokens = [kept(raw) or make(raw) for raw in _TOKEN.findall(_plain(text))[:MOST_TOKENS]]
        if any(map(is_, tokens, tokens[1:])):
            return [token for before, token in zip([None, *tokens], tokens, strict=False) if token is not before]
        return tokens

    def _make(self, raw: str) -> Token:
        word = _word(raw)
        weight = self._lexicon.weights.get(word, _SIGNED.get(word, 0.0))
        token = Token(word, self._kinds.get(word), weight, _figure(raw) if word in FIGURES else None)
        if len(raw) <= _LONGEST_KEPT:
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            self._kept[raw] = token
        return token


FIGURES = frozenset({"<num>", "<pct>", "<money>", "<+num>", "<-num>", "<+pct>", "<-pct>"})
PERCENTAGES = frozenset({"<pct>", "<+pct>", "<-pct>"})
_SIGNED = {"<+pct>": NUMBER, "<-pct>": -NUMBER}


@cache
def unit_of(word: str) -> float | None:
    """How many a word of size stands for (``million``: 1e6); None for any other word."""
    return _UNITS.get(word)


def _plain(text: str) -> str:
    text = text[:MOST_CHARACTERS]
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)[:MOST_CHARACTERS].replace("’", "'")
    if "&" in text:
        text = html.unescape(text)
    return text.lower()


def _word(raw: str) -> str:
    first = raw[0]
    if first.isalpha():
        return "<url>" if raw.startswith(("http://", "https://")) else raw
    if first == "@":
        return "<user>"
    if first == "$" and raw[1:2].isalpha():
        return "<cash>"
    if len(raw) > 1 and first in "+-":
        return f"<{first}pct>" if raw[-1] == "%" else f"<{first}num>"
    if first.isdigit() or (len(raw) > 1 and first in "$€£"):
        return "<pct>" if raw[-1] == "%" else "<num>" if first.isdigit() else "<money>"
    return raw


def _figure(raw: str) -> float | None:
    found = _FIGURE.search(raw)
    if found is None:
        return None
    size = float(found[0].replace(",", ""))
    suffix = raw[found.end() :].strip(" .,%")
    size *= _UNITS.get(suffix, 1.0)
    return -size if raw[0] == "-" else size


def _kinds(lexicon: Lexicon, text: str) -> Mapping[str, str]:
    kinds: dict[str, str] = {}
    groups = [
        ("not", lexicon.negate), ("very", lexicon.stronger), ("mild", lexicon.milder),
        ("up", lexicon.rising), ("down", lexicon.falling), ("burden", lexicon.burden),
    ]  # fmt: skip
    lines = (line.split() for line in text.splitlines() if not line.startswith("#"))
    groups += [(kind, frozenset(words)) for kind, *words in lines]
    for kind, words in groups:
        for word in words:
            kinds.setdefault(word, kind)
    for word, weight in lexicon.weights.items():
        if " " not in word:
            kinds.setdefault(word, f"{'P' if weight > 0 else 'N'}{2 if abs(weight) >= 2 else 1}")
    kinds |= dict.fromkeys(("<num>", "<money>", "<pct>"), "#")
    return kinds | {"<+pct>": "+#", "<+num>": "+#", "<-pct>": "-#", "<-num>": "-#", "?": "?", "!": "!"}


def _text(package: str, name: str) -> str:
    return (files(package) / name).read_text(encoding="utf-8")
