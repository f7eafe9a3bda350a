"""``moodtape record``: make a recording of the raw topics, and an archive of their log."""

from dataclasses import asdict
from pathlib import Path

import click

from infra.endpoints import find_endpoints
from infra.log import configure_logging
from producers.recorder import record_topics

from ..options import Invocation, common
from .produce import parse_moment


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--from", "start", help="First event time, RFC 3339, inclusive [default: the first there is].")
@click.option("--to", "end", help="Last event time, RFC 3339, exclusive [default: to the last there is].")
@click.option("--archive", is_flag=True, help="Also write log.avro, from which `replay --archive FOLDER` reads.")
@common
def record(call: Invocation, folder: Path, start: str | None, end: str | None, archive: bool) -> None:
    """Write what the raw topics hold into FOLDER, as a recording that `produce recording` plays back.

    With --archive also their log: every record as it lies there, clocks and broken ones too, of any time. It holds
    the texts of posts for as long as you keep it, which the terms of their source may bound.
    """
    configure_logging(call.settings.log_level, "record")
    first = None if start is None else parse_moment("--from", start)
    last = None if end is None else parse_moment("--to", end)
    done = record_topics(find_endpoints(call.settings).kafka, folder, first, last, archive)
    archived = "" if done.archived is None else f", {done.archived} records archived"
    call.show(asdict(done), f"{folder}: {done.quotes} quotes, {done.posts} posts{archived}")
