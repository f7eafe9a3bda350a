"""``moodtape dlq``: look at dead letters."""

import json
from collections import Counter
from typing import Any

import click

from infra.clock import from_rfc3339
from infra.endpoints import find_endpoints
from moodtape.deadletters import Buried, Wanted, brief, count, dead_letters, find, whole
from moodtape.options import Invocation, common
from moodtape.verify.reading import TopicReader


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


@click.group()
def dlq() -> None:
    """Look at dead letters: records that could not be processed, kept byte for byte."""


@dlq.command("list")
@click.option("--topic", help="Only those of one topic, such as raw.quotes.v1.")
@click.option("--reason", help="Only those with one reason, such as undecodable or invalid.")
@click.option("--from", "start", type=Moment(), help="From this event time on (time of failure if undecodable).")
@click.option("--to", "end", type=Moment(), help="Before this event time.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(0), help="How many to name.")
@common
def list_letters(
    call: Invocation, topic: str | None, reason: str | None, start: int | None, end: int | None, limit: int
) -> None:
    """Count dead letters by topic and reason, and name the first of them."""
    with TopicReader(find_endpoints(call.settings).kafka) as reader:
        first, counts = count(dead_letters(reader, Wanted(topic, reason, start, end)), limit)
    totals = [{"topic": t, "reason": r, "count": n} for (t, r), n in sorted(counts.items())]
    call.show({"counts": totals, "letters": [brief(letter) for letter in first]}, _listing(first, counts))


@dlq.command("show")
@click.argument("topic")
@click.argument("partition", type=int)
@click.argument("offset", type=int)
@click.option("--reveal", is_flag=True, help="Show texts and the value's bytes too.")
@common
def show_letter(call: Invocation, topic: str, partition: int, offset: int, reveal: bool) -> None:
    """Show one dead letter by the place of the original, or by its own place in TOPIC.dlq."""
    with TopicReader(find_endpoints(call.settings).kafka) as reader:
        data = whole(find(reader, topic, partition, offset), reveal)
    call.show(data, json.dumps(data, indent=2, ensure_ascii=False))


def _listing(first: list[Buried], counts: Counter[tuple[str, str]]) -> str:
    if not counts:
        return "no dead letters"
    lines = [f"{number:>8,}  {topic}  {reason}" for (topic, reason), number in sorted(counts.items())]
    lines += [f"{' '.join(map(str, letter.origin))}  {letter.reason}  {_why(letter)}" for letter in first]
    rest = sum(counts.values()) - len(first)
    return "\n".join([*lines, *([f"and {rest:,} more (--limit)"] if rest else [])])


def _why(letter: Buried) -> str:
    return letter.letter.message if letter.letter else ""
