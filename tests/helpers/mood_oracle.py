"""Moods and correlations worked out the plain way, from complete lists of records, for comparison.

Written from the contract's words with numpy and scipy, without a line of ``streams`` and without its grid. It
knows no arrival: every list is the whole truth, so it answers what the last revisions must be where no fact came
later than the allowed lateness.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
from scipy import linalg, special, stats

from schemas.records import Bar, Correlation, Mention, Method, Pair, Sentiment

INTERVALS = (60, 300, 3600, 86400)
SECOND = 1_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
METHODS: tuple[Method, ...] = ("PEARSON", "SPEARMAN")
Floats = npt.NDArray[np.float64]


def bucket_of(moment: int, interval: int, zone: str = "America/New_York") -> tuple[int, int]:
    """(start, end] around a moment, microseconds UTC; days from midnight to midnight of the zone."""
    if interval < 86400:
        end = math.ceil(moment / (interval * SECOND)) * interval * SECOND
        return end - interval * SECOND, end
    local = (EPOCH + timedelta(microseconds=moment - 1)).astimezone(ZoneInfo(zone)).date()
    edges = [datetime.combine(day, time(), ZoneInfo(zone)) for day in (local, local + timedelta(days=1))]
    start, end = (round((edge.astimezone(UTC) - EPOCH) / timedelta(microseconds=1)) for edge in edges)
    return start, end


# Moods


def moods(
    mentions: Iterable[Mention],
    *,
    zone: str = "America/New_York",
    blind: Mapping[str, Sequence[tuple[int, int]]] | None = None,
    sources: Sequence[str] = (),
    intervals: Sequence[int] = INTERVALS,
) -> list[Sentiment]:
    """The last Sentiment of every bucket that holds a mention, ``revision`` 0, in (event_time, interval, symbol).

    Args:
        mentions: all of them; those flagged late are left out.
        zone: of the days.
        blind: the blind spans of each post source.
        sources: the post sources that count for coverage; empty = those that the mentions come from.
        intervals: which buckets.
    """
    facts = [m for m in mentions if "late" not in m.flags]
    counted = sources or sorted({m.source for m in facts})
    answer: list[Sentiment] = []
    for symbol in sorted({m.symbol for m in facts}):
        own = [m for m in facts if m.symbol == symbol]
        for interval in intervals:
            answer.extend(_moods_of(symbol, own, interval, zone, blind or {}, counted))
    return sorted(answer, key=lambda s: (s.event_time, s.interval, s.symbol))


def _moods_of(
    symbol: str,
    facts: Sequence[Mention],
    interval: int,
    zone: str,
    blind: Mapping[str, Sequence[tuple[int, int]]],
    sources: Sequence[str],
) -> list[Sentiment]:
    inside: dict[tuple[int, int], list[Mention]] = defaultdict(list)
    known: dict[int, int] = defaultdict(int)
    posts: dict[tuple[str, str], list[Mention]] = defaultdict(list)
    for fact in facts:
        posts[fact.source, fact.post_id].append(fact)
    for revisions in posts.values():
        revisions.sort(key=lambda m: m.revision)
        for before, after in zip([None, *revisions], [*revisions, None], strict=True):
            # A bucket is changed by a mention that comes into it and by one that leaves it.
            if after is not None and not after.deleted:
                end = bucket_of(after.event_time, interval, zone)[1]
                known[end] = max(known[end], after.ingest_time)
            if after is not None and before is not None and not before.deleted:
                end = bucket_of(before.event_time, interval, zone)[1]
                known[end] = max(known[end], after.ingest_time)
        if not revisions[-1].deleted:
            inside[bucket_of(revisions[-1].event_time, interval, zone)].append(revisions[-1])
    existing = [f.event_time for f in facts if not f.deleted]
    return [
        _mood_of(symbol, interval, bucket, inside, known, min(existing), zone, blind, sources)
        for bucket in sorted(inside)
    ]


def _mood_of(
    symbol: str,
    interval: int,
    bucket: tuple[int, int],
    inside: Mapping[tuple[int, int], list[Mention]],
    known: Mapping[int, int],
    first: int,
    zone: str,
    blind: Mapping[str, Sequence[tuple[int, int]]],
    sources: Sequence[str],
) -> Sentiment:
    start, end = bucket
    members = sorted(inside[bucket], key=lambda m: (m.event_time, m.source, m.post_id))
    copies = [i for i, m in enumerate(members) if any(_near(m, other) for other in members[:i])]
    originals = [m for i, m in enumerate(members) if i not in copies]
    scored = [m for m in originals if m.score is not None and m.spam < 0.5]
    scores = np.array([m.score for m in scored], dtype=float)
    labels = Counter(_label(m) for m in scored)
    words = Counter(word for m in originals for word in m.words)
    previous = _previous(start, interval, zone)
    buzz_z = None
    looked_back = bucket_of(first, interval, zone)[1] <= previous[0][1]
    if looked_back:
        past = np.log1p([len(inside.get(b, [])) for b in previous])
        if past.max() > past.min():
            buzz_z = float((np.log1p(len(members)) - past.mean()) / past.std(ddof=1))
    latest = max(end, known.get(end, 0), *(known.get(b[1], 0) for b in previous if looked_back))
    return Sentiment(
        symbol=symbol,
        interval=interval,
        start=start,
        event_time=end,
        known_time=latest,
        mentions=len(members),
        duplicates=len(copies),
        authors=len({m.author for m in originals if m.author is not None}) + sum(m.author is None for m in originals),
        score=float(scores.mean()) if scored else None,
        positive=labels["positive"],
        negative=labels["negative"],
        neutral=labels["neutral"],
        score_stddev=float(scores.std(ddof=1)) if len(scored) > 1 else None,
        score_weighted=_weighted(scored),
        buzz_z=buzz_z,
        sources=Counter(m.source for m in originals),
        keywords=tuple(sorted(words, key=lambda w: (-words[w], w))[:10]),
        coverage=_coverage(start, end, blind, sources),
        model=_one([m.model for m in scored]),
        model_version=_one([m.model_version for m in scored]),
    )


def _near(one: Mention, other: Mention) -> bool:
    if one.fingerprint is None or other.fingerprint is None:
        return False
    return ((one.fingerprint ^ other.fingerprint) & (2**64 - 1)).bit_count() <= 3


def _label(mention: Mention) -> str:
    chances = {
        "positive": mention.positive or 0.0,
        "negative": mention.negative or 0.0,
        "neutral": mention.neutral or 0.0,
    }
    best = [name for name, chance in chances.items() if chance == max(chances.values())]
    return best[0] if len(best) == 1 else "neutral"


def _weighted(scored: Sequence[Mention]) -> float | None:
    authors: dict[object, list[Mention]] = defaultdict(list)
    for place, mention in enumerate(scored):
        authors[place if mention.author is None else mention.author].append(mention)
    means, weights = [], []
    for group in authors.values():
        w = np.array([m.confidence * (1 - m.spam) for m in group])
        if w.sum() > 0:
            means.append(np.average([m.score or 0.0 for m in group], weights=w))
            weights.append(w.max())
    return float(np.average(means, weights=weights)) if means else None


def _previous(start: int, interval: int, zone: str) -> list[tuple[int, int]]:
    buckets = [bucket_of(start, interval, zone)]
    while len(buckets) < 30:
        buckets.append(bucket_of(buckets[-1][0], interval, zone))
    return buckets[::-1]


def _coverage(start: int, end: int, blind: Mapping[str, Sequence[tuple[int, int]]], sources: Sequence[str]) -> float:
    def seen(source: str) -> float:
        edges = sorted({start, end, *(t for span in blind.get(source, ()) for t in span if start < t < end)})
        spans = blind.get(source, ())
        dark = sum(b - a for a, b in pairwise(edges) if any(s <= a and b <= e for s, e in spans))
        return 1 - dark / (end - start)

    return sum(map(seen, sources)) / len(sources) if sources else 0.0


def _one(names: Sequence[str | None]) -> str | None:
    return None if not names else names[0] if len(set(names)) == 1 else "mixed"


# Correlations


def correlations(
    bars: Iterable[Bar],
    sentiments: Iterable[Sentiment],
    *,
    symbol: str | None = None,
    interval: int | None = None,
    window: int | None = None,
    every: int = 1,
) -> list[Correlation]:
    """The correlations of every bar (every ``every``-th one), in (event_time, interval, symbol, window, pair, method).

    The arguments after the lists choose a part; the lists must hold all bars and 60 s moods of the symbol.
    """
    last_bar: dict[tuple[str, int, int], Bar] = {}
    for bar in bars:
        key = bar.symbol, bar.interval, bar.event_time
        if key not in last_bar or bar.revision > last_bar[key].revision:
            last_bar[key] = bar
    last_mood: dict[tuple[str, int], Sentiment] = {}
    for mood in sentiments:
        place = mood.symbol, mood.event_time
        if mood.interval == 60 and (place not in last_mood or mood.revision > last_mood[place].revision):
            last_mood[place] = mood
    bars_of: dict[tuple[str, int], list[Bar]] = defaultdict(list)
    for key in sorted(last_bar):
        bars_of[key[:2]].append(last_bar[key])
    moods_of: dict[str, list[Sentiment]] = defaultdict(list)
    for place in sorted(last_mood):
        moods_of[place[0]].append(last_mood[place])
    answer: list[Correlation] = []
    for (name, length), series in bars_of.items():
        if symbol in (None, name) and interval in (None, length):
            answer.extend(_correlations_of(series, moods_of[name], window, every))
    return sorted(answer, key=lambda c: (c.event_time, c.interval, c.symbol, c.window, c.pair, c.method))


def _correlations_of(bars: list[Bar], moods: list[Sentiment], only: int | None, every: int) -> list[Correlation]:
    starts = [bars[0].start, *(bar.event_time for bar in bars[:-1])]
    ends = np.array([m.event_time for m in moods])
    edges = [
        (int(np.searchsorted(ends, start, "right")), int(np.searchsorted(ends, bar.event_time, "right")))
        for start, bar in zip(starts, bars, strict=True)
    ]
    stretches = [moods[a:b] for a, b in edges]
    mood = np.array([_mean_mood(stretch) for stretch in stretches])
    buzz = np.log1p([sum(m.mentions for m in stretch) for stretch in stretches])
    change = np.array([np.nan if b.indicators.return_log is None else b.indicators.return_log for b in bars])
    known = [max([bar.known_time, *(m.known_time for m in s)]) for bar, s in zip(bars, stretches, strict=True)]
    answer = []
    due = [i for i, bar in enumerate(bars) if bar.interval != 60 or bar.event_time % (300 * SECOND) == 0]
    for last in due[::every]:
        for window in (60,) if bars[last].interval == 86400 else (60, 390):
            span = slice(max(0, last + 1 - window), last + 1)
            if only in (None, window) and buzz[span].max() > 0:
                latest = max(bars[last].event_time, *known[span], 0)
                answer += _four(bars[last], window, mood[span], buzz[span], change[span], latest)
    return answer


def _mean_mood(stretch: Sequence[Sentiment]) -> float:
    weights = [m.positive + m.negative + m.neutral for m in stretch]
    if sum(weights) == 0:
        return float("nan")
    total = 0.0  # left to right, as the contract has it: another order may part two moods that are equal, or join two
    for sentiment, weight in zip(stretch, weights, strict=True):
        total += 0.0 if sentiment.score is None else sentiment.score * weight
    return total / sum(weights)


def _four(bar: Bar, window: int, mood: Floats, buzz: Floats, change: Floats, known: int) -> list[Correlation]:
    reach = 12 if window == 60 else 30
    sides: dict[Pair, tuple[Floats, Floats]] = {
        "MOOD_RETURN": (mood, change),
        "BUZZ_VOLATILITY": (buzz, np.abs(change)),
    }
    return [
        Correlation(
            symbol=bar.symbol,
            interval=bar.interval,
            window=window,
            event_time=bar.event_time,
            known_time=known,
            pair=pair,
            method=method,
            method_version=2,
            **finding(x, y, reach, method),  # type: ignore[arg-type]
        )
        for pair, (x, y) in sides.items()
        for method in METHODS
    ]


def finding(x: Floats, y: Floats, reach: int, method: str) -> dict[str, object]:
    """The statistical fields of a Correlation of two series with gaps (NaN)."""
    lags = range(-reach, reach + 1) if method == "PEARSON" else range(0)
    table = {lag: _at_lag(x, y, lag) for lag in lags}
    first, second = _paired(x, y, 0)
    n, r = len(first), _at_lag(x, y, 0)
    effective = None if r is None else effective_number(first, second)
    answer: dict[str, object] = {
        "n": n,
        "n_effective": effective,
        "lags": tuple(lags),
        "r_by_lag": tuple(table[lag] for lag in lags),
    }
    if n < 2:
        return answer | {"n_effective": float(n), "status": "INSUFFICIENT"}
    if r is None or effective is None:
        return answer | {"status": "DEGENERATE"}
    if method == "SPEARMAN":
        r = float(stats.spearmanr(first, second).statistic)
    if effective < 12:
        return answer | {"r": r, "status": "INSUFFICIENT"}
    low, high = _interval(r, effective)
    answer |= {"r": r, "p_value": _p(r, effective), "ci_low": low, "ci_high": high, "status": "OK"}
    sizes = {lag: len(_paired(x, y, lag)[0]) * effective / n for lag in lags}
    usable = {lag: _p(a, sizes[lag]) for lag, a in table.items() if a is not None and sizes[lag] >= 12}
    if usable:
        best = min(usable, key=lambda lag: (usable[lag], abs(lag), -lag))
        answer |= {"best_lag": best, "p_best": 1 - (1 - usable[best]) ** len(usable)}
    return answer


def _paired(x: Floats, y: Floats, lag: int) -> tuple[Floats, Floats]:
    if abs(lag) >= len(x):
        return x[:0], y[:0]
    first, second = (x[: len(x) - lag], y[lag:]) if lag >= 0 else (x[-lag:], y[:lag])
    both = ~(np.isnan(first) | np.isnan(second))
    return first[both], second[both]


def _at_lag(x: Floats, y: Floats, lag: int) -> float | None:
    """Coefficient of the pairs at a lag; None where it does not exist."""
    first, second = _paired(x, y, lag)
    if len(first) < 2 or _constant(first) or _constant(second):
        return None
    a, b = first - first.mean(), second - second.mean()
    return float(min(1.0, max(-1.0, (a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum()))))


def _constant(values: Floats) -> bool:
    return bool(values.max() - values.min() <= 1e-12 * max(abs(values.max()), abs(values.min())))


def effective_number(x: Floats, y: Floats) -> float:
    """Independent pairs that say as much as these, for series without gaps; by whole matrices."""
    n = len(x)
    a, b = x - x.mean(), y - y.mean()
    told: list[tuple[float, float]] = []
    for k in range(1, n):
        told.append((_autocorrelation(a, k), _autocorrelation(b, k)))
        if min(map(abs, told[-1])) < 1.96 / math.sqrt(n):
            break
    first, second = (_centred(linalg.toeplitz(_profile([pair[i] for pair in told], n))) for i in range(2))
    spread = float((first * second).sum())
    return n if spread <= 0 else min(float(n), 1 + float(np.trace(first) * np.trace(second)) / spread)


def _centred(matrix: Floats) -> Floats:
    """M S M of a symmetric S. For two of them tr(M S M T) is the sum of the products of their elements."""
    means = matrix.mean(axis=0)
    return matrix - means - means[:, None] + means.mean()


def _profile(found: list[float], n: int) -> list[float]:
    """Decision 3: three quarters of the bias taken away, and a geometric tail from the first lag in the noise."""
    *told, outside = found
    if not told:
        decay = outside + 0.75 * (1 + 3 * outside) / n
        return [max(-0.99, min(0.99, decay)) ** k for k in range(n)]
    total = min(max(1 + 2 * sum(told), 0.2), n / 4)
    mended = [a + 0.75 * (k * a + total * (1 - a)) / n for k, a in enumerate(told, start=1)]
    mended = [max(-1.0, min(1.0, a)) for a in mended]
    last, count = mended[-1], len(mended)
    decay = min(last ** (1 / count), 0.99) if last > 0 else 0.0
    tail = [last * decay ** (k - count) if last > 0 else 0.0 for k in range(count + 1, n)]
    return [1.0, *mended, *tail]


def _autocorrelation(centred: Floats, k: int) -> float:
    return float(np.dot(centred[:-k], centred[k:]) / np.dot(centred, centred))


def _p(r: float, effective: float) -> float:
    return 0.0 if abs(r) >= 1 else 2 * float(special.ndtr(-abs(math.atanh(r)) * math.sqrt(effective - 3)))


def _interval(r: float, effective: float) -> tuple[float, float]:
    if abs(r) >= 1:
        return r, r
    half = stats.norm.ppf(0.975) / np.sqrt(effective - 3)
    return float(np.tanh(np.arctanh(r) - half)), float(np.tanh(np.arctanh(r) + half))


# Comparison


def differences(left: object, right: object, tolerance: float = 1e-9) -> list[str]:
    """Fields in which two records differ: floats by more than the tolerance, the rest at all."""
    answer = []
    for name in type(left).__dataclass_fields__:  # type: ignore[attr-defined]
        a, b = getattr(left, name), getattr(right, name)
        if not _same(a, b, tolerance):
            answer.append(f"{name}: {a!r} != {b!r}")
    return answer


def _same(a: object, b: object, tolerance: float) -> bool:
    if isinstance(a, float) and isinstance(b, float):
        return math.isclose(a, b, rel_tol=tolerance, abs_tol=tolerance)
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(_same(c, d, tolerance) for c, d in zip(a, b, strict=True))
    return a == b
