"""``make histories``: many histories over all cores, or one by its seed."""

import argparse
import sys
import time

from .histories import FLOWS, draw
from .running import failing, mix_of, run_many, tell


def main(arguments: list[str]) -> int:
    """Run histories; 1 if one fails, with the smallest history found that fails too."""
    parser = argparse.ArgumentParser(prog="make histories", description=__doc__)
    parser.add_argument("--count", type=int, default=10_000, help="how many; 1 shows the one of that seed")
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--flow", choices=sorted(FLOWS), help="only these; default: all, most of the cheapest")
    parser.add_argument("--jobs", type=int, help="processes; default: one for each core")
    given = parser.parse_args(arguments)
    if given.count == 1:
        return _show(given.flow or "counting", given.seed)
    mix = {given.flow: given.count} if given.flow else mix_of(given.count)
    for flow, count in mix.items():
        print(f"{count} histories of {flow}, seeds {given.seed} to {given.seed + count - 1}", flush=True)
    started = time.monotonic()
    failures = run_many(mix, given.seed, given.jobs)
    for failure in failures:
        print(f"\n{failure.report}")
    print(f"{sum(mix.values())} histories, {len(failures)} failed, {time.monotonic() - started:.0f} s")
    return 1 if failures else 0


def _show(flow: str, seed: int) -> int:
    for failure in failing(flow, [seed]):
        print(failure.report)
        return 1
    print(tell(draw(flow, seed)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
