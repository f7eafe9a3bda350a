"""``moodtape replay``: the raw topics once more through the present code, beside the live flow."""

import sys
from dataclasses import asdict
from pathlib import Path

import click

from infra.clock import to_rfc3339
from infra.database import connected
from infra.endpoints import find_endpoints
from infra.errors import UserError
from infra.log import configure_logging
from infra.migrate import require_schema
from infra.replays import Plan, all_plans, require_plan
from infra.topics import require_topics

from ..options import Invocation, common
from ..pipeline import table_counts
from ..replay.archives import open_archives
from ..replay.compare import compare, input_of, require_complete, to_json, to_text
from ..replay.drop import drop_replay
from ..replay.planning import Wanted, plan_replay
from ..replay.switch import served, switch
from ..replay.work import remove_copies, run_replay, summary
from .produce import parse_moment


@click.group(invoke_without_command=True)
@click.option("--from", "start", metavar="TIME", help="First event time of the replay's facts, RFC 3339.")
@click.option("--to", "end", metavar="TIME", help="Event time before which they end.")
@click.option("--symbols", default="", help="Only facts about these, separated by commas [default: all].")
@click.option("--into", metavar="ID", help="Name of the replay: 1 to 32 of a-z, 0-9 and '-'.")
@click.option(
    "--from-mentions",
    is_flag=True,
    help="Fold stored mentions and bars anew, where raw facts are gone; nothing is scored.",
)
@click.option(
    "--archive",
    "archives",
    multiple=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Read first what `record --archive` wrote into this folder; several join.",
)
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 12), help="Workers of each stage.")
@click.pass_context
@common
def replay(
    call: Invocation,
    context: click.Context,
    start: str | None,
    end: str | None,
    symbols: str,
    into: str | None,
    workers: int,
    from_mentions: bool,
    archives: tuple[Path, ...],
) -> None:
    """Put the raw topics through the present code once more, into topics and rows of their own.

    Facts with --from <= event_time < --to go to topics TOPIC.ID and to rows with replay = ID; what came before is
    folded, but not written. The live flow goes on beside it. Stopped or killed, the same command goes on.

    Raw posts are kept for 48 hours; mentions.v1 and bars.v1 for 400 days. With --from-mentions only moods and
    correlations are made anew, of what was scored then. With --archive the raw topics are read as they were: copies of
    what archives hold, joined with what the topics do. They are deleted when the replay is complete.
    """
    if context.invoked_subcommand is not None:
        if start or end or into or symbols or from_mentions or archives:
            raise UserError(f"the options of a new replay do not go with `replay {context.invoked_subcommand}`")
        call.hand_on(context, context.invoked_subcommand)
        return
    if start is None or end is None or into is None:
        raise UserError("a replay needs --from TIME, --to TIME and --into ID; `moodtape replay --help` lists the rest")
    configure_logging(call.settings.log_level, f"replay-{into}")
    endpoints = find_endpoints(call.settings)
    require_topics(endpoints.kafka, call.settings)
    require_schema(endpoints.database)
    wanted = Wanted(
        id=into,
        start=parse_moment("--from", start),
        end=parse_moment("--to", end),
        symbols=tuple(sorted({symbol.strip().upper() for symbol in symbols.split(",") if symbol.strip()})),
        from_mentions=from_mentions,
        archives=open_archives(archives),
    )
    plan = plan_replay(call.settings, endpoints, wanted)
    if plan.complete:
        remove_copies(endpoints, plan)
        call.show(_shown(plan), f"replay {plan.id} is complete; nothing to do")
        return
    done = run_replay(call.settings, endpoints, plan, workers, call.note, wanted.archives)
    with connected(endpoints.database) as connection:
        counts = table_counts(connection, plan.id)
    call.show({**_shown(plan), **asdict(done), **counts}, summary(plan, done))
    if not done.complete:
        raise click.Abort


@replay.command("list")
@common
def list_replays(call: Invocation) -> None:
    """List the replays that there are."""
    database = find_endpoints(call.settings).database
    plans, seen = all_plans(database), served(database)
    lines = [_line(plan, plan.id == seen) for plan in plans]
    call.show([{**_shown(plan), "served": plan.id == seen} for plan in plans], "\n".join(lines) or "no replays")


@replay.command("compare")
@click.argument("name", metavar="ID")
@click.option("--samples", default=5, show_default=True, type=click.IntRange(0), help="Differences to show, of each.")
@common
def compare_replay(call: Invocation, name: str, samples: int) -> None:
    """Say what differs between the live facts and those of a replay, by table, record and field, and why it may.

    Exit code 1 if anything differs that neither another model nor other code, a warm-up, or later input explains.
    """
    database = find_endpoints(call.settings).database
    require_schema(database)
    plan = require_plan(database, name)
    require_complete(plan)
    report = compare(database, plan, samples)
    call.show(to_json(report), to_text(report))
    if report.unexplained:
        sys.exit(1)


@replay.command("switch")
@click.argument("name", metavar="ID|live")
@common
def switch_replay(call: Invocation, name: str) -> None:
    """Let readers see a replay instead of the live facts, or the live ones again with `live`.

    The API, the views and Redis follow; each answer is of one version from end to end. The live flow goes on.
    """
    endpoints = find_endpoints(call.settings)
    require_schema(endpoints.database)
    done = switch(endpoints, name)
    redis = "redis is away, answers come from the database" if done.cached is None else f"{done.cached} in redis"
    call.show(asdict(done), f"readers see {done.now} ({redis}); before that they saw {done.before}")


@replay.command("drop")
@click.argument("name", metavar="ID")
@common
def drop(call: Invocation, name: str) -> None:
    """Remove a replay: its topics, consumer groups and rows."""
    endpoints = find_endpoints(call.settings)
    require_schema(endpoints.database)
    plan = require_plan(endpoints.database, name)
    rows = drop_replay(call.settings, endpoints, plan)
    call.show({"dropped": plan.id, "rows": rows}, f"replay {plan.id} is removed, with {rows} rows")


def _shown(plan: Plan) -> dict[str, object]:
    return {
        "replay": plan.id,
        "from": to_rfc3339(plan.start),
        "to": to_rfc3339(plan.end),
        "symbols": list(plan.symbols),
        "input": input_of(plan),
        "archives": [archive.folder for archive in plan.archives],
        "scorer": plan.scorer,
        "code": plan.code,
        "complete": plan.complete,
    }


def _line(plan: Plan, served: bool) -> str:
    state = "served" if served else "complete" if plan.complete else "begun"
    symbols = ", ".join(plan.symbols) or "all symbols"
    span = f"{to_rfc3339(plan.start)} .. {to_rfc3339(plan.end)}"
    return (
        f"{plan.id:<32}  {state:<8}  {span}  {symbols}  from {input_of(plan)}  scorer {plan.scorer}  code {plan.code}"
    )
