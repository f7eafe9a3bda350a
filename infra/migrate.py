"""Migrations: the plain SQL files of ``infra/sql``, forward only, each in one transaction, each checksummed."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files

import psycopg

from .database import connected
from .errors import UserError

# One number for every migrator of every version: whoever holds it migrates, the others wait.
LOCK = 0x6D6F6F64
_TABLE = """
CREATE TABLE IF NOT EXISTS schema_migration (
    name       text PRIMARY KEY,
    checksum   text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
)
"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file: ``name`` like ``0001_facts`` and its SQL."""

    name: str
    sql: bytes

    @property
    def checksum(self) -> str:
        """SHA-256 of the file."""
        return hashlib.sha256(self.sql).hexdigest()


def shipped_migrations() -> list[Migration]:
    """The migrations that ship with this code, in order."""
    folder = files("infra").joinpath("sql")
    found = [f for f in folder.iterdir() if f.name.endswith(".sql")]
    return [Migration(f.name.removesuffix(".sql"), f.read_bytes()) for f in sorted(found, key=lambda f: f.name)]


def migrate(
    database_url: str,
    note: Callable[[str], None] | None = None,
    migrations: Sequence[Migration] | None = None,
) -> list[str]:
    """Bring a database up to date; returns the names of what was applied now, in order.

    Args:
        database_url: ``postgresql://`` URL with the password.
        note: told about each file.
        migrations: other files than the shipped ones, for tests.

    Raises:
        ServiceUnavailable: the server does not answer.
        UserError: an applied file was changed, the database is newer than this code, or it refuses a file.
    """
    wanted = shipped_migrations() if migrations is None else migrations
    with connected(database_url) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
        connection.execute(_TABLE)
        pending = pending_migrations(_applied(connection), wanted)
        for migration in pending:
            _apply(connection, migration)
            if note is not None:
                note(f"migrated {migration.name}")
    return [migration.name for migration in pending]


def require_schema(database_url: str) -> None:
    """Check that a database has exactly the schema that this code expects.

    Raises:
        ServiceUnavailable: the server does not answer.
        UserError: it has not; the message says how to mend it.
    """
    with connected(database_url) as connection:
        check_schema(connection)


def check_schema(connection: psycopg.Connection) -> None:
    """:func:`require_schema` over an open connection.

    Raises:
        UserError: the schema is not the one expected.
    """
    row = connection.execute("SELECT to_regclass('schema_migration') IS NOT NULL").fetchone()
    applied = _applied(connection) if row is not None and row[0] else {}
    missing = pending_migrations(applied, shipped_migrations())
    if missing:
        raise UserError(f"the database lacks {', '.join(m.name for m in missing)}: run `moodtape migrate`")


def pending_migrations(applied: dict[str, str], wanted: Sequence[Migration]) -> list[Migration]:
    """What is still to be applied, given name -> checksum of what was.

    Raises:
        UserError: an applied file was changed or is unknown here.
    """
    known = {migration.name for migration in wanted}
    newer = sorted(set(applied) - known)
    if newer:
        raise UserError(f"the database has {', '.join(newer)}, which this moodtape does not know: upgrade moodtape")
    for migration in wanted:
        if applied.get(migration.name, migration.checksum) != migration.checksum:
            raise UserError(
                f"infra/sql/{migration.name}.sql was changed after it was applied: "
                "restore the file, and put the change into a new one"
            )
    return [migration for migration in wanted if migration.name not in applied]


def _applied(connection: psycopg.Connection) -> dict[str, str]:
    return dict(connection.execute("SELECT name, checksum FROM schema_migration").fetchall())


def _apply(connection: psycopg.Connection, migration: Migration) -> None:
    try:
        with connection.transaction():
            connection.execute(migration.sql)
            connection.execute(
                "INSERT INTO schema_migration (name, checksum) VALUES (%s, %s)", (migration.name, migration.checksum)
            )
    except psycopg.OperationalError:
        raise
    except psycopg.Error as error:
        raise UserError(f"infra/sql/{migration.name}.sql: {error}") from error
