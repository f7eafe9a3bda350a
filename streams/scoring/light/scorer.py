"""Scores by the light model that comes with the package: a linear head over what ``features.py`` counts.

Integer weights are added as integers, so their order cannot matter; what is left are two sums of eleven products from
left to right. The same text gives the same score to the last bit, alone or not, at any time, in any process.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from importlib.resources import files
from itertools import chain, pairwise, repeat

from schemas.records import SentimentScore

from ..lexicon import REACH
from ..scorer import make_score, softmax
from .features import LINK, Key, dampening, kind_line, measures
from .reading import Reader
from .weights import Weights, unpack

RULES_VERSION = "2"

# Both sums travel in one integer, positive << 32 plus negative: some 6,000 weights of at most 32,767 fit.
_SHIFT = 32
_HALF = 1 << (_SHIFT - 1)
_MASK = (1 << _SHIFT) - 1

_Table = dict[Key, int]
# Weights of a word: alone, and by what stands with it (the next word, the one after, a kind after, a kind before).
_Row = tuple[int, _Table, _Table, _Table, _Table]
_NOTHING: _Row = (0, {}, {}, {}, {})


class LightScorer:
    """Scores by the weights that ship with the package; threads may share it."""

    name = "light"

    def __init__(self, content: bytes | None = None) -> None:
        """Load the weights; others than the package's own where ``content`` is given."""
        self._content = (files(__package__) / "weights.npz").read_bytes() if content is None else content
        weights = unpack(self._content)
        self._rows = _rows(weights)
        self._kinds = {key: _packed(units) for key, units in weights.families["kinds"].items()}
        self._step, self._measures = weights.step, weights.measures
        self._bias = {False: weights.bias, True: weights.linked}
        self._reader = Reader()

    @cached_property
    def version(self) -> str:
        """Digest of the weights and of the word lists that are read with them, and the number of the rules."""
        digest = hashlib.sha256(self._content)
        for package, name in (("streams.scoring", "lexicon.txt"), (__package__, "kinds.txt")):
            digest.update((files(package) / name).read_bytes())
        return f"{digest.hexdigest()[:12]}-light{RULES_VERSION}"

    def score(self, text: str) -> SentimentScore:
        """Score one text: its first 4,000 characters and 400 words."""
        up, down = self.logits(text)
        positive, negative, neutral = softmax((up, down, 0.0))
        return make_score({"positive": positive, "negative": negative, "neutral": neutral}, self.name, self.version)

    def logits(self, text: str) -> tuple[float, float]:
        """Logits of positive and negative against neutral."""
        tokens = self._reader.read(text)
        words, kinds, _, _ = zip(*tokens, strict=True) if tokens else ((), (), (), ())
        total = self._total(words, kinds)
        factor = dampening(tokens)
        down_units = ((total + _HALF) & _MASK) - _HALF
        up_units = (total - down_units) >> _SHIFT
        bias = self._bias[LINK in words]
        up = bias[0] + factor * self._step[0] * up_units
        down = bias[1] + factor * self._step[1] * down_units
        for measure, (weight_up, weight_down) in zip(measures(text, tokens), self._measures, strict=True):
            up += measure * weight_up
            down += measure * weight_down
        return up, down

    def _total(self, words: Sequence[str], kinds: Sequence[str | None]) -> int:
        """Sum of the weights of all ``features.keys(tokens)``, packed; nested tables spare it from making the keys."""
        rows = [self._rows.get(word, _NOTHING) for word in words]
        total = self._lined(kind_line(kinds))
        total += sum([row[0] for row in rows])
        total += sum([row[1].get(word, 0) for row, word in zip(rows, words[1:], strict=False)])
        total += sum([row[2].get(word, 0) for row, word in zip(rows, words[2:], strict=False)])
        for place, kind in enumerate(kinds):
            if kind:
                for row in rows[max(0, place - REACH) : place]:
                    total += row[3].get(kind, 0)
                for row in rows[place + 1 : place + 1 + REACH]:
                    total += row[4].get(kind, 0)
        return total

    def _lined(self, line: Sequence[str]) -> int:
        get = self._kinds.get
        runs: Iterator[Key] = chain(line, pairwise(line), zip(line, line[1:], line[2:], strict=False))
        return sum(map(get, runs, repeat(0)))


def _packed(units: tuple[int, int]) -> int:
    return (units[0] << _SHIFT) + units[1]


def _rows(weights: Weights) -> Mapping[str, _Row]:
    """The families of words as a row a word; the word of ``before`` is the second of its key."""
    alone = {str(word): _packed(units) for word, units in weights.families["word"].items()}
    tables: dict[str, tuple[_Table, _Table, _Table, _Table]] = {}
    for place, (name, own, other) in enumerate((("pair", 0, 1), ("skip", 0, 1), ("after", 0, 1), ("before", 1, 0))):
        for key, units in weights.families[name].items():
            tables.setdefault(key[own], ({}, {}, {}, {}))[place][key[other]] = _packed(units)
    lonely = {word: (units, *_NOTHING[1:]) for word, units in alone.items() if word not in tables}
    return lonely | {word: (alone.get(word, 0), *found) for word, found in tables.items()}
