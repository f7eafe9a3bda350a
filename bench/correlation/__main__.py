"""``python -m bench.correlation``: size, coverage and lag recovery of correlations, worth of forecasts, cost."""

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from bench.machine import machine

from . import trials
from .cost import cost
from .forecasts import forecasts

SEED = 20_261_124
PARTS = ("trials", "behind", "forecasts", "cost")


def main(arguments: Sequence[str] | None = None) -> None:
    """Try, print and keep the results of each part."""
    parser = argparse.ArgumentParser(prog="python -m bench.correlation", description=__doc__)
    parser.add_argument("--part", choices=PARTS, action="append", help="only this one (default: all)")
    parser.add_argument("--pairs", type=int, default=10_000, help="pairs of series a line (default 10,000)")
    parser.add_argument("--symbols", type=int, nargs="+", default=[500, 5_000], help="symbols of the cost")
    parser.add_argument("--bars", type=int, nargs="+", default=[60, 390], help="bars before those of the cost")
    parser.add_argument("--buckets", type=int, default=2, help="closed bars a symbol of the cost (default 2)")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--out", type=Path, default=Path("bench/results"))
    given = parser.parse_args(arguments)
    for part in given.part or PARTS:
        rows = []
        for row in _rows(part, given):
            rows.append(row)
            print("  ".join(f"{name} {value}" for name, value in row.items()), flush=True)
        content = {"seed": given.seed, "machine": machine(), "rows": rows}
        (given.out / f"correlation-{part}.json").write_text(json.dumps(content, indent=1) + "\n")


def _rows(part: str, given: argparse.Namespace) -> Iterator[dict[str, object]]:
    random = np.random.default_rng(given.seed)
    if part == "cost":
        for symbols in given.symbols:
            yield from cost(symbols, given.buckets, given.bars)
    elif part == "behind":
        yield from (result.row() for result in trials.behind_coverage(random, given.pairs // 2))
    elif part == "forecasts":
        yield from forecasts(random, given.pairs // 25)
    else:
        yield from _trials(random, given.pairs)


def _trials(random: np.random.Generator, pairs: int) -> Iterator[dict[str, object]]:
    for trial, count in (
        (trials.size, pairs),
        (trials.size_elsewhere, pairs // 2),
        (trials.coverage, pairs),
        (trials.size_of_search, pairs // 5),
        (trials.lead, pairs // 5),
    ):
        for result in trial(random, count):
            yield result.row()


if __name__ == "__main__":
    main()
