"""What the soak calls growth."""

import pytest

from tests.faults.soak import Growth, slope

Sample = tuple[float, int, int]


def life(begin: float, seconds: int, level: int, per_hour: int = 0) -> list[Sample]:
    """Ten-second samples of a process that starts at a level and gains so many megabytes an hour."""
    return [(begin + t, level + round(per_hour * t / 3600), 30) for t in range(0, seconds, 10)]


def test_lives_at_different_levels_are_no_growth() -> None:
    """A process that is started again larger than it was has not grown."""
    assert slope([life(0, 1000, 100), life(5000, 400, 300), []], 1) == pytest.approx(0)


def test_growth_within_lives_is_seen() -> None:
    """All lives have one slope."""
    assert slope([life(0, 3000, 100, 120), life(5000, 2000, 300, 120)], 1) == pytest.approx(120, rel=0.02)


def test_short_lives_are_not_judged() -> None:
    """Nine warm minutes say nothing of an hour, ten do; the first three of each life are not warm."""
    growth = Growth()
    growth.seen["stream-bars", 1] = life(0, 730, 100, 600)
    assert growth.complaints() == ["growth was not judged: no process had 10 warm minutes"]
    growth.seen["stream-bars", 2] = life(1000, 250, 100, 600)
    assert growth.complaints() == ["stream-bars gains 600 MB and 0 files an hour"]
    ((name, most, megabytes, files, minutes),) = growth.table()
    assert (name, files) == ("stream-bars", 0)
    assert most == 100 + round(600 * 720 / 3600)
    assert megabytes == pytest.approx(600, rel=0.05)
    assert minutes == pytest.approx((540 + 60) / 60)
