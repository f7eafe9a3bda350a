"""``python -m tests.faults``: every case with its seeds, one table. A run that was broken off goes on."""

import argparse
import signal
import sys
import tempfile
from pathlib import Path

from .case import Case, carry_out
from .cases import CASES
from .result import Result, load, markdown, save
from .world import World


def main() -> None:
    """Carry out what the results do not have yet."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--seeds", default="1,2,3", help="numbers, separated by commas")
    parser.add_argument("--cases", default="", help="names or parts of names, separated by commas; none = all")
    parser.add_argument("--out", type=Path, default=Path("bench/results/faults.json"))
    parser.add_argument("--short", action="store_true", help="long outages last eight seconds only")
    parser.add_argument("--again", action="store_true", help="carry out what was done before, too")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    words = [word for word in given.cases.split(",") if word]
    chosen = [case for name, case in CASES.items() if not words or any(word in name for word in words)]
    for seed in map(int, given.seeds.split(",")):
        done = {(r.case, r.seed) for r in load(given.out)} if not given.again else set()
        left = [case for case in chosen if (case.name, seed) not in done]
        if left:
            session(left, seed, given.out, short=given.short)
    print(markdown(load(given.out)))


def session(cases: list[Case], seed: int, out: Path, *, short: bool) -> None:
    """Carry cases out on one world, which is left behind when something went wrong."""
    folder = Path(tempfile.mkdtemp(prefix="moodtape-faults-"))
    print(f"seed {seed}: {len(cases)} cases in {folder}", flush=True)
    clean = True
    with World(folder / "data", seed) as world:
        for case in cases:
            try:
                result = carry_out(case, world, seed, short=short)
            except AssertionError as error:
                result = Result(case=case.name, seed=seed, goal=case.goal, problem=str(error))
            print("  ".join(result.cells()), flush=True)
            save(out, [r for r in load(out) if (r.case, r.seed) != (result.case, seed)] + [result])
            clean &= result.kept
            if not result.kept:
                break
    if clean:
        world.remove()
        folder.rmdir()


if __name__ == "__main__":
    main()
