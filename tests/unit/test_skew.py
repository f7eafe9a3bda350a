"""This machine's clock against the broker's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.errors import FatalError
from producers.skew import SkewWatch, skew_seconds

NOW = 1_735_689_600_000_000


@given(st.integers(0, 10**8), st.integers(0, 10**8))
def test_a_slow_delivery_is_no_difference(before: int, after: int) -> None:
    """An append time between writing and hearing of it agrees with our clock, however long it took."""
    assert skew_seconds(NOW - before, NOW + after, NOW // 1000) == 0


@pytest.mark.parametrize(("offset", "expected"), [(90, 90), (-90, -90), (7, 7), (-7, -7)])
def test_a_difference_is_found_with_its_sign(offset: int, expected: int) -> None:
    """A clock that is ahead of the broker's gives a positive difference, one behind a negative."""
    ours = NOW + offset * 1_000_000
    assert skew_seconds(ours, ours, NOW // 1000) == pytest.approx(expected, abs=0.01)


class Report:
    """A delivered record."""

    def __init__(self, append_ms: int) -> None:
        self.append_ms = append_ms

    def timestamp(self) -> tuple[int, int]:
        """Kind LogAppendTime."""
        return 2, self.append_ms


@pytest.mark.parametrize(("seconds", "stops"), [(0, False), (4, False), (30, False), (61, True), (-61, True)])
def test_a_minute_of_difference_stops_the_producer(seconds: int, stops: bool) -> None:
    """From 60 s on the producer ends; below it only warns."""
    watch = SkewWatch("bluesky", lambda: NOW + seconds * 1_000_000)
    watch.report()(None, Report(NOW // 1000))
    if stops:
        with pytest.raises(FatalError, match="clock"):
            watch.check()
    else:
        watch.check()
