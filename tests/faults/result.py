"""One line of the table, and the table."""

import json
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

HEADS = ("case", "seed", "lost", "twice", "recovery s", "goal s", "largest lag", "verdict", "what was done")


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a case came to.

    Attributes:
        recovery: seconds from the fault's end until the flow was whole again, see ``lag.py``; None = it never was.
        goal: most seconds that this may take.
        lag: the largest lag of one group, in offsets.
        done: what was done, to whom and when, as the seed said.
        problem: what went wrong, empty if nothing did.
        commit: what was checked out, with a plus if something was changed since; empty where nobody knows.
    """

    case: str
    seed: int
    lost: int = 0
    twice: int = 0
    recovery: float | None = None
    goal: float = 10.0
    lag: int = 0
    done: str = ""
    problem: str = ""
    commit: str = ""

    @property
    def kept(self) -> bool:
        """Whether the promises were kept: nothing lost, nothing twice, nobody's hand needed."""
        return not self.lost and not self.twice and self.recovery is not None and not self.problem

    @property
    def verdict(self) -> str:
        """``ok``; ``slow`` when only the goal of recovery was missed; else what failed."""
        if self.lost or self.twice:
            return "LOST" if self.lost else "TWICE"
        if self.problem or self.recovery is None:
            return "FAILED" if self.problem else "STUCK"
        return "ok" if self.recovery <= self.goal else "slow"

    def cells(self) -> tuple[str, ...]:
        """The line's cells."""
        recovery = "-" if self.recovery is None else f"{self.recovery:.1f}"
        numbers = (str(self.lost), str(self.twice), recovery, f"{self.goal:g}", f"{self.lag:,}")
        return (self.case, str(self.seed), *numbers, self.verdict, self.problem or self.done)


def markdown(results: Sequence[Result]) -> str:
    """The table for people."""
    rows = [HEADS, tuple("---" for _ in HEADS), *(result.cells() for result in results)]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "/").replace("\n", " ") for cell in row) + " |" for row in rows
    )


def checked_out() -> str:
    """The commit that this code is of, with a plus if something was changed since; empty where there is no git."""
    git = ("git", "-C", str(Path(__file__).parent))
    try:
        name, changed = (
            subprocess.run([*git, *words], capture_output=True, text=True, check=True).stdout.strip()
            for words in (("rev-parse", "--short", "HEAD"), ("status", "--porcelain", "--untracked-files=no"))
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return f"{name}+" if changed else name


def save(path: Path, results: Sequence[Result]) -> None:
    """Write results as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [{**asdict(result), "verdict": result.verdict} for result in results]
    path.write_text(json.dumps(rows, indent=1) + "\n", "utf-8")


def load(path: Path) -> list[Result]:
    """Read what :func:`save` wrote; nothing where there is no file."""
    if not path.exists():
        return []
    rows = json.loads(path.read_text("utf-8"))
    return [Result(**{k: v for k, v in row.items() if k != "verdict"}) for row in rows]
