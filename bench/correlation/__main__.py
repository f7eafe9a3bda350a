"""``python -m bench.correlation``: size, coverage, lag recovery and cost of the correlations."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from . import trials
from .cost import cost

SEED = 20_261_124


def main(arguments: Sequence[str] | None = None) -> None:
    """Try, print and keep the results."""
    parser = argparse.ArgumentParser(prog="python -m bench.correlation", description=__doc__)
    parser.add_argument("--pairs", type=int, default=10_000, help="pairs of series a line (default 10,000)")
    parser.add_argument("--symbols", type=int, default=5_000, help="symbols of the cost (default 5,000)")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--out", type=Path, default=Path("bench/results/correlation.json"))
    given = parser.parse_args(arguments)
    random = np.random.default_rng(given.seed)
    results = []
    for trial, pairs in (
        (trials.size, given.pairs),
        (trials.size_elsewhere, given.pairs // 2),
        (trials.coverage, given.pairs),
        (trials.size_of_search, given.pairs // 5),
        (trials.lead, given.pairs // 5),
    ):
        for result in trial(random, pairs):
            results.append(result)
            verdict = {True: "met", False: "MISSED", None: ""}[result.met]
            print(
                f"{result.what:32} n {result.n:3}  memory {result.memory:3.1f}  ok {result.ok:6.1%}  "
                f"share {result.share:6.2%}  {result.goal} {verdict}",
                flush=True,
            )
    costs = []
    for row in cost(given.symbols, 2):
        costs.append(row)
        print("  ".join(f"{name} {value}" for name, value in row.items()), flush=True)
    content = {"seed": given.seed, "trials": [result.row() for result in results], "cost": costs}
    given.out.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
