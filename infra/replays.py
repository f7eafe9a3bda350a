"""Replays as the database knows them: what each was asked for, and the offsets between which it reads."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

import psycopg
from psycopg.types.json import Jsonb

from schemas.replays import REPLAY_ID, Replay
from schemas.topics import MENTIONS

from .clock import from_datetime, to_datetime
from .database import connected
from .errors import UserError

Place = tuple[str, int]
_CODE = ("schemas", "infra", "streams")
_COLUMNS = (
    "id, from_time, to_time, symbols, scorer, code, cluster, archives, begins, ends, loaded, known_after, planned_at,"
    " completed_at"
)


@dataclass(frozen=True, slots=True)
class Archive:
    """An archive that a replay reads: the same wherever it lies. ``sha256`` is of its log."""

    folder: str = field(compare=False)
    sha256: str

    def __str__(self) -> str:
        return self.folder


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A replay: what was asked for, and what was there when it was.

    Attributes:
        start: first event time of its facts, microseconds UTC.
        end: exclusive.
        symbols: only facts about these; empty = all.
        scorer: what scores, as ``scorer`` in the settings.
        code: digest of the code that it is made by.
        cluster: identity of the Kafka cluster that the offsets belong to.
        archives: what it reads before the live topics, sorted; with one of them it reads copies of both.
        begins: first offset that it reads of each partition of the live flow's topics, in an archive or held then.
        ends: their ends at that time; nothing behind them is read.
        loaded: how many records each partition of its copies holds; None while they are not whole.
        known_after: event time after which its input was all there; None = always.
        planned_at: when that was, microseconds UTC; 0 = not stored yet.
        complete: whether it came to its end.
    """

    id: str
    start: int
    end: int
    symbols: tuple[str, ...] = ()
    scorer: str = ""
    code: str = ""
    cluster: str = ""
    archives: tuple[Archive, ...] = ()
    begins: Mapping[Place, int] = field(default_factory=dict)
    ends: Mapping[Place, int] = field(default_factory=dict)
    loaded: Mapping[Place, int] | None = None
    known_after: int | None = None
    planned_at: int = 0
    complete: bool = False

    @property
    def reaggregated(self) -> bool:
        """Whether it folds stored mentions and bars anew, instead of raw facts."""
        return any(topic == MENTIONS for topic, _ in self.ends)

    def replay(self) -> Replay:
        """What its stages must know."""
        ends = {} if self.archives else self.ends
        return Replay(id=self.id, start=self.start, end=self.end, symbols=self.symbols, ends=ends)


def check_id(text: str) -> str:
    """The name of a replay.

    Raises:
        UserError: it can be none.
    """
    if REPLAY_ID.fullmatch(text) is None:
        raise UserError(
            f"{text!r} is no name for a replay: 1 to 32 of a-z, 0-9 and '-', and neither live, dlq nor state"
        )
    return text


def find_plan(database: str, name: str) -> Plan | None:
    """A replay by its name; None where there is none.

    Raises:
        ServiceUnavailable: the database does not answer.
    """
    with connected(database) as connection:
        row = connection.execute(f"SELECT {_COLUMNS} FROM replay WHERE id = %s", (name,)).fetchone()  # noqa: S608
    return None if row is None else _plan(row)


def require_plan(database: str, name: str) -> Plan:
    """A replay that must be there.

    Raises:
        UserError: it is not; the message names those there are.
    """
    plan = find_plan(database, check_id(name))
    if plan is None:
        there = ", ".join(each.id for each in all_plans(database))
        raise UserError(f"there is no replay {name}; " + (f"there are {there}" if there else "there is none at all"))
    return plan


def all_plans(database: str) -> list[Plan]:
    """Every replay, the oldest first."""
    with connected(database) as connection:
        rows = connection.execute(f"SELECT {_COLUMNS} FROM replay ORDER BY planned_at")  # noqa: S608
        return [_plan(row) for row in rows]


def store_plan(database: str, plan: Plan) -> None:
    """Remember a new replay.

    Raises:
        UserError: somebody else stored one of that name in the meantime.
    """
    try:
        with connected(database) as connection:
            connection.execute(
                "INSERT INTO replay (id, from_time, to_time, symbols, scorer, code, cluster, archives,"
                " begins, ends, known_after)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
                (
                    *(plan.id, to_datetime(plan.start), to_datetime(plan.end), list(plan.symbols)),
                    *(plan.scorer, plan.code, plan.cluster),
                    Jsonb([[archive.folder, archive.sha256] for archive in plan.archives]),
                    *(_listed(plan.begins), _listed(plan.ends)),
                    None if plan.known_after is None else to_datetime(plan.known_after),
                ),
            )
    except psycopg.errors.UniqueViolation:
        raise UserError(f"replay {plan.id} was begun by somebody else just now") from None


def note_loaded(database: str, name: str, records: Mapping[Place, int]) -> None:
    """Note that the copies which a replay reads are whole, and how many records each partition holds."""
    with connected(database) as connection:
        connection.execute("UPDATE replay SET loaded = %s WHERE id = %s", (_listed(records), name))


def complete_plan(database: str, name: str) -> None:
    """Note that a replay came to its end."""
    with connected(database) as connection:
        connection.execute("UPDATE replay SET completed_at = clock_timestamp() WHERE id = %s", (name,))


def note_build(connection: psycopg.Connection) -> None:
    """Note which code makes the live facts from now on, for comparing with replays.

    The sink of the live flow does so whenever it has connected: it is part of every deployment, and of one version with
    the workers.
    """
    connection.execute(
        "INSERT INTO build (code) SELECT %(code)s WHERE %(code)s IS DISTINCT FROM"
        " (SELECT code FROM build ORDER BY since DESC LIMIT 1)",
        {"code": code_version()},
    )


@cache
def code_version() -> str:
    """Digest of the code that decides what a fact is: contract, plumbing and stages; 12 hexadecimal digits."""
    digest = hashlib.sha256()
    for name, content in sorted(_sources()):
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:12]


def _sources() -> Iterator[tuple[str, bytes]]:
    for package in _CODE:
        yield from _within(package, files(package))


def _within(name: str, folder: Traversable) -> Iterator[tuple[str, bytes]]:
    for item in folder.iterdir():
        path = f"{name}/{item.name}"
        if item.is_dir():
            yield from _within(path, item)
        elif item.name.endswith((".py", ".avsc", ".txt", ".csv")):
            yield path, item.read_bytes()


def _listed(offsets: Mapping[Place, int]) -> Jsonb:
    return Jsonb([[topic, partition, offset] for (topic, partition), offset in sorted(offsets.items())])


def _offsets(listed: Iterable[tuple[str, int, int]]) -> dict[Place, int]:
    return {(topic, partition): offset for topic, partition, offset in listed}


def _plan(row: tuple) -> Plan:  # type: ignore[type-arg]  # a row of _COLUMNS
    name, start, end, symbols, scorer, code, cluster, archives, begins, ends, loaded, known_after, *at = row
    planned_at, done_at = at
    return Plan(
        id=name,
        start=from_datetime(start),
        end=from_datetime(end),
        symbols=tuple(symbols),
        scorer=scorer,
        code=code,
        cluster=cluster,
        archives=tuple(Archive(folder, sha256) for folder, sha256 in archives),
        begins=_offsets(begins),
        ends=_offsets(ends),
        loaded=None if loaded is None else _offsets(loaded),
        planned_at=from_datetime(planned_at),
        known_after=None if known_after is None else from_datetime(known_after),
        complete=done_at is not None,
    )
