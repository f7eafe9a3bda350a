"""The sink of Redis fills a server that was emptied: at once, while nothing comes, and when the database is back."""

from collections.abc import Mapping
from contextlib import suppress

import pytest
import redis

from infra.clock import MICROS
from infra.errors import TransientError
from schemas.topics import QUOTES
from sinks.latest import EXPIRE_SECONDS, LOOK_SECONDS, REFILL_SECONDS, SERVED_SECONDS, SERVING, LatestStore
from sinks.ledger import Bounds, Part
from tests.helpers.keys import Keys, check_keys

PART = Part(QUOTES, 0)
BOUNDS = {PART: Bounds(low=3, high=50, committed=40)}
STORED = {PART: 25}
"""The database has less than the group has read."""


class Database:
    """What the store asks of the database."""

    def __init__(self, bench: "Bench") -> None:
        self._bench = bench

    def __call__(self, store: LatestStore) -> Mapping[Part, int] | None:
        """Note that it was asked to fill the server."""
        self._bench.fills += 1
        if self._bench.database_away:
            return None
        if self._bench.served != "live":
            self._bench.keys.set(SERVING, self._bench.served)
        return STORED

    def served(self) -> str | None:
        """The version that readers see."""
        return None if self._bench.database_away else self._bench.served


class Bench:
    """A sink's store on keys in memory, with a clock and a database that can be away."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.keys, self.seconds, self.fills = Keys(), 100.0, 0
        self.database_away, self.served = False, "live"
        monkeypatch.setattr(redis.Redis, "from_url", lambda url, **options: self.keys)
        self.store = self.new_store()

    def new_store(self) -> LatestStore:
        """As a new process has it."""
        return LatestStore("redis://fake", Database(self), lambda: self.seconds, lambda: int(self.seconds * MICROS))

    def look(self, seconds: float = LOOK_SECONDS) -> None:
        """Time passes, and nothing comes."""
        self.seconds += seconds
        self.store.idle()


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A sink that has found its place on an empty server, and read on."""
    bench = Bench(monkeypatch)
    assert bench.store.place(BOUNDS) == STORED
    bench.look()
    return bench


def test_the_keys_in_memory_are_as_those_of_the_server() -> None:
    """They keep to what the real server was seen to do."""
    check_keys(Keys())


def test_a_server_that_was_emptied_is_filled_while_nothing_comes(bench: Bench) -> None:
    """Within a second of idleness it is filled, once, and what the database lacks is read from the log again."""
    bench.look()
    assert bench.fills == 1
    bench.keys.flushall()
    with pytest.raises(TransientError, match="filled from the database"):
        bench.look()
    assert bench.store.place(BOUNDS) == STORED
    bench.look()
    assert bench.store.place(BOUNDS) == {PART: 40}
    assert bench.fills == 2


def test_while_the_database_is_away_it_is_tried_again(bench: Bench) -> None:
    """The sink goes on, and fills the server when the database is back, though nothing came."""
    bench.database_away = True
    bench.keys.flushall()
    for _ in range(3):
        bench.look(REFILL_SECONDS)
    assert bench.store.place(BOUNDS) == {PART: 40}
    bench.database_away = False
    with pytest.raises(TransientError, match="filled from the database"):
        bench.look(REFILL_SECONDS)
    assert bench.store.place(BOUNDS) == STORED


def test_a_process_that_died_between_filling_and_reading_on_leaves_no_gap(bench: Bench) -> None:
    """Until reading goes on where the database ends the server does not count as filled."""
    bench.keys.flushall()
    with pytest.raises(TransientError):
        bench.look()
    bench.store = bench.new_store()
    assert bench.store.place(BOUNDS) == STORED
    bench.look()
    bench.store = bench.new_store()
    assert bench.store.place(BOUNDS) == {PART: 40}


def test_emptied_again_right_after_filling_it_is_filled_again(bench: Bench) -> None:
    """What is emptied before reading goes on is not taken for filled."""
    bench.keys.flushall()
    with pytest.raises(TransientError):
        bench.look()
    bench.keys.flushall()
    assert bench.store.place(BOUNDS) == STORED
    with pytest.raises(TransientError):
        bench.look()
    assert bench.fills == 3


def test_what_is_held_of_a_replay_is_written_again_before_it_expires(bench: Bench) -> None:
    """Every five days, so within the seven; the live facts, which come by themselves, are not."""
    bench.look(EXPIRE_SECONDS)
    assert bench.fills == 1
    bench.served = "again"
    bench.keys.set(SERVING, "again")
    for day in range(7):
        with suppress(TransientError):
            bench.look(86_400)
        bench.store.place(BOUNDS)
        bench.store.idle()
        assert bench.fills == (2 if day < 5 else 3)


def test_a_switch_that_did_not_reach_the_server_is_made_good(bench: Bench) -> None:
    """The server holds what readers see soon after, and is asked of that now and then only."""
    bench.served = "again"
    with pytest.raises(TransientError, match="filled from the database"):
        bench.look(SERVED_SECONDS)
    bench.store.place(BOUNDS)
    assert (bench.keys.get(SERVING), bench.fills) == ("again", 2)
    for _ in range(30):
        bench.look()
    assert bench.fills == 2
    bench.database_away = True
    bench.look(SERVED_SECONDS)
    assert bench.fills == 2


def test_a_server_that_is_away_is_noticed_while_nothing_comes(bench: Bench) -> None:
    """An idle sink waits for its server like one that has something to write."""
    bench.keys.away = True
    with pytest.raises(TransientError, match="away"):
        bench.look()
