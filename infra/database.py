"""One way to ask the database something now and then; sinks, the API and ``verify`` keep connections of their own."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from .errors import ServiceUnavailable, UserError

_CONNECT_SECONDS = 10


@contextmanager
def connected(url: str) -> Iterator[psycopg.Connection]:
    """A connection whose statements are each a transaction.

    Raises:
        ServiceUnavailable: the database does not answer.
        UserError: it has not our tables.
    """
    try:
        with psycopg.connect(url, autocommit=True, connect_timeout=_CONNECT_SECONDS) as connection:
            yield connection
    except psycopg.OperationalError as error:
        raise ServiceUnavailable(f"database: {str(error).strip()}; is it running (`moodtape up`)?") from error
    except psycopg.errors.UndefinedTable:
        raise UserError("the database lacks our tables: run `moodtape migrate`") from None
