"""What a measurement leaves behind: a JSON file with everything, a Markdown file with the table."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .machine import machine, sentence, versions

RESULTS = Path(__file__).resolve().parent / "results"


@dataclass(slots=True)
class Report:
    """One measurement. ``command`` is how it was called, ``packages`` the distributions whose versions matter."""

    name: str
    title: str
    command: str
    packages: Sequence[str] = ("confluent-kafka", "psycopg", "faust-streaming")
    load_before: float = field(default_factory=lambda: os.getloadavg()[0])

    def write(
        self, folder: Path, runs: Sequence[Mapping[str, Any]], tables: Sequence[tuple[Sequence[str], Sequence[Any]]]
    ) -> str:
        """Write ``<name>.json`` and ``<name>.md``; a table is its heads and its rows. Returns the Markdown."""
        load = [round(value, 2) for value in (self.load_before, os.getloadavg()[0])]
        about, numbers = machine(), versions(self.packages)
        data = {"command": self.command, "machine": about, "versions": numbers, "load_average": load, "runs": runs}
        lines = [f"# {self.title}", "", f"`{self.command}` on {sentence(about, numbers)}; load average {load}.", ""]
        for heads, rows in tables:
            lines += [_line(heads), f"|{'---|' * len(heads)}", *map(_line, rows), ""]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{self.name}.json").write_text(json.dumps(data, indent=1) + "\n")
        text = "\n".join(lines)
        (folder / f"{self.name}.md").write_text(text)
        return text


def _line(cells: Sequence[Any]) -> str:
    return f"| {' | '.join(map(str, cells))} |"
