"""``python -m tests.faults.soak``: random faults for as long as asked; in the end zeros, and flat memory and files."""

import argparse
import json
import math
import signal
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from .case import Case, carry_out
from .cases import CASES
from .result import Result, markdown, save
from .same import finish
from .world import Load, Setting, World

EVERY_SECONDS = 120.0
# A worker at a fifth of what this machine's kind carries: some 60 facts a second, each through all stages.
LOAD = Load(symbols=5, speed=180.0)
SAMPLE_SECONDS = 10.0
# A process that was started again begins small: what it gains in its first minutes is no leak.
WARM_SECONDS = 180.0
# Over less than this, all lives together, a slope says nothing of an hour.
LEAST_MINUTES = 10.0
MOST_MEGABYTES_AN_HOUR, MOST_FILES_AN_HOUR = 60.0, 20.0


@dataclass(slots=True)
class Growth:
    """Memory and open files of each process over its life: (seconds, megabytes, files) by (name, pid)."""

    seen: dict[tuple[str, int], list[tuple[float, int, int]]] = field(default_factory=lambda: defaultdict(list))

    def sample(self, world: World) -> None:
        """Look at all processes."""
        pids, now = world.pids(), time.monotonic()
        for name, (megabytes, files) in world.memory().items():
            if name in pids:
                self.seen[name, pids[name]].append((now, megabytes, files))

    def save(self, file: Path) -> None:
        """Write all samples: a list of lives with seconds, megabytes and files."""
        lives = [{"name": name, "pid": pid, "samples": samples} for (name, pid), samples in self.seen.items()]
        file.write_text(json.dumps(lives), "utf-8")

    def table(self) -> list[tuple[str, int, float, float, float]]:
        """For each name the most megabytes, what its warm lives gained an hour (megabytes, files), their minutes."""
        rows = []
        for name in sorted({name for name, _ in self.seen}):
            lives = [samples for (each, _), samples in self.seen.items() if each == name]
            most = max(sample[1] for samples in lives for sample in samples)
            warm = [[sample for sample in life if sample[0] - life[0][0] >= WARM_SECONDS] for life in lives]
            seconds = sum(life[-1][0] - life[0][0] for life in warm if life)
            rows.append((name, most, slope(warm, 1), slope(warm, 2), seconds / 60))
        return rows

    def markdown(self) -> str:
        """The table for people."""
        heads = ("process", "most MB", "MB an hour", "files an hour", "warm minutes")
        cells = [(name, str(most), *(f"{value:.1f}" for value in values)) for name, most, *values in self.table()]
        return "\n".join("| " + " | ".join(row) + " |" for row in (heads, ["---"] * len(heads), *cells))

    def complaints(self) -> list[str]:
        """Processes that grow, or a run too short to tell."""
        judged = [row for row in self.table() if row[-1] >= LEAST_MINUTES]
        if not judged:
            return [f"growth was not judged: no process had {LEAST_MINUTES:g} warm minutes"]
        return [
            f"{name} gains {megabytes:.0f} MB and {files:.0f} files an hour"
            for name, _, megabytes, files, _ in judged
            if megabytes > MOST_MEGABYTES_AN_HOUR or files > MOST_FILES_AN_HOUR
        ]


def slope(lives: Iterable[Sequence[tuple[float, int, int]]], column: int) -> float:
    """Least-squares growth of a column an hour, one for all lives, each of which starts at a level of its own."""
    spread = common = 0.0
    for life in lives:
        x = sum(sample[0] for sample in life) / max(len(life), 1)
        y = sum(sample[column] for sample in life) / max(len(life), 1)
        spread += sum((sample[0] - x) ** 2 for sample in life)
        common += sum((sample[0] - x) * (sample[column] - y) for sample in life)
    return 3600 * common / spread if spread else 0.0


