"""``moodtape state``: what a stage remembers."""

import json

import click

from infra.endpoints import find_endpoints
from infra.errors import UserError
from infra.instruments import load_instruments
from infra.topics import require_topics
from streams.engine.inspect import kept_of
from streams.scoring.client import ask_scorer
from streams.topology import STAGES, stage_named

from ..options import Invocation, common


@click.group()
def state() -> None:
    """Look at what the stages of the flow remember."""


@state.command()
@click.argument("stage", type=click.Choice(STAGES))
@click.argument("symbol")
@common
def show(call: Invocation, stage: str, symbol: str) -> None:
    """Print what a STAGE keeps of a SYMBOL, as its last committed snapshot has it, seconds old in a running flow.

    Watermark, offsets, open buckets, keys kept to find duplicates, indicators: by partition, as JSON.
    """
    endpoints = find_endpoints(call.settings)
    require_topics(endpoints.kafka, call.settings)
    built = stage_named(
        stage, call.settings, lambda: load_instruments(endpoints.kafka), lambda: ask_scorer(call.settings)
    )
    found = kept_of(endpoints.kafka, built, symbol)
    if not found:
        raise UserError(f"{stage} keeps nothing of {symbol}; symbols are in Yahoo's notation, such as TSLA or BRK-B")
    shown = {"stage": stage, "symbol": symbol, "partitions": found}
    call.show(shown, json.dumps(shown, indent=2))
