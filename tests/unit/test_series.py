"""What was known in time, and what came after: rows laid side by side."""

from dataclasses import fields
from random import Random
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from api.series import Series, grace, make_series
from bench.correlation.planted import BEGIN
from infra.clock import MICROS, to_datetime

STEP = 300 * MICROS
Rows = list[dict[str, Any]]
worlds = st.integers(0, 10**9).map(Random)


def rows_of(random: Random, places: list[int], names: tuple[str, ...]) -> Rows:
    """Each place with one to three revisions, each later known than the one before."""
    made = []
    for place in places:
        end = BEGIN + place * STEP
        known = end
        for revision in range(random.randint(1, 3)):
            late = [STEP // 20, STEP // 10, STEP // 10 + 1, STEP, 5 * STEP]
            known += random.choice([0] * 12 + late if revision == 0 else late)
            row: dict[str, Any] = {name: random.choice([None, random.uniform(-1, 1)]) for name in names}
            row |= {name: random.randint(0, 5) for name in ("mentions", "positive", "negative", "neutral")}
            row["status"] = random.choice(["OK", "OK", "INSUFFICIENT"])
            made.append({**row, "event_time": to_datetime(end), "known_time": to_datetime(known), "revision": revision})
    return made


def world_of(random: Random) -> tuple[Rows, Rows, Rows]:
    """Bars with holes between, moods in the holes too, correlations of some bars."""
    bars = sorted(random.sample(range(1, 30), random.randint(0, 20)))
    moods = sorted(random.sample(range(bars[0] if bars else 1, 34), random.randint(0, 4)))
    leads = sorted(random.sample(bars, len(bars) // 2))
    return (
        rows_of(random, bars, ("return_log", "volatility20")),
        rows_of(random, moods, ("score", "buzz_z")),
        rows_of(random, leads, ("best_lag", "r", "p_best")),
    )


def known_by(rows: Rows, moment: int) -> Rows:
    """What somebody who asks at a moment is told."""
    return [row for row in rows if max(row["event_time"], row["known_time"]) <= to_datetime(moment)]


def same(one: Series, other: Series, bars: int, but: frozenset[str] = frozenset()) -> bool:
    """Whether two series agree on their first bars."""
    names = [f.name for f in fields(Series) if f.name not in but]
    return all(np.array_equal(getattr(one, n)[:bars], getattr(other, n)[:bars], equal_nan=True) for n in names)


@settings(deadline=None, max_examples=40)
@given(worlds)
def test_what_comes_later_changes_no_judgement(random: Random) -> None:
    """Asked a tenth of an interval after a bar's end, its entries are those that any later question gets.

    All but the outcome; and but for a bar that came into being later, which no judgement saw.
    """
    parts = world_of(random)
    late = make_series(*parts, 300)
    for place, end in enumerate(late.end.tolist()):
        early = make_series(*(known_by(rows, end + grace(300)) for rows in parts), 300)
        if early.end.tolist() == late.end[: place + 1].tolist():
            assert same(early, late, place + 1, frozenset({"outcome"}))
            assert np.isnan(early.outcome[-1])


@settings(deadline=None, max_examples=40)
@given(worlds)
def test_equals_a_plain_search_for_each_bar(random: Random) -> None:
    """Each bar has the greatest revision of its due time, the posts since the bar before, the next bar's last word."""
    bars, moods, leads = world_of(random)
    told = make_series(bars, moods, leads, 300)
    ends = sorted({row["event_time"] for row in bars})
    assert [to_datetime(end) for end in told.end.tolist()] == ends
    for i, end in enumerate(ends):
        due = to_datetime(int(told.end[i]) + 30 * MICROS)

        def last(rows: Rows, at: Any, limit: Any = None) -> dict[str, Any]:
            fit = [r for r in rows if r["event_time"] == at and (limit is None or r["known_time"] <= limit)]
            return max(fit, key=lambda r: r["revision"], default={})

        stretch = [last(moods, at, due) for at in sorted({r["event_time"] for r in moods})]
        stretch = [r for r in stretch if r and (i == 0 or r["event_time"] > ends[i - 1]) and r["event_time"] <= end]
        scored = sum(r["positive"] + r["negative"] + r["neutral"] for r in stretch)
        total = sum((r["score"] or 0) * (r["positive"] + r["negative"] + r["neutral"]) for r in stretch)
        lead = last(leads, end, due)
        wanted = {
            "change": last(bars, end, due).get("return_log"),
            "volatility": last(bars, end, due).get("volatility20"),
            "outcome": last(bars, ends[i + 1]).get("return_log") if i + 1 < len(ends) else None,
            "mood": total / scored if scored else None,
            "mentions": sum(r["mentions"] for r in stretch),
            "positive": sum(r["positive"] for r in stretch),
            "buzz_z": last(moods, end, due).get("buzz_z"),
            "lead": lead.get("best_lag") if lead.get("status") == "OK" else None,
            "lead_p": lead.get("p_best") if lead.get("status") == "OK" else None,
        }
        for name, value in wanted.items():
            got = getattr(told, name)[i]
            assert np.isnan(got) if value is None else np.isclose(got, value, rtol=1e-12, atol=1e-15), name


def test_a_number_that_is_none_is_unknown() -> None:
    """NaN and infinity in a table are no returns."""
    at = to_datetime(BEGIN)
    row = {"event_time": at, "known_time": at, "return_log": float("inf"), "volatility20": float("nan")}
    told = make_series([row], [], [], 300)
    assert np.isnan([told.change[0], told.volatility[0]]).all()


def test_the_digest_tells_any_change() -> None:
    """One value in the last bit, and it is another series; the same values are the same."""
    at = to_datetime(BEGIN)
    row = {"event_time": at, "known_time": at, "return_log": 0.5, "volatility20": None}
    one, again = (make_series([row], [], [], 300).digest() for _ in range(2))
    other = make_series([{**row, "return_log": float(np.nextafter(0.5, 1))}], [], [], 300).digest()
    assert one == again != other


def test_a_correlation_of_minutes_stands_for_five() -> None:
    """Bars of a minute between two correlations have the one before; a gap or one that says nothing ends it."""
    bars = [row_at(minute, return_log=0.1, volatility20=None) for minute in (5, 6, 9, 10, 11, 15, 16, 21)]
    leads = [
        row_at(5, best_lag=2, r=0.5, p_best=0.01, status="OK"),
        row_at(10, best_lag=3, r=0.5, p_best=0.01, status="OK"),
        row_at(15, best_lag=None, r=None, p_best=None, status="INSUFFICIENT"),
    ]
    told = make_series(bars, [], leads, 60)
    assert np.array_equal(told.lead, [2, 2, 2, 3, 3, np.nan, np.nan, np.nan], equal_nan=True)
    assert np.array_equal(make_series(bars[:3] + bars[-1:], [], leads[:1], 60).lead[-1:], [np.nan], equal_nan=True)


def row_at(minute: int, **more: Any) -> dict[str, Any]:
    """A row of a minute, known at its end."""
    at = to_datetime(BEGIN + minute * 60 * MICROS)
    return {"event_time": at, "known_time": at, **more}
