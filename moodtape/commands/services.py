"""``moodtape up``, ``down``, ``status``: the embedded servers of a data folder."""

from typing import Any

import click

from infra.services import services_status, start_services, stop_services
from moodtape.options import Invocation, common


@click.command()
@common
def up(call: Invocation) -> None:
    """Start the embedded Kafka, PostgreSQL and Valkey, and wait until they answer."""
    start_services(call.settings, call.note)
    state = services_status(call.settings)
    call.show(state, _text(state))


@click.command()
@common
def down(call: Invocation) -> None:
    """Stop the embedded servers; their data stay."""
    stopped = stop_services(call.settings, call.note)
    call.show({"stopped": stopped}, f"stopped: {', '.join(stopped) or 'nothing was running'}")


@click.command()
@common
def status(call: Invocation) -> None:
    """Show servers and processes, with the addresses (and passwords) to reach them."""
    state = services_status(call.settings)
    call.show(state, _text(state))


def _text(state: dict[str, Any]) -> str:
    lines = [f"data      {state['data_dir']}"]
    for name, address in (("kafka", "bootstrap"), ("database", "url"), ("redis", "url"), ("api", "url")):
        part = state[name]
        lines.append(f"{name:<9} {'running' if part['running'] else 'stopped'}  {part[address] or ''}".rstrip())
    lines += [_process_line(process) for process in state["processes"]]
    return "\n".join(lines)


def _process_line(process: dict[str, Any]) -> str:
    state = f"pid {process['pid']}" if process["running"] else "not running"
    return f"  {process['name']:<24} {state}, {process['restarts']} restarts"
