"""Figures that differ from what is expected: blamed only after their reasons were looked at, however many there are."""

from dataclasses import dataclass
from typing import Any

import pytest

from moodtape.verify import matching as matching_module
from moodtape.verify.account import Edge
from moodtape.verify.matching import Key, Matching, Verdict


@dataclass(frozen=True)
class Figure:
    """A figure, or what it must be."""

    value: int
    known_time: int = 0
    event_time: int = 0


@pytest.mark.parametrize("waiting", [0, 3, 1000], ids=["all at once", "a few at a time", "at the end"])
@pytest.mark.parametrize("ripe_at_once", [True, False], ids=["", "what explains them comes later"])
def test_however_many_differ(monkeypatch: pytest.MonkeyPatch, waiting: int, ripe_at_once: bool) -> None:
    """Those that have a reason are right, those whose reason is lost are unjudged, the others are named."""
    monkeypatch.setattr(matching_module, "MOST_ODD", waiting)
    reasons: dict[int, Verdict] = {0: "right", 1: "unclear", 2: "wrong"}
    ripe = ripe_at_once

    def explain(key: Key, record: Any) -> Verdict:
        assert ripe, "asked before all was there that may explain it"
        return reasons[key[0] % 3]

    edge = Edge("figures")
    matching: Matching[Figure] = Matching(
        edge, lambda told, record: ["value"] if told.value != record.value else [], str, explain,
        ripe=lambda: lambda _: ripe,
    )  # fmt: skip
    for number in range(30):
        matching.expect((number, 0, 0, 0), Figure(number), sure=True)
        matching.find((number, 0, 0, 0), Figure(number + (number % 2)), 0)
    ripe = True
    matching.settle(0)
    odd = [number for number in range(30) if number % 2]
    assert (matching.odd, edge.facts_in, edge.facts_out) == (0, 30, 30)
    assert edge.unjudged == sum(number % 3 == 1 for number in odd)
    assert edge.altered == sum(number % 3 == 2 for number in odd)
