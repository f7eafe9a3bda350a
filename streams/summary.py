"""What a bucket's mentions say together: the figures of a Sentiment that come from its mentions alone.

Pure functions over mentions in the order (event_time, source, post_id). Sums run left to right over plain
floats, so that the same mentions give the same bits.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from math import sqrt
from typing import TypedDict

from msgspec import Struct

from schemas.records import Mention

SPAM_LIMIT = 0.5
NEAR_BITS = 3
KEYWORDS = 10
MIXED = "mixed"
_BAND_BITS = 16
_BAND_MASK = (1 << _BAND_BITS) - 1
_FINGERPRINT_MASK = (1 << 64) - 1


class Entry(Struct, array_like=True, frozen=True, gc=False):
    """A mention as a fold keeps it: what the figures need of it, and no more.

    ``label`` is 1, 0 or -1 (argmax of the three probabilities, ties 0); ``fingerprint`` is unsigned.
    """

    event_time: int
    source: str
    post_id: str
    revision: int
    ingest_time: int
    deleted: bool
    author: str | None
    weight: float
    spam: float
    score: float | None
    label: int
    model: str | None
    model_version: str | None
    fingerprint: int | None
    words: tuple[str, ...]

    @property
    def order(self) -> tuple[int, str, str]:
        """Place among the mentions of a symbol."""
        return self.event_time, self.source, self.post_id


def make_entry(mention: Mention) -> Entry:
    """Keep what matters of a mention."""
    return Entry(
        mention.event_time,
        mention.source,
        mention.post_id,
        mention.revision,
        mention.ingest_time,
        mention.deleted,
        mention.author,
        mention.confidence * (1.0 - mention.spam),
        mention.spam,
        mention.score,
        _label(mention.positive or 0.0, mention.negative or 0.0, mention.neutral or 0.0),
        mention.model,
        mention.model_version,
        None if mention.fingerprint is None else mention.fingerprint & _FINGERPRINT_MASK,
        mention.words,
    )


def _label(positive: float, negative: float, neutral: float) -> int:
    if positive > negative and positive > neutral:
        return 1
    return -1 if negative > positive and negative > neutral else 0


class Summary(TypedDict):
    """The fields of a Sentiment that its mentions decide; meanings and nulls as there."""

    mentions: int
    duplicates: int
    authors: int
    score: float | None
    positive: int
    negative: int
    neutral: int
    score_stddev: float | None
    score_weighted: float | None
    sources: dict[str, int]
    keywords: tuple[str, ...]
    model: str | None
    model_version: str | None


def summarise(entries: Sequence[Entry]) -> Summary:
    """Sum up the mentions of one bucket, none deleted, in order."""
    originals = drop_copies(entries)
    scored = [(e, e.score) for e in originals if e.score is not None and e.spam < SPAM_LIMIT]
    scores = [score for _, score in scored]
    labels = [e.label for e, _ in scored]
    mean = sum_in_order(scores) / len(scores) if scores else None
    named = {e.author for e in originals}
    named.discard(None)
    return Summary(
        mentions=len(entries),
        duplicates=len(entries) - len(originals),
        authors=len(named) + sum(e.author is None for e in originals),
        score=mean,
        positive=labels.count(1),
        negative=labels.count(-1),
        neutral=labels.count(0),
        score_stddev=None if mean is None else sample_deviation(scores, mean),
        score_weighted=_mean_by_author(scored),
        sources=dict(sorted(Counter(e.source for e in originals).items())),
        keywords=_keywords(originals),
        model=_common(e.model for e, _ in scored),
        model_version=_common(e.model_version for e, _ in scored),
    )


def drop_copies(entries: Sequence[Entry]) -> Sequence[Entry]:
    """Leave out each mention whose fingerprint is within 3 bits of that of any earlier one.

    Two numbers of 64 bits that differ in at most 3 agree in at least one of their four bands of 16 bits, so
    only those that share a band are compared.
    """
    if len(entries) < 2:
        return entries  # most buckets of a quiet symbol
    bands: dict[int, list[int]] = {}
    known: set[int] = set()
    originals = []
    for entry in entries:
        fingerprint = entry.fingerprint
        if fingerprint is None:
            originals.append(entry)
        elif fingerprint not in known:
            known.add(fingerprint)
            if not _is_near(fingerprint, bands):
                originals.append(entry)
    return originals


def _is_near(fingerprint: int, bands: dict[int, list[int]]) -> bool:
    """Whether one in the bands is within 3 bits; adds the fingerprint to them."""
    near = False
    for band in _bands(fingerprint):
        others = bands.get(band)
        if others is None:
            bands[band] = [fingerprint]
            continue
        for other in others:
            near |= (fingerprint ^ other).bit_count() <= NEAR_BITS
        others.append(fingerprint)
    return near


def _bands(fingerprint: int) -> tuple[int, int, int, int]:
    """The four bands, each with its number above its bits so that all share one index."""
    return (
        fingerprint & _BAND_MASK,
        fingerprint >> 16 & _BAND_MASK | 1 << 16,
        fingerprint >> 32 & _BAND_MASK | 2 << 16,
        fingerprint >> 48 | 3 << 16,
    )


def sum_in_order(values: Iterable[float]) -> float:
    """Sum left to right; since Python 3.12 the built-in ``sum`` adds floats another way."""
    total = 0.0
    for value in values:
        total += value
    return total


def sample_deviation(values: Sequence[float], mean: float) -> float | None:
    """Deviation with n - 1 below, around a known mean; None for fewer than two values."""
    if len(values) < 2:
        return None
    return sqrt(sum_in_order([(value - mean) * (value - mean) for value in values]) / (len(values) - 1))


def _mean_by_author(scored: Sequence[tuple[Entry, float]]) -> float | None:
    """Mean of each author's weighted mean, an author weighing as much as the weightiest mention.

    An unknown author is one for itself. None where nobody has weight.
    """
    sums: dict[str | int, list[float]] = {}
    for place, (entry, score) in enumerate(scored):
        author: str | int = place if entry.author is None else entry.author
        totals = sums.setdefault(author, [0.0, 0.0, 0.0])
        totals[0] += entry.weight * score
        totals[1] += entry.weight
        totals[2] = max(totals[2], entry.weight)
    weighty = [(total / weights, largest) for total, weights, largest in sums.values() if weights > 0.0]
    weight = sum_in_order([largest for _, largest in weighty])
    return sum_in_order([mean * largest for mean, largest in weighty]) / weight if weighty else None


def _keywords(entries: Iterable[Entry]) -> tuple[str, ...]:
    counts = Counter(word for entry in entries for word in entry.words)
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return tuple(word for word, _ in ranked[:KEYWORDS])


def _common(names: Iterable[str | None]) -> str | None:
    distinct = set(names)
    if len(distinct) > 1:
        return MIXED
    return distinct.pop() if distinct else None
