"""Runs to a table, a JSON file and a plot; every round is reported."""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from .measure import CONTENDERS, Contender, Run

HEADS = (
    *("contender", "records", "CPU-s per million: median", "each round", "x loop with transactions"),
    *("records/s: median", "peak MiB", "idle start, CPU-s", "outputs"),
)
YARDSTICK = "loop-txn"


def net_cost(run: Run, idle: Mapping[str, float]) -> float:
    """CPU-seconds per million records: the whole life less an idle start."""
    return (run.cpu_seconds - idle[run.contender]) / run.records * 1e6


def costs(runs: Sequence[Run], idle: Mapping[str, float]) -> dict[str, list[float]]:
    """For each contender the cost of each correct round."""
    return {
        c.name: [net_cost(run, idle) for run in runs if run.contender == c.name and run.correct] for c in CONTENDERS
    }


def summary(runs: Sequence[Run], idle: Mapping[str, float], command: str, load: Sequence[float]) -> dict[str, Any]:
    """Everything that was measured, as JSON values."""
    return {
        "command": command,
        "machine": {
            "system": platform.platform(),
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            "load_average_before_and_after": [round(value, 2) for value in load],
        },
        "versions": {name: version(name) for name in ("confluent-kafka", "faust-streaming", "aiokafka", "fastavro")},
        "idle_cpu_seconds": idle,
        "cpu_seconds_per_million": costs(runs, idle),
        "runs": [asdict(run) for run in runs],
    }


def markdown(runs: Sequence[Run], idle: Mapping[str, float], data: Mapping[str, Any]) -> str:
    """The table that people read."""
    cost = costs(runs, idle)
    yardstick = median(cost[YARDSTICK]) if cost.get(YARDSTICK) else float("nan")
    lines = [
        "# W1: cost of the engine",
        "",
        f"`{data['command']}` on {data['machine']['cores']} cores, {data['machine']['system']}, "
        f"Python {data['machine']['python']}, load average {data['machine']['load_average_before_and_after']}; "
        + ", ".join(f"{name} {number}" for name, number in data["versions"].items()),
        "",
        f"| {' | '.join(HEADS)} |",
        "|---|---|---|---|---|---|---|---|---|",
        *(_line(c, [r for r in runs if r.contender == c.name], cost[c.name], yardstick, idle) for c in CONTENDERS),
        "",
    ]
    return "\n".join(lines)


def _line(
    contender: Contender, runs: Sequence[Run], cost: Sequence[float], yardstick: float, idle: Mapping[str, float]
) -> str:
    right = [run for run in runs if run.correct]
    outputs = (
        "equal to the oracle's" if len(right) == len(runs) else f"WRONG in {len(runs) - len(right)} of {len(runs)}"
    )
    if not right:
        return f"| {contender.label} | - | - | - | - | - | - | - | {outputs} |"
    cells = (
        contender.label,
        f"{right[0].records:,}",
        f"{median(cost):.1f}",
        ", ".join(f"{value:.1f}" for value in cost),
        f"{median(cost) / yardstick:.2f}",
        f"{median(run.records_per_second for run in right):,.0f}",
        f"{max(run.peak_rss_mib for run in right):.0f}",
        f"{idle[contender.name]:.1f}",
        outputs,
    )
    return "| " + " | ".join(cells) + " |"


def plot(runs: Sequence[Run], idle: Mapping[str, float], path: Path) -> None:
    """A bar for the median of each contender, a dot for each round."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    cost = costs(runs, idle)
    shown = [c for c in reversed(CONTENDERS) if cost[c.name]]
    figure, axes = plt.subplots(figsize=(8.0, 3.2), layout="constrained")
    axes.barh([c.label for c in shown], [median(cost[c.name]) for c in shown], color="#9bb7d4")
    for row, contender in enumerate(shown):
        values = cost[contender.name]
        axes.plot(values, [row] * len(values), "o", color="#24425f", markersize=4)
        axes.annotate(
            f" {median(values):.0f}", (max(values), row), va="center", xytext=(4, 0), textcoords="offset points"
        )
    axes.set_xscale("log")
    axes.set_xlim(left=5.0, right=3.0 * max(max(cost[c.name]) for c in shown))
    axes.set_xlabel("CPU-seconds per million records (log scale); dots are rounds")
    axes.set_title("W1: decode, fold, encode, produce")
    figure.savefig(path, dpi=130)
    plt.close(figure)


def write(folder: Path, runs: Sequence[Run], idle: Mapping[str, float], data: Mapping[str, Any]) -> str:
    """Write ``engine.md``, ``engine.json`` and ``engine.png``; returns the table."""
    folder.mkdir(parents=True, exist_ok=True)
    text = markdown(runs, idle, data)
    (folder / "engine.md").write_text(text)
    (folder / "engine.json").write_text(json.dumps(data, indent=1) + "\n")
    plot(runs, idle, folder / "engine.png")
    return text
