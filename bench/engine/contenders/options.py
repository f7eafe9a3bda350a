"""What every contender is told: one JSON object as its only argument."""

import json
import sys
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Options:
    """One run of ``workload`` w0 or w1. ``name`` is unique; ``data_dir`` is a folder that may be written."""

    bootstrap: str
    name: str
    input: str
    output: str
    data_dir: str
    workload: str
    transactions: bool = False
    variant: str = ""

    @property
    def group(self) -> str:
        """Consumer group of the run."""
        return f"moodtape.{self.name}"

    def text(self) -> str:
        """The argument."""
        return json.dumps(asdict(self))


def read_options() -> Options:
    """The options of this process."""
    return Options(**json.loads(sys.argv[1]))
