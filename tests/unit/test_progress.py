"""The watchdog tells a worker that is stuck from one that waits, is idle, or moves slowly."""

from streams.engine.progress import Look, Progress


def look(**seen: object) -> Look:
    """A worker with nothing to do, but for what is given."""
    idle = {"lag": 0, "committed": 0, "in_flight": 0, "finished": 0, "waiting": False}
    return Look(**{**idle, **seen})  # type: ignore[arg-type]


def verdicts(*seen: Look) -> list[str | None]:
    """What is said of looks ten seconds apart, with a limit of fifteen."""
    progress = Progress(15)
    return [progress.look(10.0 * number, item) for number, item in enumerate(seen)]


def test_idle_is_not_stuck() -> None:
    """A worker without input may stand still for ever."""
    assert verdicts(*[look(committed=7, finished=3)] * 5) == [None] * 5


def test_lag_without_a_commit_is_stuck() -> None:
    """Input, and no commit."""
    found = verdicts(*[look(lag=9, committed=7)] * 4)
    assert found == [None, None, "9 records behind, and nothing committed for 20 s", *found[3:]]


def test_lag_that_grows_while_commits_go_on_is_not() -> None:
    """However far behind: it moves."""
    assert verdicts(*[look(lag=10 * n + 1, committed=n) for n in range(5)]) == [None] * 5


def test_partitions_given_away_are_progress() -> None:
    """A rebalance changes the sum."""
    assert verdicts(*[look(lag=9, committed=c) for c in (100, 100, 40, 40, 100)]) == [None] * 5


def test_an_agent_that_finishes_nothing_is_stuck() -> None:
    """Chunks in flight that do not come back."""
    found = verdicts(*[look(in_flight=2, finished=5, committed=n) for n in range(3)])
    assert found == [None, None, "the agent has finished none of 2 chunks for 20 s"]


def test_an_agent_that_waits_for_a_server_is_not() -> None:
    """The scorer is away."""
    assert verdicts(*[look(in_flight=2, lag=9, waiting=True)] * 5) == [None] * 5


def test_the_time_counts_from_the_end_of_the_wait() -> None:
    """Waiting does not count."""
    waiting, stuck = look(in_flight=1, waiting=True), look(in_flight=1)
    assert verdicts(waiting, waiting, stuck, stuck) == [
        None,
        None,
        None,
        "the agent has finished none of 1 chunks for 20 s",
    ]
