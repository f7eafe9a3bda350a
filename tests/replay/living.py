"""A flow that was live, and commands of moodtape on what it left."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.endpoints import Endpoints
from infra.offsets import read_to_end

COMMAND_SECONDS = 240


@dataclass(frozen=True)
class Live:
    """A recording that was played live, in a data folder whose servers run."""

    data_dir: Path
    endpoints: Endpoints

    def run(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """A command of moodtape on this folder."""
        return subprocess.run(
            [sys.executable, "-m", "moodtape", *words, "--json", "--data-dir", str(self.data_dir)],
            check=False,
            capture_output=True,
            text=True,
            cwd=self.data_dir.parent,
            env={**os.environ, "MOODTAPE_SCORER": "lexicon", **environment},
            timeout=COMMAND_SECONDS,
        )

    def done(self, *words: str, code: int = 0, **environment: str) -> Any:
        """What a command printed, which ended as it shall."""
        process = self.run(*words, **environment)
        assert process.returncode == code, process.stderr[-4000:]
        return json.loads(process.stdout)

    def refused(self, *words: str) -> str:
        """Why a command was refused: one line, no traceback."""
        process = self.run(*words)
        assert (process.returncode, process.stdout) == (2, ""), process.stderr
        (line,) = process.stderr.strip().splitlines()
        return line

    def facts(self, topic: str) -> dict[int, list[bytes]]:
        """Values of the facts of a topic, in the order of the log, by partition."""
        found: dict[int, list[bytes]] = {}
        for message in read_to_end(self.endpoints.kafka, [topic]):
            if message.value() is not None:
                found.setdefault(message.partition(), []).append(message.value())
        return found
