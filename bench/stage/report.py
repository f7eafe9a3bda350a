"""Runs to a table and a JSON file; every round is reported."""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

LABELS = {"before": "before", "ours": "moodtape", "plain": "plain loop"}
WHAT = (
    "CPU microseconds a raw quote: validate, deduplicate, flag, encode; decode again, fold into four intervals, all "
    "indicators, encode; clocks and snapshots. No Kafka."
)
Run = Mapping[str, Any]


def write(folder: Path, runs: Sequence[Run], command: str, load: Sequence[float], snapshot_every: int) -> str:
    """Write ``stage.md`` and ``stage.json``; returns the tables."""
    folder.mkdir(parents=True, exist_ok=True)
    data = {
        "command": command,
        "machine": {
            "system": platform.platform(),
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            "load_average_before_and_after": [round(value, 2) for value in load],
        },
        "versions": {name: version(name) for name in ("fastavro", "msgspec", "numpy")},
        "snapshot_every_records_of_a_partition": snapshot_every,
        "runs": list(runs),
    }
    text = markdown(runs, data)
    (folder / "stage.json").write_text(json.dumps(data, indent=1) + "\n")
    (folder / "stage.md").write_text(text)
    return text


def markdown(runs: Sequence[Run], data: Mapping[str, Any]) -> str:
    """The tables that people read: the contenders, then where the time goes."""
    machine = data["machine"]
    lines = [
        "# Quotes and bars: cost of a record",
        "",
        f"`{data['command']}` on {machine['cores']} cores, {machine['system']}, Python {machine['python']}, "
        f"load average {machine['load_average_before_and_after']}. " + WHAT,
        "",
    ]
    for workload in dict.fromkeys(run["workload"] for run in runs):
        some = [run for run in runs if run["workload"] == workload]
        lines += [*_contenders(workload, some), "", *_parts(some), ""]
    return "\n".join(lines)


def _contenders(workload: str, runs: Sequence[Run]) -> list[str]:
    first = runs[0]
    yardstick = median(run["microseconds"] for run in runs if run["contender"] == "plain")
    lines = [
        f"## {workload}: {first['records']:,} records, {first['quotes']:,} quotes, {first['bars']:,} bars",
        "",
        "| contender | us a record: median | each round | x plain loop | outputs |",
        "|---|---|---|---|---|",
    ]
    for name in dict.fromkeys(
        run["contender"] for run in sorted(runs, key=lambda run: list(LABELS).index(run["contender"]))
    ):
        mine = [run for run in runs if run["contender"] == name]
        right = [run["microseconds"] for run in mine if run["equal"]]
        if not right:
            lines.append(f"| {LABELS[name]} | - | - | - | DIFFERENT |")
            continue
        outputs = "equal" if len(right) == len(mine) else f"DIFFERENT in {len(mine) - len(right)} of {len(mine)}"
        rounds = ", ".join(f"{value:.2f}" for value in right)
        lines.append(
            f"| {LABELS[name]} | {median(right):.2f} | {rounds} | {median(right) / yardstick:.2f} | {outputs} |"
        )
    return lines


def _parts(runs: Sequence[Run]) -> list[str]:
    names = [name for name in ("before", "ours") if any(run["contender"] == name for run in runs)]
    found: dict[tuple[str, str], dict[str, float]] = {}
    for name in names:
        mine = [run for run in runs if run["contender"] == name]
        places = {(section, part) for run in mine for section in run["parts"] for part in run["parts"][section]}
        for section, part in places:
            values = [run["parts"].get(section, {}).get(part, 0.0) for run in mine]
            found.setdefault((section, part), {})[name] = median(values)
    lines = [f"| section | part | {' | '.join(LABELS[name] for name in names)} |", "|---|---|" + "---|" * len(names)]
    order = ("decode", "run", "dump")
    for section, part in sorted(
        found, key=lambda at: (at[0].split()[0] == "bars", order.index(at[0].split()[1]), at[1])
    ):
        values = [found[section, part].get(name, 0.0) for name in names]
        if max(values) >= 0.05:
            lines.append(f"| {section} | {part} | {' | '.join(f'{value:.2f}' for value in values)} |")
    return lines
