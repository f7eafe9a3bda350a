"""Clocks and pace of a source of the past."""

import itertools
from collections.abc import Iterator

from hypothesis import given, settings
from hypothesis import strategies as st

from producers.pacing import FACTS_BETWEEN_CLOCKS, JUMP, Pacing
from producers.source import End, Event, Fact, Mark, Pause, Unreadable
from schemas.records import RawQuote
from schemas.topics import RAW_QUOTES

SECOND = 1_000_000


def facts(times: list[int]) -> Iterator[Fact]:
    """Quotes at the given microseconds; the position counts them."""
    for number, moment in enumerate(times, 1):
        yield Fact(RawQuote(source="t", symbol="A", event_time=moment), (number,))


def unreadable(numbers: range) -> Iterator[Unreadable]:
    """Lines that are no facts; the position counts them."""
    for number in numbers:
        yield Unreadable(RAW_QUOTES, "f", number, b"", ValueError("no"), (number,))


def write(position: tuple[int, ...]) -> str:
    """A position as text."""
    return str(position[0])


class Wall:
    """A wall clock that moves only where the source pauses, and a little at each look."""

    def __init__(self, step: float = 0.0) -> None:
        self.now = 100.0
        self.step = step

    def __call__(self) -> float:
        self.now += self.step
        return self.now

    def run(self, events: Iterator[Event]) -> list[tuple[float, Event]]:
        """Every event with the wall time at which it came."""
        seen = []
        for event in events:
            seen.append((self.now, event))
            if isinstance(event, Pause):
                self.now += event.seconds
        return seen


def test_the_end_is_a_clock_of_the_last_fact_and_an_end() -> None:
    """After the last fact comes a clock with its time, then the end, both with the last position."""
    events = list(Pacing(write, None).events(facts([5, 9]), (0,)))
    assert events[3:] == [Mark(9, "2"), End("2")]


def test_a_clock_stands_before_the_first_fact() -> None:
    """It says that the source has begun; its position is where the facts begin."""
    events = list(Pacing(write, None).events(facts([5, 9]), (0,)))
    assert events[:2] == [Mark(4, "0"), next(facts([5]))]


def test_no_facts_are_only_an_end() -> None:
    """A source without facts ends without any clock of a time."""
    assert list(Pacing(write, None).events(facts([]), (7,))) == [End("7")]


def test_a_jump_over_ten_minutes_is_bridged_by_a_clock() -> None:
    """A clock stands before a fact that comes more than ten minutes later, and none where it is exactly ten."""
    later = JUMP + 1
    events = list(Pacing(write, None).events(facts([0, JUMP, JUMP + later]), (0,)))
    assert [e for e in events if isinstance(e, Mark)] == [
        Mark(-1, "0"),
        Mark(JUMP + later - 1, "2"),
        Mark(JUMP + later, "3"),
    ]


def test_unreadable_lines_before_the_first_fact_have_clocks_of_the_beginning() -> None:
    """After 1,000 of them comes a clock with the position, which says that no fact is before the beginning."""
    last = Fact(RawQuote(source="t", symbol="A", event_time=70), (2501,))
    events = Pacing(write, None, begins=50).events(itertools.chain(unreadable(range(1, 2501)), [last]), (0,))
    marks = [event for event in events if isinstance(event, Mark)]
    assert marks == [Mark(49, "1000"), Mark(49, "2000"), Mark(69, "2500"), Mark(70, "2501")]


def test_unreadable_lines_after_a_fact_have_clocks_that_leave_room_for_another_of_its_time() -> None:
    """Facts and unreadable lines count together; such a clock lies before the last fact."""
    items = [*facts([5, 9]), *unreadable(range(3, 1502)), Fact(RawQuote(source="t", symbol="A", event_time=9), (1502,))]
    marks = [event for event in Pacing(write, None).events(iter(items), (0,)) if isinstance(event, Mark)]
    assert marks == [Mark(4, "0"), Mark(8, "1000"), Mark(9, "1502")]


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(0, 2 * JUMP), max_size=8), st.integers(0, 3))
def test_a_clock_never_says_too_much_nor_falls(steps: list[int], thousands: int) -> None:
    """Every fact after a clock is later than it; at most 1,000 facts stand between two clocks; times never fall."""
    times, moment = [], 0
    for step in steps:
        moment += step
        times.extend([moment] * (1 + thousands * 400))
    clock, since = -2, 0
    for event in Pacing(write, None).events(facts(times), (0,)):
        if isinstance(event, Fact):
            assert event.record.event_time > clock
            since += 1
        elif isinstance(event, Mark):
            assert event.time >= clock
            clock, since = event.time, 0
        assert since <= FACTS_BETWEEN_CLOCKS


def test_below_full_speed_no_fact_comes_before_it_is_due() -> None:
    """At 60 times real time a fact 90 s of event time after the first comes 1.5 to 2.5 wall seconds after it."""
    wall = Wall()
    seen = wall.run(Pacing(write, 60.0, monotonic=wall).events(facts([0, 90 * SECOND, 600 * SECOND]), (0,)))
    came = {e.record.event_time // SECOND: at - 100 for at, e in seen if isinstance(e, Fact)}
    assert came[0] == 0
    assert 1.5 <= came[90] <= 2.5
    assert 10 <= came[600] <= 11


def test_below_full_speed_a_clock_comes_each_wall_second() -> None:
    """While the next fact is not due there is a clock a second, always the next fact's time less one microsecond."""
    wall = Wall()
    seen = wall.run(Pacing(write, 1.0, monotonic=wall).events(facts([0, 10 * SECOND]), (0,)))
    marks = [(at - 100, e.time) for at, e in seen if isinstance(e, Mark)][1:]
    assert [at for at, _ in marks[:10]] == list(range(10))
    assert {moment for _, moment in marks[:10]} == {10 * SECOND - 1}


def test_a_source_that_cannot_keep_up_still_writes_its_clocks() -> None:
    """Where the facts themselves take longer than their pace, clocks still come every one or two wall seconds."""
    wall = Wall(step=0.1)
    times = [number * SECOND for number in range(100)]
    seen = wall.run(Pacing(write, 1000.0, monotonic=wall).events(facts(times), (0,)))
    marks = [at for at, e in seen if isinstance(e, Mark)]
    assert all(later - earlier < 2.2 for earlier, later in itertools.pairwise(marks))
    assert len([e for _, e in seen if isinstance(e, Fact)]) == 100


def test_what_comes_before_the_paced_part_does_not_wait() -> None:
    """Facts before ``paced_from`` come at once, however slow the speed; then the wall clock counts from the next."""
    wall = Wall()
    times = [0, 3600 * SECOND, 7200 * SECOND, 7201 * SECOND]
    seen = wall.run(Pacing(write, 1.0, 7200 * SECOND, monotonic=wall).events(facts(times), (0,)))
    came = [at - 100 for at, e in seen if isinstance(e, Fact)]
    assert came[:3] == [0, 0, 0]
    assert 1 <= came[3] <= 2


@given(st.lists(st.integers(0, 700 * SECOND), min_size=1, max_size=20), st.sampled_from([None, 1.0, 60.0, 5000.0]))
def test_pace_changes_no_fact(steps: list[int], speed: float | None) -> None:
    """The facts and their order are the same at every speed, each exactly once."""
    times = [sum(steps[: n + 1]) for n in range(len(steps))]
    wall = Wall(step=0.01)
    seen = wall.run(Pacing(write, speed, monotonic=wall).events(facts(times), (0,)))
    assert [e for _, e in seen if isinstance(e, Fact)] == list(facts(times))
