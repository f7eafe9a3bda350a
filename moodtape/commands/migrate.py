"""``moodtape migrate``: the database's schema."""

import click

from infra.endpoints import find_endpoints
from infra.migrate import migrate as apply_migrations

from ..options import Invocation, common


@click.command()
@common
def migrate(call: Invocation) -> None:
    """Bring the database's schema up to date. Doing it twice does nothing."""
    applied = apply_migrations(find_endpoints(call.settings).database, call.note)
    call.show({"applied": applied}, f"{len(applied)} migrations applied" if applied else "the schema is up to date")
