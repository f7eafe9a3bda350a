"""Watermarks: the minimum over the clocks of a partition's origins."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.clocks import Clock, Kind
from streams.engine.watermarks import IDLE_AFTER_MS, SAME_END, Move, Watermark

RAW = "raw.posts.v1"


def at(time: int, origin: str = "a/0") -> Clock:
    """A clock of an origin."""
    return Clock(kind="time", origin=origin, time=time)


def test_a_first_stage_follows_the_origins_it_heard() -> None:
    """The watermark is the least clock less the lateness, and another origin behind only holds it."""
    mark = Watermark(None, lateness=5)
    assert mark.hear(RAW, at(100), 0) == Move("time", 95)
    assert mark.hear(RAW, at(50, "b/0"), 0) is None
    assert mark.time == 95
    assert mark.hear(RAW, at(200), 0) is None
    assert mark.hear(RAW, at(150, "b/0"), 0) == Move("time", 145)


def test_an_inner_stage_waits_for_every_expected_origin() -> None:
    """Nothing moves until each upstream partition was heard."""
    mark = Watermark([(RAW, "x/0"), (RAW, "x/1")])
    assert mark.hear(RAW, at(10, "x/0"), 0) is None
    assert mark.time is None
    assert mark.hear(RAW, at(7, "x/1"), 0) == Move("time", 7)


def test_the_last_end_ends_the_partition_once() -> None:
    """An end takes its source out; when none is left the partition ends, and the watermark stays."""
    mark = Watermark(None)
    mark.hear(RAW, at(10, "a/0"), 0)
    mark.hear(RAW, at(7, "b/0"), 0)
    mark.hear(RAW, at(20, "a/0"), 0)
    assert mark.hear(RAW, Clock(kind="end", origin="b/0"), 0) == Move("time", 20)
    assert mark.hear(RAW, Clock(kind="end", origin="a/0"), 0) == Move("end", 20)
    assert mark.hear(RAW, Clock(kind="end", origin="a/0"), 0) is None
    assert mark.time == 20


@pytest.mark.parametrize("kind", ["end", "idle"])
def test_an_inner_stage_does_not_run_ahead_of_an_origin_that_is_away(kind: Kind) -> None:
    """Whatever brings one stage before it back will bring back the other: until then its last clock counts."""
    mark = Watermark([(RAW, "x/0"), (RAW, "x/1")])
    mark.hear(RAW, at(10, "x/0"), 0)
    mark.hear(RAW, at(7, "x/1"), 0)
    assert mark.hear(RAW, Clock(kind=kind, origin="x/1"), 0) is None
    assert mark.hear(RAW, Clock(kind=kind, origin="x/0"), 0) == Move(kind, 10 if kind == "end" else 0)
    assert mark.hear(RAW, at(100, "x/0"), 0) == Move("time", 7, returns=True)
    assert mark.hear(RAW, at(200, "x/0"), 0) is None
    assert mark.hear(RAW, at(90, "x/1"), 0) == Move("time", 90)
    assert mark.hear(RAW, Clock(kind=kind, origin="x/0"), 0) is None
    assert mark.hear(RAW, at(300, "x/1"), 0) == Move("time", 200)


def test_an_inner_stage_has_not_ended_where_one_has_ended_once_more() -> None:
    """Of two ends that are not of one time the earlier one's origin will come back, and end again."""
    mark = Watermark([(RAW, "x/0"), (RAW, "x/1")])
    for name, time, until in (("x/0", 10, 15), ("x/0", 10 + SAME_END, 16 + SAME_END), ("x/1", 10, 15)):
        mark.hear(RAW, at(time, name), 0)
        last = mark.hear(RAW, Clock(kind="end", origin=name, until=until), 0)
    assert last is None
    assert mark.hear(RAW, at(10 + SAME_END, "x/1"), 0) == Move("time", 10 + SAME_END)
    end = Clock(kind="end", origin="x/1", until=15 + SAME_END)
    assert mark.hear(RAW, end, 0) == Move("end", 16 + SAME_END)


