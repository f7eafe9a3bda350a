"""What sinks decide without a server: refusals, patience, the newest."""

import json
from random import Random

import psycopg
import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st
from psycopg import errors
from structlog.testing import capture_logs

from infra.clock import MICROS
from infra.errors import FatalError, TransientError, UserError
from infra.migrate import Migration, pending_migrations
from schemas.records import Correlation, Quote
from schemas.topics import CORRELATIONS, QUOTES
from sinks.bisection import store_all_but_refused
from sinks.latest import entry_of, hash_fields, newest, update_messages
from sinks.ledger import Bounds, Part, require_contained
from sinks.loop import SinkLoop
from sinks.retry import Backoff, is_refusal, is_transient
from tests.helpers.sinking import START, quote


@given(st.lists(st.tuples(st.integers(), st.booleans()), max_size=200))
def test_exactly_the_refused_rows_are_found(rows):
    """All rows but the refused are stored once, whichever they are; the refused come back in order with their error."""
    stored = []

    def store(part):
        bad = [row for row in part if row[1]]
        if bad:
            return ValueError(f"{len(part)} rows, {len(bad)} bad")
        stored.extend(part)
        return None

    refused = store_all_but_refused(rows, store)
    assert [row for row, _ in refused] == [row for row in rows if row[1]]
    assert all(str(error) == "1 rows, 1 bad" for _, error in refused)
    assert stored == [row for row in rows if not row[1]]


@given(st.integers(0, 9999))
def test_one_refused_row_costs_few_attempts(place):
    """One refused row among 10,000 is found with at most 2 log2(n) + 1 attempts."""
    attempts = []
    store_all_but_refused(range(10_000), lambda part: attempts.append(1) or (KeyError() if place in part else None))
    assert len(attempts) <= 29


TRANSIENT = [
    psycopg.OperationalError("connection refused"),
    psycopg.InterfaceError("the connection is closed"),
    errors.AdminShutdown(),
    errors.CannotConnectNow(),
    errors.SerializationFailure(),
    errors.DeadlockDetected(),
    errors.DiskFull(),
    errors.TooManyConnections(),
    errors.OutOfMemory(),
    errors.LockNotAvailable(),
    errors.QueryCanceled(),
    errors.IdleInTransactionSessionTimeout(),
    errors.ReadOnlySqlTransaction(),
    errors.IoError(),
    redis.exceptions.ConnectionError(),
    redis.exceptions.TimeoutError(),
    redis.exceptions.BusyLoadingError(),
    redis.exceptions.OutOfMemoryError(),
]
REFUSALS = [
    psycopg.DataError("text fields cannot contain NUL"),
    errors.CharacterNotInRepertoire(),
    errors.NumericValueOutOfRange(),
    errors.NotNullViolation(),
    errors.CheckViolation(),
    errors.UntranslatableCharacter(),
    errors.ProgramLimitExceeded(),
    OverflowError(),
]
NEITHER = [
    errors.UndefinedTable(),
    errors.InsufficientPrivilege(),
    errors.SyntaxError(),
    errors.InternalError_(),
    redis.exceptions.ResponseError("WRONGTYPE"),
    redis.exceptions.AuthenticationError(),
    ValueError(),
]


@pytest.mark.parametrize("error", [*TRANSIENT, *REFUSALS, *NEITHER], ids=lambda error: type(error).__name__)
def test_an_error_passes_or_is_the_rows_fault_or_neither(error):
    """What a server's state causes is transient, what a row's content causes is a refusal; the rest is neither."""
    assert is_transient(error) == (error in TRANSIENT)
    assert is_refusal(error) == (error in REFUSALS)


@given(st.integers())
def test_waits_grow_up_to_a_ceiling_and_start_over(seed):
    """Waits lie in the upper half of a doubling ceiling of at most 5 s, and begin anew after a success."""
    backoff = Backoff(Random(seed))
    for ceiling in [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]:
        assert ceiling / 2 <= backoff.next() <= ceiling
    backoff.reset()
    assert backoff.next() <= 0.1


@pytest.mark.parametrize(("offset", "says"), [(9, "1 offsets were removed"), (21, "the log ends at 20")])
def test_what_the_log_lacks_is_told(offset, says):
    """An offset outside the log is an error that names partition and loss; the log's own bounds are inside."""
    part = Part("bars.v1", 3)
    for inside in (10, 20):
        require_contained("timescale", {part: inside}, {part: Bounds(10, 20, None)})
    with pytest.raises(UserError, match=f"bars.v1/3.*{says}"):
        require_contained("timescale", {part: offset}, {part: Bounds(10, 20, None)})


class Waiting:
    """A log without facts before a store that is away the first time, as far as the loop asks."""

    name, moved = "waiting", True
    given: int | None = 1

    def __init__(self) -> None:
        self.asked = 0

    def place(self, bounds: dict[Part, Bounds]) -> dict[Part, int]:
        self.asked += 1
        if self.asked == 1:
            raise TransientError("away")
        return {part: held.low for part, held in bounds.items()}

    def bounds(self) -> dict[Part, Bounds]:
        return {Part(QUOTES, 0): Bounds(0, 0, None)}

    def idle(self, seconds: float = 0.0) -> None:
        pass

    def hold(self) -> None:
        pass

    def seek(self, offsets: dict[Part, int]) -> None:
        pass


def test_what_is_waited_for_is_told() -> None:
    """While the store is away the loop says so and waits; when it is back nothing is wrong any more."""
    loop = SinkLoop(Waiting(), both := Waiting(), lambda: 0, Random(0))
    with capture_logs():
        assert loop.step() > 0
        assert loop.problem == "away"
        assert loop.step() == 0
    assert both.asked == 2
    assert loop.problem is None
    assert loop.live() is None


