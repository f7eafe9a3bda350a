"""A scorer that needs nothing: weighted words of finance and of the net, negation, strength, numbers with a direction.

It is a floor, not a model: it is there so that everything runs without a download, and it says ``lexicon`` in every
record. How it works, on the words of a text in order:

1. Each word or phrase of the lexicon (longest first, up to three words) adds its weight; ``+5 %`` and ``-3 %`` count as
   a word of weight 1.6 with their sign; an emoji adds its own.
2. "Losses narrow", "debt falls": a direction within three words of a burden takes the opposite sign and the burden's
   own weight goes.
3. A negation within the three words before turns a weight over at 0.8 of its size; "very" makes it 1.3, "slightly"
   0.6 times as large.
4. With P and N the sums of positive and negative weights, dampened to 4 * tanh(sum / 4), the logits are
   positive P - N / 2, negative N - P / 2, neutral 1.2; the probabilities are their softmax.
"""

import hashlib
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files

from schemas.records import SentimentScore

from ..text import normalise
from .scorer import make_score, softmax

RULES_VERSION = "1"
NEUTRAL = 1.2
OTHER_SIDE = 0.5
NEGATED = -0.8
STRONGER = 1.3
MILDER = 0.6
NUMBER = 1.6
DIRECTION = 1.6
REACH = 3
MOST_TOKENS = 400

_TOKEN = re.compile(
    r"[+-]\d[\d.,]*\s?%|[^\W\d_][^\W_]*(?:['’][^\W_]+)?|\d[\d.,]*\s?%?"
    r"|[\u2600-\u27bf\u2b00-\u2bff\U0001f300-\U0001faff]"
)
_CASHTAG = re.compile(r"\$[a-z]{1,5}\b")


@dataclass(frozen=True, slots=True)
class Lexicon:
    """The parsed word list; ``weights`` has phrases with single spaces."""

    weights: Mapping[str, float]
    negate: frozenset[str]
    stronger: frozenset[str]
    milder: frozenset[str]
    rising: frozenset[str]
    falling: frozenset[str]
    burden: frozenset[str]


class LexiconScorer:
    """Scores by a list of words; some 10 to 30 microseconds a text."""

    name = "lexicon"

    def __init__(self) -> None:
        self._text = (files("streams.scoring") / "lexicon.txt").read_text(encoding="utf-8")
        self._lexicon = parse_lexicon(self._text)

    @cached_property
    def version(self) -> str:
        """Digest of the word list and the number of the rules."""
        return f"{hashlib.sha256(self._text.encode()).hexdigest()[:12]}-lexicon{RULES_VERSION}"

    def score(self, text: str) -> SentimentScore:
        """Score one text."""
        weights = list(self._weights(tokens_of(text)))
        positive = _damped(sum(w for w in weights if w > 0))
        negative = _damped(-sum(w for w in weights if w < 0))
        logits = (positive - OTHER_SIDE * negative, negative - OTHER_SIDE * positive, NEUTRAL)
        up, down, neutral = softmax(logits)
        return make_score({"positive": up, "negative": down, "neutral": neutral}, self.name, self.version)

    def _weights(self, tokens: Sequence[str]) -> Iterator[float]:
        place = 0
        while place < len(tokens):
            length, weight = self._longest(tokens, place)
            weight = self._turned(tokens, place, weight)
            if weight:
                yield weight * self._strength(tokens[max(0, place - REACH) : place])
            place += length

    def _longest(self, tokens: Sequence[str], place: int) -> tuple[int, float]:
        """Length and weight of the entry that begins here; (1, 0) if none."""
        for length in (3, 2, 1):
            weight = self._lexicon.weights.get(" ".join(tokens[place : place + length]))
            if weight is not None:
                return min(length, len(tokens) - place), weight
        token = tokens[place]
        if token[0] in "+-" and token.endswith("%"):
            return 1, NUMBER if token[0] == "+" else -NUMBER
        return 1, 0.0

    def _turned(self, tokens: Sequence[str], place: int, weight: float) -> float:
        """The weight of a direction near a burden, or of a burden near a direction."""
        lexicon, word = self._lexicon, tokens[place]
        around = tokens[max(0, place - REACH) : place + REACH + 1]
        if word in lexicon.burden:
            return 0.0 if any(w in lexicon.rising or w in lexicon.falling for w in around) else weight
        if any(w in lexicon.burden for w in around):
            size = abs(weight) or DIRECTION
            return -size if word in lexicon.rising else size if word in lexicon.falling else weight
        return weight

    def _strength(self, before: Sequence[str]) -> float:
        factor = 1.0
        for word in before:
            if word in self._lexicon.negate:
                factor *= NEGATED
            elif word in self._lexicon.stronger:
                factor *= STRONGER
            elif word in self._lexicon.milder:
                factor *= MILDER
        return factor


def _damped(total: float) -> float:
    return 4.0 * math.tanh(total / 4.0)


def tokens_of(text: str) -> list[str]:
    """Words, percentages and emoji of a text in order, without links, handles and cashtags; the first 400."""
    plain = _CASHTAG.sub(" ", normalise(text[:8000]))
    return [token.replace("’", "'").replace(" ", "") for token in _TOKEN.findall(plain)[:MOST_TOKENS]]


def parse_lexicon(text: str) -> Lexicon:
    """Read the word list; its own first lines say how it is written."""
    weights: dict[str, float] = {}
    kinds: dict[str, frozenset[str]] = {}
    for line in text.splitlines():
        kind, _, rest = line.partition(" ")
        if kind.startswith("emoji"):
            weights.update(_emoji(rest.split(), 1.0 if kind.endswith("+") else -1.0))
        elif kind[:1] in ("+", "-"):
            weights.update((word.replace("_", " "), float(kind)) for word in rest.split())
        elif kind != "#":
            kinds[kind] = frozenset(rest.split())
    return Lexicon(weights, **kinds)


def _emoji(parts: Sequence[str], sign: float) -> Iterable[tuple[str, float]]:
    return ((emoji, sign * float(weight)) for emoji, weight in zip(parts[::2], parts[1::2], strict=True))