def test_ends_that_tell_no_time_are_of_their_last_clocks() -> None:
    """Logs and snapshots of before do not tell until when: their ends differ by the lateness."""
    mark = Watermark([(RAW, "x/0"), (RAW, "x/1")])
    mark.hear(RAW, at(10 * SAME_END, "x/0"), 0)
    mark.hear(RAW, at(9 * SAME_END, "x/1"), 0)
    mark.hear(RAW, Clock(kind="end", origin="x/0"), 0)
    assert mark.hear(RAW, Clock(kind="end", origin="x/1"), 0) == Move("end", 10 * SAME_END)
    time, told, origins = mark.dump()
    mark.load([time, told, [values[:5] for values in origins]])
    mark.hear(RAW, at(20 * SAME_END, "x/0"), 0)
    assert mark.hear(RAW, Clock(kind="end", origin="x/0", until=20 * SAME_END), 0) is None
    mark.hear(RAW, at(20 * SAME_END, "x/1"), 0)
    end = Clock(kind="end", origin="x/1", until=20 * SAME_END)
    assert mark.hear(RAW, end, 0) == Move("end", 20 * SAME_END)


def test_an_origin_that_ended_before_its_first_clock_is_waited_for() -> None:
    """An empty recording says nothing of the next one."""
    mark = Watermark([(RAW, "x/0"), (RAW, "x/1")])
    mark.hear(RAW, Clock(kind="end", origin="x/0"), 0)
    assert mark.hear(RAW, Clock(kind="end", origin="x/1"), 0) == Move("end")
    assert mark.hear(RAW, at(10, "x/0"), 0) is None
    assert mark.time is None
    assert mark.hear(RAW, at(7, "x/1"), 0) == Move("time", 7, returns=True)


def test_an_origin_that_comes_back_holds_again() -> None:
    """After an end the origin's next clock enters it again, and downstream is told where the watermark stands."""
    mark = Watermark(None)
    mark.hear(RAW, at(10), 0)
    mark.hear(RAW, Clock(kind="end", origin="a/0"), 0)
    assert mark.hear(RAW, at(8), 0) == Move("time", 10, returns=True)
    assert mark.hear(RAW, at(12), 0) == Move("time", 12)


def test_a_silent_origin_goes_idle_by_append_time() -> None:
    """An origin is dropped when append time is 5 minutes past that of its last clock; facts keep none alive."""
    mark = Watermark(None)
    mark.hear(RAW, at(10, "a/0"), 0)
    mark.hear(RAW, at(100, "b/0"), 1000)
    assert mark.read(IDLE_AFTER_MS) is None
    assert mark.read(IDLE_AFTER_MS + 1) == Move("time", 100)
    assert mark.read(IDLE_AFTER_MS + 1001) == Move("idle")
    assert mark.read(IDLE_AFTER_MS + 9999) is None


def test_inner_stages_time_nothing_out() -> None:
    """However late a record is read, an inner stage waits for its origin."""
    mark = Watermark([(RAW, "x/0")])
    mark.hear(RAW, at(10, "x/0"), 0)
    assert mark.read(10 * IDLE_AFTER_MS) is None


events = st.lists(
    st.tuples(
        st.sampled_from(["a/0", "b/0", "c/0"]),
        st.sampled_from(["time", "time", "time", "end", "idle"]),
        st.integers(0, 50),
    ),
    max_size=40,
)


@given(st.sampled_from([None, [(RAW, "a/0"), (RAW, "b/0"), (RAW, "c/0")]]), events, st.integers(0, 40))
def test_a_watermark_never_falls_and_a_dump_is_invisible(
    expected: list[tuple[str, str]] | None, history: list[tuple[str, str, int]], cut: int
) -> None:
    """Moves rise strictly between ends and idles, and a watermark restored from its dump goes on alike."""
    mark, other = Watermark(expected, 1), Watermark(expected, 1)
    last = None
    for number, (origin, kind, time) in enumerate(history):
        clock = Clock(kind=kind, origin=origin, time=time)  # type: ignore[arg-type]
        if number == cut:
            restored = Watermark(expected, 1)
            restored.load(other.dump())
            other = restored
        move = mark.hear(RAW, clock, number)
        assert move == other.hear(RAW, clock, number)
        if move is not None and move.kind == "time":
            assert last is None or move.time >= last
            last = move.time
    assert mark.dump() == other.dump()