def candidates() -> list[Case]:
    """Cases that leave the log's truth as it is and are over within a minute and a half."""
    long = ("120 s", "90 s", "five minutes", "written again", "every 5 s", "burst", "rolling")
    return [
        case
        for name, case in CASES.items()
        if case.setting is Setting.PROXIED and not case.alone and not any(word in name for word in long)
    ]


def soak(minutes: float, seed: int, out: Path, page: Path | None, samples: Path | None = None) -> bool:
    """Run it; whether all is well in the end."""
    random, growth, results = Random(seed), Growth(), []
    folder = Path(tempfile.mkdtemp(prefix="moodtape-soak-"))
    print(f"seed {seed}, {minutes:g} minutes, in {folder}", flush=True)
    deadline = time.monotonic() + minutes * 60
    with World(folder / "data", seed, load=LOAD) as world:
        while time.monotonic() < deadline:
            due = time.monotonic() + EVERY_SECONDS
            result = carry_out(random.choice(candidates()), world, seed)
            results.append(result)
            print("  ".join(result.cells()), flush=True)
            if not result.kept:
                break
            while time.monotonic() < min(due, deadline):
                growth.sample(world)
                time.sleep(SAMPLE_SECONDS)
        facts, grown = world.ledger.facts.total(), growth.markdown()
        print(grown, flush=True)
        problems = [*_finished(world), *growth.complaints()]
    results.append(_total(results, seed, f"{facts:,} facts, {len(results)} faults in {minutes:g} minutes", problems))
    save(out, results)
    if samples is not None:
        growth.save(samples)
    print(markdown(results))
    if page is not None:
        text = f"{grown}\n\n{markdown(results)}"
        page.write_text(_page(minutes, seed, text), "utf-8")
    well = all(result.kept for result in results)
    if well:
        world.remove()
    return well


def _total(results: Sequence[Result], seed: int, done: str, problems: Sequence[str]) -> Result:
    """The soak's own line, with the recovery that came nearest to its goal, or went farthest beyond, or never came."""
    worst = max(results, key=lambda result: math.inf if result.recovery is None else result.recovery - result.goal)
    return Result(
        case="soak",
        seed=seed,
        lost=sum(result.lost for result in results),
        twice=sum(result.twice for result in results),
        recovery=worst.recovery,
        goal=worst.goal,
        done=done,
        problem="; ".join(problems),
    )


def _page(minutes: float, seed: int, text: str) -> str:
    limits = {"megabytes": MOST_MEGABYTES_AN_HOUR, "files": MOST_FILES_AN_HOUR, "least": LEAST_MINUTES}
    return PAGE.format(minutes=minutes, seed=seed, speed=LOAD.speed, text=text, **limits)


def _finished(world: World) -> list[str]:
    """What is not as it must be in the end; what was not to be found out is a problem, too."""
    try:
        return finish(world)
    except AssertionError as error:
        return [str(error).partition("\n")[0]]


PAGE = """\
# A soak

Written by `make soak MINUTES={minutes:g} SEED={seed}`: one pipeline at a fifth of the load that it carries, and every
two minutes a fault by chance. In the end `moodtape verify` must find nothing, and the tables must be those that an
undisturbed pipeline makes of the same log. `docs/faults.md` says what the columns of the faults mean.

Growth is the slope within the lives of a process (its first three minutes left out), one for all its lives; over fewer
than {least:g} warm minutes it is not judged. More than {megabytes:g} MB or {files:g} files an hour are a failure. Event
time runs {speed:g} times as fast as the clock, and what is remembered for long has not filled by the end:
`stream-posts` knows every post of 30 days, which here takes hours and some 250 bytes a post.

{text}
"""


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--out", type=Path, default=Path("bench/results/soak.json"))
    parser.add_argument("--page", type=Path, help="write the tables to this file, too")
    parser.add_argument("--samples", type=Path, help="write every sample of memory and files to this file")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(0 if soak(given.minutes, given.seed, given.out, given.page, given.samples) else 1)


if __name__ == "__main__":
    main()
