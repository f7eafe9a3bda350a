"""Composed histories for the folds of moods and correlations: records, arrivals, watermarks."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from hypothesis import strategies as st

from schemas.records import Bar, Indicators, Mention, Sentiment
from streams.stage import Emit, Fold

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
MIDNIGHT = 1_610_686_800 * SECOND
"""15 January 2021, 00:00 in New York."""
BEGIN = MIDNIGHT - 100 * MINUTE

worlds = st.integers(0, 1_000_000_000).map(Random)
"""Seeds of whole histories: thousands of them a minute, where drawing each field would give dozens."""


def mentions_of(world: Random, posts: int = 40, minutes: int = 240) -> list[Mention]:
    """Mentions of a few posts with their revisions, in the order of revision for each post."""
    return [
        mention(world, minutes, symbol=symbol, revision=revision, source=source, post_id=f"p{number}")
        for number in range(world.randint(1, posts))
        for symbol, source in [(world.choice(["TSLA", "GME"]), world.choice(["x", "reddit"]))]
        for revision in range(world.choice([1, 1, 1, 2, 3]))
    ]


def mention(world: Random, minutes: int, **fields: Any) -> Mention:
    """One mention; fingerprints are near one another often, probabilities tie often."""
    event_time = BEGIN + world.randint(0, minutes * 60) * SECOND
    drawn = tuple(round(world.random(), 3) for _ in range(3))
    positive, negative, neutral = world.choice([(0.4, 0.4, 0.2), (0.1, 0.1, 0.8), drawn, drawn])
    scored = world.random() < 0.8
    return Mention(
        event_time=event_time,
        ingest_time=event_time + world.choice([0, 0, 5, 200]) * SECOND,
        author=world.choice([None, "a1", "a2", "a3"]),
        confidence=world.choice([0.0, 0.5, 0.9, 1.0]),
        spam=world.choice([0.0, 0.3, 0.499, 0.5, 1.0]),
        deleted=world.random() < 0.15,
        score=positive - negative if scored else None,
        positive=positive if scored else None,
        negative=negative if scored else None,
        neutral=neutral if scored else None,
        model=world.choice(["m", "m", "m", "l"]) if scored else None,
        model_version="1" if scored else None,
        fingerprint=world.choice([None, fingerprint(world)]),
        words=tuple(world.sample(["calls", "puts", "moon", "dip", "squeeze", "bank", "rise"], world.randint(0, 3))),
        **fields,
    )


def fingerprint(world: Random) -> int:
    """A signed number of 64 bits, up to 5 of them away from one of three."""
    value = world.choice([0, 0x0123456789ABCDEF, 0xFFFFFFFFFFFFFFFF])
    for bit in world.sample(range(64), world.randint(0, 5)):
        value ^= 1 << bit
    return value - (1 << 64) if value >= 1 << 63 else value


def shuffled_by(world: Random, facts: Sequence[Any], key: Callable[[Any], object]) -> list[Any]:
    """The facts in another order, those of one key in their own."""
    keys = [key(fact) for fact in facts]
    groups: dict[object, list[Any]] = {k: [] for k in keys}
    for k, fact in zip(keys, facts, strict=True):
        groups[k].append(fact)
    waiting = {k: iter(group) for k, group in groups.items()}
    world.shuffle(keys)
    return [next(waiting[k]) for k in keys]


Arrival = tuple[str, Any]
"""("fact", record), ("advance", watermark) or ("flush", None)."""


def arrivals(world: Random, facts: Sequence[Any], key: Callable[[Any], object], late: int | None) -> list[Arrival]:
    """The facts in some order, those of one key in their own, with watermarks between and a flush at the end.

    Args:
        world: where chance comes from.
        facts: all facts.
        key: what must stay in order.
        late: how far a fact (or another of its key) may be behind the watermark, microseconds; None = not at all.
    """
    first: dict[object, int] = {}
    for fact in facts:
        first[key(fact)] = min(fact.event_time, first.get(key(fact), fact.event_time))
    order = shuffled_by(world, facts, key)
    if world.random() < 0.7:  # mostly about in order of time, or the watermark never moves
        order.sort(key=lambda fact: first[key(fact)] // (20 * MINUTE))
    answer: list[Arrival] = []
    watermark = 0
    for place, arriving in enumerate(order):
        answer.append(("fact", arriving))
        bound = min((first[key(f)] - 1 for f in order[place + 1 :]), default=max(f.event_time for f in facts))
        bound += (late or 0) - world.choice([0, 1, 30 * SECOND])
        if world.random() < 0.5 and bound > watermark:
            watermark = bound
            answer.append(("advance", watermark))
    return [*answer, ("flush", None)]


@dataclass
class Run:
    """Drives a fold; keeps what it emitted after each arrival and what its snapshots hold."""

    fold: Fold
    emitted: list[list[Emit]] = field(default_factory=list)
    stored: dict[str, bytes] = field(default_factory=dict)
    watermark: int | None = None

    def feed(self, history: Iterable[Arrival]) -> "Run":
        for kind, value in history:
            if kind == "fact":
                self.emitted.append(list(self.fold.fact("", value, self.watermark, {})))
            elif kind == "clock":
                self.fold.heard(value)
            elif kind == "flush":
                self.emitted.append(list(self.fold.flush()))
            else:
                self.watermark = value
                self.emitted.append(list(self.fold.advance(value)))
        return self

    def records(self) -> list[Any]:
        return [emit.record for step in self.emitted for emit in step]

    def snapshot(self) -> None:
        for key, value in self.fold.dump():
            assert value is None or len(value) < 1_000_000
            if value is None:
                self.stored.pop(key, None)
            else:
                self.stored[key] = value

    def reborn(self, fresh: Fold) -> "Run":
        """As after a crash right behind a snapshot."""
        self.snapshot()
        for key, value in sorted(self.stored.items(), reverse=True):
            fresh.load(key, value)
        assert list(fresh.dump()) == []
        return Run(fresh, stored=dict(self.stored), watermark=self.watermark)


def market_of(world: Random, minutes: int = 60) -> list[Bar | Sentiment]:
    """Bars of 60 and 300 s with holes, and moods of 60 s, all with revisions in order."""
    facts: list[Bar | Sentiment] = []
    holes, quiet = world.random() * 0.5, world.random() * 0.9
    for minute in range(1, world.randint(1, minutes) + 1):
        end = BEGIN + minute * MINUTE
        for interval in (60, 300):
            if end % (interval * SECOND) == 0 and world.random() > holes:
                facts += [bar(end, interval, r, change(world), delay(world)) for r in range(world.choice([1, 1, 2]))]
        if world.random() > quiet:
            facts += [
                mood(end, r, world.randint(0, 3), change(world) or 0.0, delay(world))
                for r in range(world.choice([1, 1, 2]))
            ]
    world.shuffle(facts)
    facts.sort(key=lambda fact: fact.revision)
    return facts


def change(world: Random) -> float | None:
    """Often the same, sometimes unknown."""
    return world.choice([None, 0.0, 0.01, *(round(world.gauss(0, 0.01), 4) for _ in range(12))])


def delay(world: Random) -> int:
    """Microseconds between the end of a bucket and when all in it was known."""
    return world.choice([0, 0, 3 * SECOND])


def bar(end: int, interval: int = 300, revision: int = 0, change: float | None = 0.0, delay: int = 0) -> Bar:
    """A bar of GME."""
    return Bar(
        symbol="GME",
        interval=interval,
        start=end - interval * SECOND,
        event_time=end,
        known_time=end + delay,
        revision=revision,
        indicators=Indicators(return_log=change),
    )


def mood(end: int, revision: int = 0, mentions: int = 1, score: float = 0.0, delay: int = 0) -> Sentiment:
    """A 60 s mood of GME."""
    return Sentiment(
        symbol="GME",
        interval=60,
        start=end - MINUTE,
        event_time=end,
        known_time=end + delay,
        revision=revision,
        mentions=mentions,
        score=score if mentions else None,
        positive=min(mentions, 1),
        neutral=max(mentions - 1, 0),
    )
