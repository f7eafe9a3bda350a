"""Runs to a JSON file, a table and a plot; every round is reported."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from bench.machine import machine, sentence, versions

from .extras import alternatives
from .lineup import CONTENDERS, Contender
from .measure import Run

HEADS = (
    *("contender", "records", "CPU-s per million: median", "each round", "x loop with transactions", "x ours"),
    *("records/s: median", "peak MiB", "first output after, s", "idle start, CPU-s", "outputs"),
)
YARDSTICK, OURS = "loop-txn", "ours"
OF_OURS = ("confluent-kafka", "faust-streaming", "aiokafka", "fastavro")
TITLES = {"w0": "W0: decode, encode again", "w1": "W1: decode, validate, fold, encode"}


class DifferentMachine(Exception):
    """Rounds of another machine or other versions cannot stand in one table."""


@dataclass(slots=True)
class Results:
    """All rounds, and how each call that made some of them was made."""

    runs: list[Run]
    calls: list[dict[str, Any]]

    @classmethod
    def load(cls, path: Path) -> "Results":
        """The rounds of earlier calls.

        Raises:
            DifferentMachine: they were not made on this machine with these versions.
        """
        data = json.loads(path.read_text())
        if (data["machine"], data["versions"]) != (machine(), _versions()):
            raise DifferentMachine(f"{path} is of another machine or of other versions: measure without --append")
        return cls([Run(**{k: v for k, v in run.items() if k != "cost"}) for run in data["runs"]], data["calls"])

    def begin(self, command: str) -> None:
        """Note a call that will add rounds."""
        load = round(os.getloadavg()[0], 2)
        self.calls.append({"command": command, "load_average_before_and_after": [load, load]})

    def add(self, run: Run) -> None:
        """Add a run of the present call."""
        self.runs.append(run)
        self.calls[-1]["load_average_before_and_after"][1] = round(os.getloadavg()[0], 2)

    def save(self, path: Path) -> None:
        """Write everything that was measured."""
        data = {
            "machine": machine(),
            "versions": _versions(),
            "calls": self.calls,
            "runs": [{**asdict(run), "cost": round(run.cost, 2)} for run in self.runs],
        }
        path.write_text(json.dumps(data, indent=1) + "\n")

    def of(self, name: str) -> list[Run]:
        """The correct rounds of a contender."""
        return [run for run in self.runs if run.contender == name and run.correct]

    def cost(self, name: str) -> float:
        """Median cost of a contender, NaN without a correct round."""
        return median([run.cost for run in self.of(name)] or [float("nan")])


def _versions() -> dict[str, str]:
    return {**versions(OF_OURS), **alternatives()}


def markdown(results: Results) -> str:
    """The table that people read."""
    lines = [
        f"# {TITLES[results.runs[0].workload]}",
        "",
        sentence(machine(), _versions()),
        "",
        *(f"- `{call['command']}`, load average {call['load_average_before_and_after']}" for call in results.calls),
        "",
        f"| {' | '.join(HEADS)} |",
        f"|{'---|' * len(HEADS)}",
        *(
            _line(contender, results)
            for contender in CONTENDERS
            if any(r.contender == contender.name for r in results.runs)
        ),
        "",
    ]
    return "\n".join(lines)


def _line(contender: Contender, results: Results) -> str:
    total = sum(run.contender == contender.name for run in results.runs)
    right = results.of(contender.name)
    outputs = "equal to the oracle's" if len(right) == total else f"WRONG in {total - len(right)} of {total}"
    if not right:
        return f"| {contender.label} |{' - |' * (len(HEADS) - 2)} {outputs} |"
    cost = results.cost(contender.name)
    cells = (
        contender.label,
        f"{right[0].records:,}",
        f"{cost:.1f}",
        ", ".join(f"{run.cost:.1f}" for run in right),
        f"{cost / results.cost(YARDSTICK):.2f}",
        f"{cost / results.cost(OURS):.2f}",
        f"{median(run.records_per_second for run in right):,.0f}",
        f"{max(run.peak_rss_mib for run in right):.0f}",
        f"{median(run.start_seconds for run in right):.1f}",
        f"{median(run.idle_cpu_seconds for run in right):.1f}",
        outputs,
    )
    return "| " + " | ".join(cells) + " |"


def plot(results: Results, path: Path) -> None:
    """A bar for the median of each contender, a dot for each round."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    shown = [contender for contender in reversed(CONTENDERS) if results.of(contender.name)]
    medians = [results.cost(contender.name) for contender in shown]
    figure, axes = plt.subplots(figsize=(8.0, 1.0 + 0.45 * len(shown)), layout="constrained")
    axes.barh([contender.label for contender in shown], medians, color="#9bb7d4")
    for row, contender in enumerate(shown):
        values = [run.cost for run in results.of(contender.name)]
        axes.plot(values, [row] * len(values), "o", color="#24425f", markersize=4)
        axes.annotate(
            f" {medians[row]:.0f}", (max(values), row), va="center", xytext=(4, 0), textcoords="offset points"
        )
    axes.set_xscale("log")
    axes.set_xlim(left=5.0, right=3.0 * max(medians))
    axes.set_xlabel("CPU-seconds per million records (log scale); dots are rounds")
    axes.set_title(TITLES[results.runs[0].workload])
    figure.savefig(path, dpi=130)
    plt.close(figure)
