"""Correlations told again from bars and moods, which are read in step by their clocks."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial
from heapq import heappop, heappush
from itertools import chain

from schemas.clocks import Clock
from schemas.records import Bar, Correlation, Sentiment
from schemas.topics import BARS, MENTIONS, QUOTES, SENTIMENT

from .account import Edge
from .clockwork import Clockwork, Origin
from .correlation_figures import (
    MOOD_INTERVAL,
    Correlated,
    CorrelationKey,
    Figure,
    Sheet,
    bar_entry,
    differing,
    figures_of,
    is_due,
    mood_entry,
    tell_all,
)
from .latecomers import ALWAYS, Late, Latecomers
from .matching import Key, Matching, Verdict
from .reading import Fact, Heard
from .rows import spoken

AT_ONCE = 256
NEVER = -1


@dataclass(slots=True)
class _Input:
    """One of the two topics: what was not taken yet, and how far its clock is."""

    waiting: deque[tuple[Fact | Heard, bool]] = field(default_factory=deque)
    clock: int = NEVER
    away: bool = False
    ended: bool = False
    sure: bool = True

    @property
    def place(self) -> int:
        """Which of the two goes on: the one that is behind, and one that comes back before it is gone without."""
        if self.away:
            return NEVER if self.waiting else ALWAYS
        return self.clock


class _Way:
    """The windows of a bar in one of the ways in which the stage may have seen what came late."""

    def __init__(self, figures: Callable[[], list[Figure]]) -> None:
        self._make_figures = figures

    @cached_property
    def _figures(self) -> dict[int, Figure]:
        return {figure.width: figure for figure in self._make_figures()}

    @cached_property
    def _told(self) -> dict[CorrelationKey, Correlated]:
        return dict(tell_all(list(self._figures.values())))

    def figure(self, width: int) -> Figure | None:
        """The window of this many bars, if there is a mention in it."""
        return self._figures.get(width)

    def tell(self, key: CorrelationKey) -> Correlated | None:
        """One of its correlations; None where there is none of that pair and method."""
        return self._told.get(key)


class CorrelationsAgain:
    """The account of one partition between ``bars.v1`` and ``sentiment.v1`` and ``correlations.v1``.

    Args:
        edge: what the findings go to.
        partition: its number.
        whole: whether both inputs' logs still begin with their first record. If not, correlations are not judged
            until a full window of bars after the first clock.
        matching: how what must be there is compared with what is there.
    """

    def __init__(
        self, edge: Edge, partition: int, whole: bool, matching: Callable[..., Matching[Correlated]] = Matching
    ) -> None:
        self.edge, self._whole = edge, whole
        self._matching = matching(edge, differing, _spoken, self._explain, ripe=self._ripe)
        origins: list[Origin] = [(BARS, f"{QUOTES}/{partition}"), (SENTIMENT, f"{MENTIONS}/{partition}")]
        self._clockwork = Clockwork(origins)
        self._inputs = {BARS: _Input(), SENTIMENT: _Input()}
        self._late = Latecomers()
        self._sheets: dict[str, Sheet] = {}
        self._due: list[tuple[int, int, str]] = []
        self._ready: list[tuple[Figure, bool]] = []
        self._first: int | None = None
        self._emitted = 0
        # The eight correlations of a bar are asked about one after the other.
        self._asked: tuple[str, int, int] | None = None
        self._ways: list[_Way] = []

    def take(self, topic: str, entry: Fact | Heard, sure: bool) -> None:
        """Take the next record of one of the inputs; it counts when the other has come as far."""
        self._inputs[topic].waiting.append((entry, sure))

    def find(self, fact: Fact, round_: int) -> None:
        """Take the next correlation of the log."""
        record: Correlation | None = fact.record
        if record is None:
            self.edge.blame("altered", f"correlations.v1 offset {fact.offset} cannot be decoded: {fact.error}")
            return
        self._matching.find((*_key(record), record.revision), record, round_)

    def proceed(self) -> None:
        """Go on as far as both inputs allow."""
        while (topic := self._next()) is not None:
            self._step(topic)
        self._tell()

    def settle(self, round_: int, last: bool) -> None:
        """Blame what does not add up."""
        passed, ended = self._clockwork.passed, self._clockwork.ended
        self._matching.settle(
            round_,
            lambda key: ended or (passed is not None and key[3] <= passed),
            (lambda _: True) if last else self._ripe(),
        )

    def _ripe(self) -> Callable[[Key], bool]:
        """Whether nothing waits that the stage may have seen before it made a correlation."""
        least = self._least_waiting()
        return lambda key: key[3] < least.get(key[0], ALWAYS)

    def _least_waiting(self) -> dict[str, int]:
        """For each symbol the earliest end of a record that waits: the stage may have seen it before an end behind."""
        least: dict[str, int] = {}
        for entry, _ in chain.from_iterable(source.waiting for source in self._inputs.values()):
            if isinstance(entry, Fact) and entry.record is not None:
                end, symbol = entry.record.event_time, entry.record.symbol
                least[symbol] = min(end, least.get(symbol, end))
        return least

    def _next(self) -> str | None:
        """The input that is behind; None where it has nothing to give."""
        topic = min(self._inputs, key=lambda each: self._inputs[each].place)
        return topic if self._inputs[topic].waiting else None

    def _step(self, topic: str) -> None:
        source, self._asked = self._inputs[topic], None
        entry, source.sure = source.waiting.popleft()
        if isinstance(entry, Heard):
            self._hear(topic, source, entry.clock)
        elif isinstance(entry.record, Bar):
            self._bar(entry.record, source)
        elif isinstance(entry.record, Sentiment) and entry.record.interval == MOOD_INTERVAL:
            self._mood(entry.record, source)

    def _hear(self, topic: str, source: _Input, clock: Clock) -> None:
        source.away, source.ended = clock.kind in ("end", "idle"), clock.kind == "end"
        if source.ended:
            self._late.end(topic, source.clock)
        elif clock.kind == "time":
            source.clock = max(source.clock, clock.time)
            self._late.come_back(topic)
        step = self._clockwork.hear(topic, clock)
        if step is not None:
            self._emit(None if step == "flush" else self._clockwork.time)

    def _bar(self, bar: Bar, source: _Input) -> None:
        sheet = self._sheets.setdefault(bar.symbol, Sheet())
        entry, passed = bar_entry(bar), self._passed(source)
        former = sheet.put_bar(bar.interval, entry)
        if former is None and is_due(bar.interval, bar.event_time):
            heappush(self._due, (bar.event_time, bar.interval, bar.symbol))
        if former is None or entry.revision > former.revision:
            self._late.note_bar(bar.symbol, Late(passed, bar.interval, entry, former))

    def _mood(self, mood: Sentiment, source: _Input) -> None:
        sheet = self._sheets.setdefault(mood.symbol, Sheet())
        entry, passed = mood_entry(mood), self._passed(source)
        former = sheet.put_mood(entry)
        if former is None or entry.revision > former.revision:
            self._late.note_mood(mood.symbol, Late(passed, MOOD_INTERVAL, entry, former))

    def _passed(self, source: _Input) -> int:
        """No correlation that ends later can have been made without the record that comes now."""
        return ALWAYS if source.ended else max(source.clock, self._emitted)

    def _emit(self, until: int | None) -> None:
        if self._first is None:
            self._first = until
        sure = all(one.sure for one in self._inputs.values())
        while self._due and (until is None or self._due[0][0] <= until):
            end, interval, symbol = heappop(self._due)
            self._emitted = max(self._emitted, end)
            figures = figures_of(self._sheets[symbol], symbol, interval, end)
            self._ready.extend((figure, sure) for figure in figures)
        if len(self._ready) >= AT_ONCE:
            self._tell()

    def _tell(self) -> None:
        ready, self._ready, self._asked = self._ready, [], None
        sure = {figure[:4]: is_sure for figure, is_sure in ready}
        for key, told in tell_all([figure for figure, _ in ready]):
            symbol, interval, width, end, *_ = key
            held = self._is_held(self._sheets[symbol], interval, end, width)
            self.edge.unjudged += not held
            self._matching.expect((*key, 0), told._replace(held=held), sure[symbol, interval, end, width])
        if not self._matching.odd:
            for sheet in self._sheets.values():
                sheet.trim()
            self._late.forget(self._emitted)

    def _explain(self, key: Key, record: Correlation | None) -> Verdict:
        """Whether a correlation (None: its absence) is what some part of what came late gives."""
        symbol, interval, width, end, *_, revision = key
        sheet, passed = self._sheets.get(symbol), self._clockwork.passed
        if not self._whole and (sheet is None or not self._is_held(sheet, interval, end, width)):
            return "unclear" if record is not None else "right"  # those that must be there were counted
        if revision or sheet is None or end not in sheet.bars.get(interval, {}):
            return "wrong"
        if self._late.is_unclear(end):
            return "unclear"
        if not self._clockwork.ended and (passed is None or end > passed):
            return "wrong"
        if self._asked != (symbol, interval, end):
            self._asked, seen = (symbol, interval, end), self._late.ways(symbol, interval, end)
            self._ways = [_Way(partial(figures_of, sheet, symbol, interval, end, way)) for way in seen]
        if any(self._is(key[:-1], record, way) for way in self._ways):
            return "right"
        return "wrong" if self._ways else "unclear"

    def _is_held(self, sheet: Sheet, interval: int, end: int, width: int) -> bool:
        """Whether nothing of a window can have been removed."""
        if self._whole:
            return True
        begin = sheet.reach(interval, end, width)
        return begin is not None and self._first is not None and begin >= self._first

    def _is(self, key: CorrelationKey, record: Correlation | None, way: _Way) -> bool:
        """Whether a correlation, or its absence, is that of a way."""
        figure = way.figure(key[2])
        if figure is None or record is None:
            return figure is None and record is None
        # Most ways are out by what they had to wait for, which costs a hundredth of their figures.
        told = way.tell(key) if self._matching.may_know(figure.known_time, record) else None
        return told is not None and not self._matching.names(told, record)


def _key(record: Correlation) -> CorrelationKey:
    return record.symbol, record.interval, record.window, record.event_time, record.pair, record.method


def _spoken(key: Key) -> str:
    symbol, interval, width, end, pair, method, *revision = key
    word = ("revision", *revision) if revision and revision[0] else ()
    return spoken(("correlation", symbol, f"{interval} s", f"window {width}", end, pair, method, *word))
