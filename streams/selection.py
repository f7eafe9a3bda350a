"""A first stage that lets only some instruments pass: what a replay of a few symbols is made by."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from schemas.clocks import Clock
from schemas.records import Mention, RawQuote, ScoredPost

from .stage import Emit, Fold


class Selection(Fold):
    """Another fold, whose outputs are kept where they are about one of the symbols.

    Prices of other symbols do not reach the fold at all. A post does, whatever it names; it is kept where one of
    the mentions that come with it is, and then as a whole.
    """

    def __init__(self, fold: Fold, symbols: frozenset[str]) -> None:
        self._fold, self._symbols = fold, symbols

    def questions(self, records: Sequence[Any]) -> Sequence[str]:
        """The fold's."""
        return self._fold.questions(records)

    def fact(self, topic: str, record: Any, watermark: int | None, answers: Mapping[str, Any]) -> Sequence[Emit]:
        """What the fold makes of a record, without the rest."""
        if isinstance(record, RawQuote) and record.symbol not in self._symbols:
            return ()
        emitted = self._fold.fact(topic, record, watermark, answers)
        named = [emit for emit in emitted if isinstance(emit.record, Mention) and emit.record.symbol in self._symbols]
        return [
            emit
            for emit in emitted
            if emit in named or (isinstance(emit.record, ScoredPost) and named) or isinstance(record, RawQuote)
        ]

    def heard(self, clock: Clock) -> None:
        """The fold hears every clock."""
        self._fold.heard(clock)

    def advance(self, watermark: int) -> Sequence[Emit]:
        """The fold's."""
        return self._fold.advance(watermark)

    def flush(self) -> Sequence[Emit]:
        """The fold's."""
        return self._fold.flush()

    def clock_notes(self) -> tuple[Sequence[str], Sequence[Any]]:
        """The fold's."""
        return self._fold.clock_notes()

    def dump(self) -> Iterable[tuple[str, bytes | None]]:
        """The fold's."""
        return self._fold.dump()

    def load(self, key: str, value: bytes) -> None:
        """The fold's."""
        self._fold.load(key, value)

    def describe(self, symbol: str) -> Mapping[str, Any]:
        """The fold's."""
        return self._fold.describe(symbol)
