"""How much of a stretch of time the post sources could see, from what rides on the clocks of mentions.v1."""

from collections.abc import Mapping, Sequence

from schemas.clocks import Clock

Span = tuple[int, int]


class Coverage:
    """The post sources heard of, since when, and when each was blind.

    The same spans come over every origin of a partition; they are united, so hearing one twice changes nothing. A
    source counts for what ends after the clock before the one that first named it, of the origin where that is
    earliest: so its coming changes nothing of what may have been told before, whatever was read in between.
    """

    def __init__(self, enabled: Sequence[str]) -> None:
        """Take the sources that count; an empty sequence means all that were heard of."""
        self._enabled = tuple(dict.fromkeys(enabled))
        self._since: dict[str, int] = {}
        self._clocks: dict[str, int] = {}
        self._blind: dict[str, list[Span]] = {}

    def hear(self, clock: Clock) -> bool:
        """Note the clock's time, sources and blind spans; True when anything was new."""
        before = self._clocks.get(clock.origin, 0)
        changed = clock.time > before
        if changed:
            self._clocks[clock.origin] = clock.time
        for source in clock.sources:
            if before < self._since.get(source, before + 1):
                self._since[source] = before
                changed = True
        for blind in clock.blind:
            changed |= self._add(blind.source, (blind.start, blind.end))
        return changed

    def _add(self, source: str, span: Span) -> bool:
        if span[1] <= span[0]:
            return False
        spans = self._blind.get(source, [])
        united = unite([*spans, span])
        self._blind[source] = united
        return united != spans

    def share(self, start: int, end: int) -> float:
        """Mean over the sources that count of the seen share of (start, end], 0 to 1.

        A source that counts and was not heard of by then saw nothing. Without any source the answer is 0.
        """
        sources = self._enabled or sorted(source for source, since in self._since.items() if since < end)
        if not sources:
            return 0.0
        total = 0.0
        for source in sources:
            total += self._seen(source, start, end)
        return total / len(sources)

    def _seen(self, source: str, start: int, end: int) -> float:
        if self._since.get(source, end) >= end:
            return 0.0
        blind = sum(max(0, min(end, b) - max(start, a)) for a, b in self._blind.get(source, ()))
        return 1.0 - blind / (end - start)

    def forget(self, before: int) -> bool:
        """Drop the spans that ended before a moment; True when there were any."""
        kept = {s: [span for span in spans if span[1] >= before] for s, spans in self._blind.items()}
        changed = any(len(kept[s]) != len(spans) for s, spans in self._blind.items())
        if changed:
            self._blind = {source: spans for source, spans in kept.items() if spans}
        return changed

    def state(self) -> tuple[dict[str, int], dict[str, list[Span]], dict[str, int]]:
        """``(sources heard, blind spans, last clock of each origin)``, for :meth:`restore`."""
        return self._since, self._blind, self._clocks

    def restore(
        self, since: Mapping[str, int], blind: Mapping[str, Sequence[Sequence[int]]], clocks: Mapping[str, int]
    ) -> None:
        """Take back what :meth:`state` gave."""
        self._since, self._clocks = dict(since), dict(clocks)
        self._blind = {source: [(a, b) for a, b in spans] for source, spans in blind.items()}


def unite(spans: Sequence[Span]) -> list[Span]:
    """The same moments as the fewest spans, in order; touching ones become one."""
    united: list[Span] = []
    for start, end in sorted(spans):
        if united and start <= united[-1][1]:
            united[-1] = (united[-1][0], max(end, united[-1][1]))
        else:
            united.append((start, end))
    return united
