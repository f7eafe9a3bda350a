"""What a mood must hold, told from the mentions of its bucket by plain code."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from schemas.clocks import Clock
from schemas.records import Mention, Sentiment

HISTORY = 30
SPAM = 0.5
NEAR_BITS = 3
KEYWORDS = 10
TOLERANCE = 1e-9
_BLOCK = 2048
_BITS = np.array([n.bit_count() for n in range(1 << 16)], dtype=np.uint8)


class Told(NamedTuple):
    """What a mood must hold of the mentions in its bucket; fields named as a Sentiment's."""

    mentions: int
    duplicates: int
    authors: int
    score: float | None
    positive: int
    negative: int
    neutral: int
    score_stddev: float | None
    score_weighted: float | None
    sources: Mapping[str, int]
    keywords: tuple[str, ...]
    model: str | None
    model_version: str | None


def tell(mentions: Iterable[Mention]) -> Told:
    """The mood of a bucket's mentions, one a post, none deleted."""
    inside = sorted(mentions, key=lambda m: (m.event_time, m.source, m.post_id))
    copies = _copies([m.fingerprint for m in inside])
    originals = [m for m, copy in zip(inside, copies, strict=True) if not copy]
    scored = [m for m in originals if m.score is not None and m.spam < SPAM]
    scores = [m.score for m in scored if m.score is not None]
    labels = Counter(map(_label, scored))
    words = Counter(word for m in originals for word in m.words)
    mean = fmean(scores) if scores else None
    return Told(
        mentions=len(inside),
        duplicates=len(inside) - len(originals),
        authors=len({m.author for m in originals if m.author is not None}) + sum(m.author is None for m in originals),
        score=mean,
        positive=labels["positive"],
        negative=labels["negative"],
        neutral=labels["neutral"],
        score_stddev=None if mean is None or len(scores) < 2 else _deviation(scores, mean),
        score_weighted=_weighted(scored),
        sources=Counter(m.source for m in originals),
        keywords=tuple(sorted(words, key=lambda word: (-words[word], word))[:KEYWORDS]),
        model=_one_of([m.model for m in scored]),
        model_version=_one_of([m.model_version for m in scored]),
    )


def _deviation(values: Sequence[float], mean: float) -> float:
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))


def _label(mention: Mention) -> str:
    chances = {name: getattr(mention, name) or 0.0 for name in ("positive", "negative", "neutral")}
    most = max(chances.values())
    best = [name for name, chance in chances.items() if chance == most]
    return best[0] if len(best) == 1 else "neutral"


def _weighted(scored: Sequence[Mention]) -> float | None:
    """Each author's mean weighted by w = confidence (1 - spam), authors weighted by their largest w."""
    groups: dict[Any, list[tuple[float, float]]] = {}
    for place, mention in enumerate(scored):
        author: Any = (place,) if mention.author is None else mention.author
        groups.setdefault(author, []).append((mention.confidence * (1 - mention.spam), mention.score or 0.0))
    means, weights = [], []
    for group in groups.values():
        total = math.fsum(w for w, _ in group)
        if total > 0:
            means.append(math.fsum(w * score for w, score in group) / total)
            weights.append(max(w for w, _ in group))
    return math.fsum(map(math.prod, zip(means, weights, strict=True))) / math.fsum(weights) if means else None


def _one_of(names: Sequence[str | None]) -> str | None:
    return None if not names else names[0] if len(set(names)) == 1 else "mixed"


def _copies(fingerprints: Sequence[int | None]) -> list[bool]:
    """Which mentions are within 3 bits of one before them; in blocks, so that memory stays small."""
    there = [place for place, print_ in enumerate(fingerprints) if print_ is not None]
    prints = np.array([(fingerprints[place] or 0) & (2**64 - 1) for place in there], dtype=np.uint64)
    copies = [False] * len(fingerprints)
    for begin in range(0, len(prints), _BLOCK):
        block = prints[begin : begin + _BLOCK]
        near = np.zeros(len(block), dtype=np.bool_)
        for other in range(0, begin + len(block), _BLOCK):
            close = _distance(block[:, None], prints[None, other : other + _BLOCK]) <= NEAR_BITS
            if other == begin:
                close = np.tril(close, -1)
            near |= close.any(axis=1)
        for place, is_near in zip(there[begin:], near.tolist(), strict=False):
            copies[place] = is_near
    return copies


def _distance(left: npt.NDArray[np.uint64], right: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint8]:
    differ = np.ascontiguousarray(left ^ right)
    parts: npt.NDArray[np.uint8] = _BITS[differ.view(np.uint16).reshape(*differ.shape, 4)]
    bits: npt.NDArray[np.uint8] = parts.sum(axis=-1, dtype=np.uint8)
    return bits


def tell_buzz(mentions: int, before: Sequence[int]) -> float | None:
    """How far ln(1 + mentions) lies from that of the 30 buckets before, in their sample deviations.

    None where those 30 hold the same number.
    """
    past = [math.log1p(count) for count in before]
    if len(set(before)) == 1:
        return None
    mean = fmean(past)
    return (math.log1p(mentions) - mean) / _deviation(past, mean)


class Sight:
    """Which post sources feed a partition, since when, and when they were blind, as its clocks tell.

    A source counts for the buckets that end after the clock before the one that names it first, of any origin.

    Args:
        enabled: the sources that count for coverage; empty = all that were heard of.
    """

    def __init__(self, enabled: Sequence[str]) -> None:
        self._enabled = tuple(dict.fromkeys(enabled))
        self._told: dict[str, int] = {}
        self._heard: dict[tuple[str, str], int] = {}
        self._blind: dict[str, set[tuple[int, int]]] = {}

    def hear(self, clock: Clock) -> None:
        """Take what rides on a clock."""
        before = self._told.get(clock.origin, 0)
        for source in clock.sources:
            self._heard.setdefault((source, clock.origin), before)
        self._told[clock.origin] = max(before, clock.time)
        for span in clock.blind:
            self._blind.setdefault(span.source, set()).add((span.start, span.end))

    def coverage(self, start: int, end: int) -> float:
        """Mean share of (start, end] that the sources could see."""
        heard = {source for (source, _), since in self._heard.items() if since < end}
        sources = self._enabled or tuple(heard)
        shares = [1 - self._dark(source, start, end) / (end - start) for source in sources if source in heard]
        return math.fsum(shares) / len(sources) if sources else 0.0

    def _dark(self, source: str, start: int, end: int) -> int:
        dark, reached = 0, start
        for blind_from, blind_to in sorted(self._blind.get(source, ())):
            stop = min(blind_to, end)
            dark += max(0, stop - max(blind_from, reached))
            reached = max(reached, stop)
        return dark

    def forget(self, before: int) -> None:
        """Drop the spans that ended before a moment."""
        for source, spans in self._blind.items():
            self._blind[source] = {span for span in spans if span[1] >= before}


def differing(told: Mapping[str, Any], mood: Sentiment) -> list[str]:
    """Names of the fields in which a mood is not what it must be; floats by more than one part in 10^9."""
    return [name for name, value in told.items() if not same(getattr(mood, name), value)]


def same(kept: Any, told: Any) -> bool:
    """Whether two values are equal, floats to one part in 10^9."""
    if isinstance(kept, float) and isinstance(told, float):
        return math.isclose(kept, told, rel_tol=TOLERANCE, abs_tol=1e-12)
    return bool(kept == told)
