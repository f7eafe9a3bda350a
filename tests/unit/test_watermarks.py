"""Watermarks: the minimum over the clocks of a partition's origins."""

from hypothesis import given
from hypothesis import strategies as st

from schemas.clocks import Clock
from streams.engine.watermarks import IDLE_AFTER_MS, Move, Watermark

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
    """An end takes its origin out; when none is left the partition ends, and the watermark stays."""
    mark = Watermark([(RAW, "x/0"), (RAW, "x/1")])
    mark.hear(RAW, at(10, "x/0"), 0)
    mark.hear(RAW, at(7, "x/1"), 0)
    assert mark.hear(RAW, Clock(kind="end", origin="x/1"), 0) == Move("time", 10)
    assert mark.hear(RAW, Clock(kind="end", origin="x/0"), 0) == Move("end")
    assert mark.hear(RAW, Clock(kind="end", origin="x/0"), 0) is None
    assert mark.time == 10


def test_an_origin_that_comes_back_holds_again() -> None:
    """After an end the origin's next clock enters it again, and downstream is told where the watermark stands."""
    mark = Watermark(None)
    mark.hear(RAW, at(10), 0)
    mark.hear(RAW, Clock(kind="end", origin="a/0"), 0)
    assert mark.hear(RAW, at(8), 0) == Move("time", 10)
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


@given(events, st.integers(0, 40))
def test_a_watermark_never_falls_and_a_dump_is_invisible(history: list[tuple[str, str, int]], cut: int) -> None:
    """Moves rise strictly between ends and idles, and a watermark restored from its dump goes on alike."""
    mark, other = Watermark(None, 1), Watermark(None, 1)
    last = None
    for number, (origin, kind, time) in enumerate(history):
        clock = Clock(kind=kind, origin=origin, time=time)  # type: ignore[arg-type]
        if number == cut:
            restored = Watermark(None, 1)
            restored.load(other.dump())
            other = restored
        move = mark.hear(RAW, clock, number)
        assert move == other.hear(RAW, clock, number)
        if move is not None and move.kind == "time":
            assert last is None or move.time >= last
            last = move.time
    assert mark.dump() == other.dump()
