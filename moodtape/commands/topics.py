"""``moodtape topics``: create the topics, or show how the broker's differ."""

import sys

import click

from infra.endpoints import find_endpoints
from infra.topics import create_topics, diff_topics
from moodtape.options import Invocation, common


@click.group()
def topics() -> None:
    """Create the topics, or show how the broker's differ."""


@topics.command()
@common
def create(call: Invocation) -> None:
    """Create the topics that are missing; those that are there are left as they are."""
    created = create_topics(find_endpoints(call.settings).kafka, call.settings)
    call.show({"created": created}, "\n".join(f"created {name}" for name in created) or "every topic is there")


@topics.command()
@common
def diff(call: Invocation) -> None:
    """List what is missing or different; exit code 1 when anything is."""
    lines = diff_topics(find_endpoints(call.settings).kafka, call.settings)
    call.show({"differences": lines}, "\n".join(lines) or "every topic is as it shall be")
    sys.exit(1 if lines else 0)
