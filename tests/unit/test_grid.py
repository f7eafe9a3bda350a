"""The bucket grid."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.clock import MICROS, from_rfc3339, to_datetime
from infra.errors import UserError
from infra.grid import INTERVALS, Grid

ZONES = ("America/New_York", "UTC", "Australia/Lord_Howe", "America/Havana", "America/Sao_Paulo", "Pacific/Apia")
GRIDS = {zone: Grid(zone) for zone in ZONES}
moments = st.integers(
    int(datetime(1990, 1, 1, tzinfo=UTC).timestamp() * MICROS),
    int(datetime(2040, 1, 1, tzinfo=UTC).timestamp() * MICROS),
)


def bucket(text: str, interval: int = 86400, zone: str = "America/New_York") -> tuple[str, str]:
    """The bucket of a moment, as texts."""
    start, end = GRIDS[zone].bucket(from_rfc3339(text), interval)
    return f"{to_datetime(start):%m-%dT%H:%M}", f"{to_datetime(end):%m-%dT%H:%M}"


def test_end_belongs_to_its_bucket() -> None:
    """A fact at the very end is of the bucket that it ends, one a microsecond later is not."""
    assert bucket("2022-03-14T13:31:00Z", 60) == ("03-14T13:30", "03-14T13:31")
    assert bucket("2022-03-14T13:31:00.000001Z", 60) == ("03-14T13:31", "03-14T13:32")
    assert bucket("2022-03-14T04:00:00Z") == ("03-13T05:00", "03-14T04:00")
    assert bucket("2022-03-14T04:00:00.000001Z") == ("03-14T04:00", "03-15T04:00")


@pytest.mark.parametrize(
    ("zone", "noon", "hours"),
    [
        ("America/New_York", "2022-03-13T16:00:00Z", 23),
        ("America/New_York", "2021-11-07T16:00:00Z", 25),
        ("America/New_York", "2022-07-01T16:00:00Z", 24),
        ("America/Sao_Paulo", "2017-10-15T15:00:00Z", 23),
        ("America/Havana", "2022-11-06T16:00:00Z", 25),
        ("Pacific/Apia", "2011-12-30T09:00:00Z", 24),
        ("Pacific/Apia", "2011-12-30T11:00:00Z", 24),
        ("UTC", "2022-03-13T16:00:00Z", 24),
    ],
)
def test_length_of_days(zone: str, noon: str, hours: int) -> None:
    """A day is as long as its zone made it, also where midnight is skipped, doubled, or a whole day left out."""
    start, end = GRIDS[zone].bucket(from_rfc3339(noon), 86400)
    assert end - start == hours * 3600 * MICROS


@given(moments, st.sampled_from(INTERVALS), st.sampled_from(ZONES))
def test_buckets_tile_time(moment: int, interval: int, zone: str) -> None:
    """Every moment is in exactly one bucket; next and previous are its neighbours; answers do not depend on history."""
    grid = GRIDS[zone]
    start, end = grid.bucket(moment, interval)
    assert start < moment <= end
    assert grid.bucket(end, interval) == grid.bucket(start + 1, interval) == (start, end)
    assert grid.next(start, interval) == grid.previous(end, interval) == (start, end)
    assert grid.next(end, interval)[0] == end
    assert grid.previous(start, interval)[1] == start
    assert Grid(zone).bucket(moment, interval) == (start, end)


@given(moments, st.sampled_from(ZONES))
def test_edges_of_days_are_local_midnights(moment: int, zone: str) -> None:
    """A day's edges are the first moments of local dates."""
    for edge in GRIDS[zone].bucket(moment, 86400):
        here = to_datetime(edge).astimezone(ZoneInfo(zone))
        assert to_datetime(edge - 1).astimezone(ZoneInfo(zone)).date() < here.date()


@given(moments, st.sampled_from((60, 300, 3600)))
def test_shorter_buckets_nest(moment: int, interval: int) -> None:
    """Buckets shorter than a day lie inside those of the next longer interval."""
    longer = {60: 300, 300: 3600, 3600: 7200}[interval]
    inner, outer = (GRIDS["UTC"].bucket(moment, i) for i in (interval, longer))
    assert outer[0] <= inner[0] < inner[1] <= outer[1]


def test_straddles() -> None:
    """A source bar straddles where it begins before the bucket in which it ends; a whole day of any length does not."""
    grid = GRIDS["America/New_York"]
    at = from_rfc3339
    assert not grid.straddles(at("2022-03-14T13:35:00Z"), 300, 300)
    assert grid.straddles(at("2022-03-14T13:36:00Z"), 300, 300)
    assert not grid.straddles(at("2022-03-14T13:36:00Z"), 300, 3600)
    assert not grid.straddles(at("2022-03-14T04:00:00Z"), 86400, 86400)
    assert grid.straddles(at("2022-03-14T20:00:00Z"), 86400, 86400)


def test_unknown_zone() -> None:
    """A zone that does not exist is a user's mistake, named."""
    for zone in ("Mars/Olympus", "America", "../etc"):
        with pytest.raises(UserError, match="day_zone"):
            Grid(zone)


def test_outside_the_calendar() -> None:
    """A day beyond the calendar is refused."""
    with pytest.raises(ValueError, match="calendar"):
        GRIDS["UTC"].bucket(10**20, 86400)
