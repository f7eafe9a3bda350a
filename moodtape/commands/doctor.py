"""``moodtape doctor``: settings and checks of this machine."""

import sys
from dataclasses import asdict

import click

from infra.settings import Settings
from moodtape.doctor import Finding, examine
from moodtape.options import Invocation, common


@click.command()
@common
def doctor(call: Invocation) -> None:
    """Print the settings without secrets and check this machine; exit code 1 if something is broken."""
    findings = examine(call.settings)
    broken = any(finding.state == "broken" for finding in findings)
    data = {"settings": _public(call.settings), "checks": [asdict(f) for f in findings], "ok": not broken}
    call.show(data, _text(call.settings, findings))
    if broken:
        sys.exit(1)


def _public(settings: Settings) -> dict[str, object]:
    public = settings.public()
    return {name: public[name] for name in sorted(public)}


def _text(settings: Settings, findings: list[Finding]) -> str:
    lines = [f"{name} = {value}" for name, value in _public(settings).items()]
    lines.append("")
    lines += [f"{finding.state:<7} {finding.name}: {finding.text}" for finding in findings]
    return "\n".join(lines)
