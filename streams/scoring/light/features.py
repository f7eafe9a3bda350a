"""What the light model counts in a text, and measures of it.

Counted in six families of keys:

============ ===================================== ==================================================================
family       key                                   what
============ ===================================== ==================================================================
``word``     word
``pair``     word, word                            neighbours
``skip``     word, word                            with one word between
``after``    word, kind                            a word, and a kind within the three words after it
``before``   kind, word                            a kind, and a word within the three words after it
``kinds``    one to three kinds                    neighbours among the kinds alone; ``|`` where more than three words
                                                   without a kind lie between, ``^`` and ``$`` at the ends
============ ===================================== ==================================================================

and eleven numbers (``measures``), in the order of ``MEASURES``.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

from ..lexicon import DIRECTION, MILDER, NEGATED, REACH, STRONGER
from .reading import FIGURES, PERCENTAGES, Token, unit_of

FAMILIES = ("word", "pair", "skip", "after", "before", "kinds")
MEASURES = (
    "positive", "negative", "difference", "silent", "first", "last", "sign", "length", "capitals", "grew", "shrank",
)  # fmt: skip
FULL_LENGTH = 30
LINK = "<url>"

Key = str | tuple[str, ...]
_FAR = 7
_GAP = 3


def keys(tokens: Sequence[Token]) -> Iterator[tuple[str, Key]]:
    """What is counted of a text: family and key, as often as it occurs."""
    words, kinds = [token.word for token in tokens], [token.kind for token in tokens]
    line = kind_line(kinds)
    yield from (("word", word) for word in words)
    yield from (("pair", pair) for pair in pairwise(words))
    yield from (("skip", pair) for pair in zip(words, words[2:], strict=False))
    for far in range(1, REACH + 1):
        yield from (("after", (word, kind)) for word, kind in zip(words, kinds[far:], strict=False) if kind)
        yield from (("before", (kind, word)) for kind, word in zip(kinds, words[far:], strict=False) if kind)
    yield from (("kinds", kind) for kind in line)
    yield from (("kinds", pair) for pair in pairwise(line))
    yield from (("kinds", three) for three in zip(line, line[1:], line[2:], strict=False))


def has_link(tokens: Sequence[Token]) -> bool:
    """Whether a text points to a page: then it is news as on Twitter, where most are neutral."""
    return any(token.word == LINK for token in tokens)


def dampening(tokens: Sequence[Token]) -> float:
    """Factor for what is counted: long texts hold more, and are no surer for it."""
    return 1.0 if len(tokens) <= FULL_LENGTH else math.sqrt(FULL_LENGTH / len(tokens))


def kind_line(kinds: Sequence[str | None]) -> list[str]:
    """The kinds of a text without what lies between; see the family ``kinds``."""
    line, gap = ["^"], 0
    for kind in kinds:
        if kind is None:
            gap += 1
        else:
            if gap > _GAP:
                line.append("|")
            line.append(kind)
            gap = 0
    line.append("$")
    return line


def measures(text: str, tokens: Sequence[Token]) -> tuple[float, ...]:
    """The numbers of ``MEASURES``, each of about unit size.

    Args:
        text: what the tokens were read from, for its capitals.
        tokens: of the text.
    """
    weights = _weights(tokens)
    positive = _damped(sum(w for w in weights if w > 0)) / 2
    negative = _damped(-sum(w for w in weights if w < 0)) / 2
    grew, shrank = _changes(tokens)
    return (
        positive,
        negative,
        positive - negative,
        0.0 if weights else 1.0,
        math.copysign(1.0, weights[0]) if weights else 0.0,
        math.copysign(1.0, weights[-1]) if weights else 0.0,
        float((positive > negative) - (negative > positive)),
        math.log(1 + len(tokens)) - 2.5,
        _capitals(text),
        grew,
        shrank,
    )


def _damped(total: float) -> float:
    return 4.0 * math.tanh(total / 4.0)


def _capitals(text: str) -> float:
    words = text[:1000].split()
    return sum(word[0].isupper() for word in words) / len(words) if words else 0.0


def _weights(tokens: Sequence[Token]) -> list[float]:
    """The lexicon's weights in order, by the rules of ``lexicon.py`` for single words."""
    found = []
    for place, token in enumerate(tokens):
        if token.weight or token.kind in ("up", "down"):
            weight = _turned(tokens, place, token)
            if weight:
                found.append(weight * _strength(tokens[max(0, place - REACH) : place]))
    return found


def _turned(tokens: Sequence[Token], place: int, token: Token) -> float:
    if token.kind not in ("up", "down", "burden"):
        return token.weight
    near = {other.kind for other in tokens[max(0, place - REACH) : place + REACH + 1]}
    if token.kind == "burden":
        return 0.0 if "up" in near or "down" in near else token.weight
    if "burden" not in near:
        return token.weight
    size = abs(token.weight) or DIRECTION
    return -size if token.kind == "up" else size


def _strength(before: Sequence[Token]) -> float:
    factor = 1.0
    for token in before:
        factor *= _FACTORS.get(token.kind, 1.0)
    return factor


_FACTORS: dict[str | None, float] = {"not": NEGATED, "very": STRONGER, "mild": MILDER}


def _changes(tokens: Sequence[Token]) -> tuple[float, float]:
    """Whether a figure is said to have grown, or shrunk, from another: "13.1 mn from 8.7 mn", "from 3 % to 2 %".

    A figure of a burden ("loss", "debt") that grew counts as shrunk, and the other way round.
    """
    places = [place for place, token in enumerate(tokens) if token.figure is not None]
    grew = shrank = 0.0
    for one, two in pairwise(places):
        change = _change(tokens, one, two)
        if change and any(token.kind == "burden" for token in tokens[max(0, one - 2 * REACH) : one]):
            change = -change
        grew, shrank = max(grew, change), max(shrank, -change)
    return grew, shrank


def _change(tokens: Sequence[Token], one: int, two: int) -> float:
    """1 if of two figures the newer is the greater, -1 if it is the smaller, 0 where they are not compared."""
    if two - one > _FAR or (tokens[one].word in PERCENTAGES) != (tokens[two].word in PERCENTAGES):
        return 0.0
    between = tokens[one + 1 : two]
    first, second = _size(tokens, one), _size(tokens, two)
    if any(token.kind == "relation" for token in between):
        return float((first > second) - (first < second))
    if any(token.word == "to" for token in between) and any(t.word == "from" for t in tokens[max(0, one - 3) : one]):
        return float((second > first) - (second < first))
    return 0.0


def _size(tokens: Sequence[Token], place: int) -> float:
    size = tokens[place].figure or 0.0
    unit = unit_of(tokens[place + 1].word) if place + 1 < len(tokens) else None
    return size * unit if unit and tokens[place].word in FIGURES else size
