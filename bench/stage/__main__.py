"""``python -m bench.stage``: both stages and the plain loop in turn, outputs compared, the table written."""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import msgspec

from .report import write
from .run import Job

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "bench" / "results"
SNAPSHOT_SECONDS = 5.0
PARTITIONS = 12


def main() -> int:
    """Parse the command line, measure, report; exit code 1 if any outputs differ."""
    parser = argparse.ArgumentParser(prog="python -m bench.stage", description=__doc__)
    parser.add_argument("--records", type=int, default=200_000, help="facts of each workload, at most")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rate", type=int, default=20_000, help="records a second assumed between two snapshots")
    parser.add_argument("--workloads", default="w1,sparse", help="w1, sparse or folders of recordings, by commas")
    parser.add_argument("--beside", type=Path, help="another checkout of the project, measured in the same rounds")
    parser.add_argument("--results", type=Path, default=RESULTS)
    args = parser.parse_args()
    contenders = {"before": args.beside, "ours": ROOT, "plain": ROOT}
    if args.beside is None:
        del contenders["before"]
    every = round(args.rate * SNAPSHOT_SECONDS / PARTITIONS)
    load = os.getloadavg()[0]
    runs = []
    with tempfile.TemporaryDirectory(prefix="moodtape-bench-") as folder:
        for workload in args.workloads.split(","):
            for number in range(args.rounds):
                some = [
                    run(name, root, workload, args.records, every, Path(folder) / f"{name}.outputs")
                    for name, root in turned(contenders, number)
                ]
                check([Path(folder) / f"{name}.outputs" for name in contenders], some)
                runs.extend({**each, "round": number} for each in some)
    names = ",".join(Path(name).name for name in args.workloads.split(","))
    command = f"python -m bench.stage --workloads {names} --records {args.records} --rounds {args.rounds}"
    sys.stdout.write(write(args.results, runs, command, (load, os.getloadavg()[0]), every) + "\n")
    return 0 if all(each["equal"] for each in runs) else 1


def turned(contenders: dict[str, Path], number: int) -> list[tuple[str, Path]]:
    """The contenders, each round begun by another."""
    items = list(contenders.items())
    return items[number % len(items) :] + items[: number % len(items)]


def run(name: str, root: Path, workload: str, records: int, every: int, outputs: Path) -> dict[str, Any]:
    """One process; its report."""
    job = Job("plain" if name == "plain" else "ours", workload, records, every, str(outputs))
    command = [sys.executable, "-m", "bench.stage.run", job.text()]
    done = subprocess.run(command, cwd=root, stdout=subprocess.PIPE, check=True, text=True)
    report = json.loads(done.stdout)
    sys.stderr.write(f"{Path(workload).name} {name}: {report['microseconds']:.2f} us a record\n")
    return {"contender": name, "workload": Path(workload).name, **report}


def check(files: list[Path], some: list[dict[str, Any]]) -> None:
    """Note in each run of a round whether all outputs were equal, indicators to 1e-9."""
    outputs = [msgspec.msgpack.decode(file.read_bytes()) for file in files]
    equal = all(same(outputs[0], each) for each in outputs[1:])
    for each in some:
        each["equal"] = equal


def same(one: Any, other: Any) -> bool:
    """Equal, numbers to 1e-9 of their size or absolutely."""
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(same(a, b) for a, b in zip(one, other, strict=True))
    return bool(one == other)


if __name__ == "__main__":
    sys.exit(main())