class Emptied(Waiting):
    """A log that has nothing more before a store that loses all it had once."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.looks = 1, 0
        self.moved = False

    def read(self, seconds: float) -> None:
        self.looks += 1

    def idle(self, seconds: float = 0.0) -> None:
        if not seconds and self.looks == 2:  # the store's, not the log's
            raise TransientError("emptied")

    def lags(self) -> dict[Part, int]:
        return {}


def test_a_store_that_lost_what_it_had_is_asked_again_where_to_read_on() -> None:
    """The store looks after itself while nothing comes, and can have the loop find its place once more."""
    loop = SinkLoop(both := Emptied(), both, lambda: 0, Random(0))
    with capture_logs():
        assert [loop.step() > 0 for _ in range(5)] == [False, False, True, False, False]
    assert (both.asked, both.looks, loop.problem) == (3, 3, None)


class Stuck(Waiting):
    """A log with one partition that has more to read; it moves by ``pace`` between two looks."""

    def __init__(self, pace: int) -> None:
        super().__init__()
        self.asked, self._pace, self._offset = 1, pace, 0
        self.moved = False

    def read(self, seconds: float) -> None:
        self._offset += self._pace

    def lags(self) -> dict[Part, int]:
        return {}

    def behind(self) -> dict[Part, int]:
        return {Part(QUOTES, 0): self._offset}


def look_for_a_while(log: Waiting) -> None:
    """Ten seconds a step, as the loop sees it."""
    moments = iter(range(0, 10**12, 10 * MICROS))
    loop = SinkLoop(log, log, lambda: next(moments), Random(0))
    with capture_logs():
        for _ in range(50):
            loop.step()


def test_a_partition_that_stands_still_ends_the_sink() -> None:
    """A partition that has more and does not move ends the process; one that moves, however slowly, does not."""
    with pytest.raises(FatalError, match=r"1 partitions have more to read.*quotes\.v1"):
        look_for_a_while(Stuck(pace=0))
    look_for_a_while(Stuck(pace=1))


class Left(Waiting):
    """A log whose group gives no partitions; every second look it is not complete where it ``changes``."""

    def __init__(self, *, changes: bool, given: int | None = None) -> None:
        super().__init__()
        self.given, self.waits = given, list[float]()
        self._changes, self._looks = changes, 0

    def bounds(self) -> dict[Part, Bounds]:
        return {}

    def idle(self, seconds: float = 0.0) -> None:
        self.waits.append(seconds)

    def is_forgotten(self) -> bool:
        self._looks += 1
        return not self._changes or self._looks % 2 == 0


def test_a_sink_that_its_group_forgot_ends() -> None:
    """Without word from a group that is complete, the process ends; while the group changes it waits, and one that
    has nothing to do beside another waits for ever. None of them keeps a core busy.
    """
    forgotten, changing, beside = Left(changes=False), Left(changes=True), Left(changes=False, given=0)
    with pytest.raises(FatalError, match="complete without this sink"):
        look_for_a_while(forgotten)
    look_for_a_while(changing)
    look_for_a_while(beside)
    assert min(*forgotten.waits, *changing.waits, *beside.waits) > 0


@given(st.permutations([(minute, revision) for minute in range(3) for revision in range(2)]))
def test_the_newest_of_a_chunk_is_written(order):
    """Of several facts of one key only the one with the greatest (event_time, revision) is written."""
    entries = [entry_of(QUOTES, quote("TSLA", minute, revision=revision)) for minute, revision in order]
    (entry,) = newest([*entries, *entries])
    assert entry.key == "quote:TSLA"
    assert entry.order == (quote("TSLA", 2).event_time, 1)


def test_correlations_are_fields_of_one_hash():
    """Pair, method and window name the field; its value is the whole record as JSON."""
    record = Correlation(
        symbol="TSLA", interval=300, window=60, event_time=START, pair="BUZZ_VOLATILITY", method="SPEARMAN", lags=(1,)
    )
    entry = entry_of(CORRELATIONS, record)
    assert (entry.key, entry.field) == ("correlation:TSLA:300", "BUZZ_VOLATILITY:SPEARMAN:60")
    assert json.loads(entry.values[0])["lags"] == [1]


def test_null_fields_are_left_out():
    """Numbers and texts are as they are, lists and truth are JSON, what is null is absent."""
    assert hash_fields({"a": None, "b": 1.5, "c": "x", "d": ("y",), "e": True}) == (
        *("b", "1.5", "c", "x"),
        *("d", '["y"]', "e", "true"),
    )


def test_a_chunk_is_announced_by_table():
    """One message a table, with all its symbols and the greatest event time."""
    entries = [entry_of(QUOTES, record) for record in (quote("B", 1), quote("A", 2), quote("A", 1))]
    (message,) = update_messages(entries)
    assert json.loads(message)["symbols"] == ["A", "B"]
    assert json.loads(message)["max_event_time"] == quote("A", 2).event_time
    assert isinstance(quote(), Quote)


def test_migrations_only_go_forward():
    """What is applied is not applied again; a changed or unknown file is a mistake that the message names."""
    one, two = Migration("0001_a", b"a"), Migration("0002_b", b"b")
    assert pending_migrations({}, [one, two]) == [one, two]
    assert pending_migrations({one.name: one.checksum}, [one, two]) == [two]
    with pytest.raises(UserError, match=r"0001_a\.sql was changed"):
        pending_migrations({one.name: two.checksum}, [one, two])
    with pytest.raises(UserError, match=r"0003_c.*upgrade moodtape"):
        pending_migrations({"0003_c": ""}, [one, two])
