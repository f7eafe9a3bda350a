"""``moodtape dlq``: look at dead letters, and send them back."""

import functools
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import click

from infra.clock import from_rfc3339, now_micros
from infra.endpoints import find_endpoints
from infra.replays import require_plan
from infra.topics import require_topics
from moodtape.deadletters.cases import Cases, Tally
from moodtape.deadletters.letters import Wanted
from moodtape.deadletters.redrive import Redriver, Report, Return, redrive
from moodtape.deadletters.show import brief, line, place, whole
from moodtape.options import Invocation, common
from moodtape.verify.reading import TopicReader
from schemas.replays import LIVE

F = TypeVar("F", bound=Callable[..., Any])


class Moment(click.ParamType):
    """An RFC 3339 time as microseconds since 1970."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Microseconds of a text such as 2022-03-14T08:00:00Z."""
        if isinstance(value, int):
            return value
        try:
            return from_rfc3339(value)
        except ValueError as error:
            self.fail(f"{value!r} is no time like 2022-03-14T08:00:00Z ({error})", param, ctx)


def choosing(function: F) -> F:
    """Options that choose dead letters; hands the command a :class:`Wanted` as ``wanted``."""

    @click.option("--topic", help="Only those of one topic, such as raw.quotes.v1.")
    @click.option("--reason", help="Only those with one reason, such as undecodable or invalid.")
    @click.option("--from", "start", type=Moment(), help="From this event time on (time of failure if undecodable).")
    @click.option("--to", "end", type=Moment(), help="Before this event time.")
    @click.option("--key", help="Only those with this key, such as TSLA or reddit:p1.")
    @click.option("--limit", default=50, show_default=True, type=click.IntRange(0), help="How many to name.")
    @functools.wraps(function)
    def wrapper(*args: Any, **options: Any) -> Any:
        wanted = Wanted(**{name: options.pop(name) for name in ("topic", "reason", "start", "end", "key")})
        return function(*args, wanted=wanted, **options)

    return wrapper  # type: ignore[return-value]  # click's options take the place of ``wanted``


@click.group()
def dlq() -> None:
    """Look at dead letters, records that could not be processed, kept byte for byte; send them back."""


@dlq.command("list")
@click.option("--replay", metavar="ID", help="Those of this replay instead of the live flow's.")
@choosing
@common
def list_letters(call: Invocation, wanted: Wanted, limit: int, replay: str | None) -> None:
    """Count dead letters by topic, reason and state, and name the first of them.

    Each original counts once, however often it failed: waiting; parked (failed five times); redriven (sent back, not
    read yet); resolved (sent back and read without another failure); kept (cannot be sent back, as those of a replay).
    """
    kafka, known = _flow(call, replay)
    wanted = replace(wanted, replay=known)
    tally = Tally(limit)
    with TopicReader(kafka) as reader:
        for case in Cases(reader, kafka).wanted(wanted):
            tally.take(case)
    counts = tally.counts()
    call.show({"counts": counts, "letters": [brief(case) for case in tally.first]}, _listing(tally, counts))


@dlq.command("show")
@click.argument("topic")
@click.argument("partition", type=int)
@click.argument("offset", type=int)
@click.option("--reveal", is_flag=True, help="Show texts and the value's bytes too.")
@click.option("--replay", metavar="ID", help="Of this replay instead of the live flow.")
@common
def show_letter(call: Invocation, topic: str, partition: int, offset: int, reveal: bool, replay: str | None) -> None:
    """Show one dead letter by the place of the original, or by its own place in TOPIC.dlq, as `dlq list` names it."""
    kafka, known = _flow(call, replay)
    with TopicReader(kafka) as reader:
        data = whole(Cases(reader, kafka).find(topic, partition, offset, known), reveal)
    call.show(data, json.dumps(data, indent=2, ensure_ascii=False))


@dlq.command("redrive")
@choosing
@click.option("--dry-run", is_flag=True, help="Say what would be sent back, and send nothing.")
@click.option("--force", is_flag=True, help="Also those that are parked because they failed five times.")
@common
def redrive_letters(call: Invocation, wanted: Wanted, limit: int, dry_run: bool, force: bool) -> None:
    """Send dead letters back to where they came from, each once, for the one that gave them up to try again."""
    kafka = find_endpoints(call.settings).kafka
    require_topics(kafka, call.settings)
    # Before the letters are read: from now on no other command of this kind can send any.
    redriver = None if dry_run else Redriver(kafka)
    report = Report(dry_run, limit)
    with TopicReader(kafka) as reader:
        redrive(Cases(reader, kafka).wanted(wanted), report, redriver, now_micros, force=force)
    call.show(_as_json(report), _told(report))


def _flow(call: Invocation, replay: str | None) -> tuple[str, str]:
    """The broker, and whose letters are meant; a replay must be there."""
    endpoints = find_endpoints(call.settings)
    return endpoints.kafka, LIVE if replay is None else require_plan(endpoints.database, replay).id


def _listing(tally: Tally, counts: list[dict[str, Any]]) -> str:
    if not counts:
        return "no dead letters"
    lines = [
        f"{row['count']:>8,}  {row['topic']}  {row['reason']}  "
        f"({', '.join(f'{number:,} {state}' for state, number in row['states'].items())})"
        for row in counts
    ]
    return "\n".join([*lines, *map(line, tally.first), *_rest(tally.cases - len(tally.first))])


def _as_json(report: Report) -> dict[str, Any]:
    return {
        "dry_run": report.dry_run,
        "redriven": report.sent,
        "failed_again": report.failed_again,
        "skipped": dict(sorted(report.skipped.items())),
        "letters": [_return_json(item, outcome) for item, outcome in report.first],
    }


def _return_json(item: Return, outcome: str) -> dict[str, Any]:
    return {
        **brief(item.case),
        "to": {"topic": item.topic, "partition": item.partition},
        "attempt": item.attempts,
        "bytes": item.size,
        "for": item.group,
        "outcome": outcome,
    }


def _told(report: Report) -> str:
    verb = "would be sent back" if report.dry_run else "sent back"
    lines = [f"{report.sent:,} {verb}"]
    if report.failed_again:
        lines.append(f"{report.failed_again:,} lines are still unreadable")
    lines += [f"{number:,} left alone: {state}" for state, number in sorted(report.skipped.items())]
    for item, outcome in report.first:
        to = f"{item.topic} {item.partition}, {item.size:,} bytes, attempt {item.attempts}"
        lines.append(f"{place(item.case.letter)} -> {to}, for {item.group or 'all'}: {outcome}")
    return "\n".join([*lines, *_rest(report.sent + report.failed_again - len(report.first))])


def _rest(number: int) -> list[str]:
    return [f"and {number:,} more (--limit)"] if number > 0 else []
