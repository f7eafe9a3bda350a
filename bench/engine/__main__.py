"""``python -m bench.engine``: start servers in a fresh folder, run every contender in turn, write the results."""

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path
from statistics import median

from infra.services import start_services, stop_services
from infra.settings import Settings
from schemas.topics import dead_letter_topic, state_topic

from .broker import Broker
from .contenders.options import Options
from .measure import CONTENDERS, Contender, Run, measure, measure_idle
from .report import summary, write
from .workload import Oracle, oracle, records

RESULTS = Path(__file__).resolve().parents[1] / "results"


def main() -> int:
    """Parse the command line, measure, report; exit code 1 if any output was wrong."""
    parser = argparse.ArgumentParser(prog="python -m bench.engine", description=__doc__)
    parser.add_argument("--records", type=int, default=300_000, help="records of W1; stock Faust gets a fifth")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", help="names of contenders, separated by commas")
    parser.add_argument("--results", type=Path, default=RESULTS)
    args = parser.parse_args()
    chosen = [c for c in CONTENDERS if args.only is None or c.name in args.only.split(",")]
    folder = Path(tempfile.mkdtemp(prefix="moodtape-bench-"))
    settings = Settings(data_dir=folder)
    before = os.getloadavg()[0]
    try:
        broker = Broker(start_services(settings, note).kafka)
        runs, idle = Bench(broker, folder, args.records, chosen).all_rounds(args.rounds)
    finally:
        stop_services(settings)
        shutil.rmtree(folder, ignore_errors=True)
    command = f"python -m bench.engine --records {args.records} --rounds {args.rounds}"
    data = summary(runs, idle, command, (before, os.getloadavg()[0]))
    sys.stdout.write(write(args.results, runs, idle, data) + "\n")
    return 0 if all(run.correct for run in runs) else 1


class Bench:
    """The rounds over one broker."""

    def __init__(self, broker: Broker, folder: Path, count: int, contenders: list[Contender]) -> None:
        self._broker, self._folder, self._contenders = broker, folder, contenders
        self._inputs: dict[int, tuple[str, Oracle]] = {}
        for contender in contenders:
            self._prepare(int(count * contender.share))
        self._counts = {c.name: int(count * c.share) for c in contenders}

    def _prepare(self, count: int) -> None:
        if count in self._inputs:
            return
        topic = f"w1.in.{count}"
        note(f"input of {count:,} records")
        self._broker.create(topic, dead_letter_topic(topic))
        self._broker.fill(topic, records(count))
        self._inputs[count] = (topic, oracle(count))

    def all_rounds(self, rounds: int) -> tuple[list[Run], dict[str, float]]:
        """Every contender in every round; each round begins with another one."""
        runs: list[Run] = []
        idle: dict[str, list[float]] = {contender.name: [] for contender in self._contenders}
        for number in range(rounds):
            turn = self._contenders[number % len(self._contenders) :]
            turn += self._contenders[: number % len(self._contenders)]
            runs.extend(self._one(contender, number, idle) for contender in turn)
        return runs, {name: median(values) for name, values in idle.items()}

    def _one(self, contender: Contender, number: int, idle: dict[str, list[float]]) -> Run:
        topic, expected = self._inputs[self._counts[contender.name]]
        name = f"w1-{contender.name}-{number}"
        output, state = f"w1.out.{name}", state_topic(name)
        self._broker.create(output, state)
        options = Options(self._broker.bootstrap, name, topic, output, str(self._folder), contender.transactions)
        log = self._folder / f"{name}.log"
        run = measure(self._broker, contender, options, number, expected, log)
        idle[contender.name].append(measure_idle(contender, options, log))
        self._broker.delete(output, state)
        note(
            f"round {number + 1} {contender.name}: {run.cpu_seconds:.1f} CPU-s of which idle start "
            f"{idle[contender.name][-1]:.1f}, {run.records_per_second:,.0f}/s, "
            + ("outputs right" if run.correct else "OUTPUTS WRONG")
        )
        return run


def note(text: str) -> None:
    """Tell about progress."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
