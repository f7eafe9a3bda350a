"""``python -m bench.engine``: start servers in a fresh folder, run every contender in turn, write the results."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from bench.servers import note, servers
from schemas.topics import dead_letter_topic, state_topic

from .broker import Broker
from .contenders.options import Options
from .lineup import CONTENDERS, Contender
from .measure import Run, measure
from .report import DifferentMachine, Results, markdown, plot
from .workload import Oracle, oracle, records

RESULTS = Path(__file__).resolve().parents[1] / "results"


def main() -> int:
    """Parse the command line, measure, report; exit code 1 if any output was wrong, 2 for a wrong call."""
    parser = argparse.ArgumentParser(prog="python -m bench.engine", description=__doc__)
    parser.add_argument("--workload", choices=("w0", "w1"), default="w1")
    parser.add_argument("--records", type=int, default=300_000, help="records; slow contenders get a share of them")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", help="names of contenders, separated by commas: " + ", ".join(_names()))
    parser.add_argument("--append", action="store_true", help="add the rounds to those in the results already")
    parser.add_argument("--results", type=Path, default=RESULTS)
    args = parser.parse_args()
    wanted = args.only.split(",") if args.only else _names()
    if set(wanted) - set(_names()) or args.records < 1000 or args.rounds < 1:
        parser.error("--only, --records (at least 1000) or --rounds is wrong")
    path = args.results / f"engine-{args.workload}.json"
    results = Results.load(path) if args.append and path.exists() else Results([], [])
    chosen = [contender for contender in CONTENDERS if contender.name in wanted]
    command = f"python -m bench.engine --workload {args.workload} --records {args.records} --rounds {args.rounds}"
    results.begin(command + (" --append" if args.append else "") + (f" --only {args.only}" if args.only else ""))
    args.results.mkdir(parents=True, exist_ok=True)
    correct = True
    with servers() as (settings, endpoints):
        bench = Bench(Broker(endpoints.kafka), settings.data_dir, args.workload, args.records, chosen)
        for run in bench.all_rounds(args.rounds, 1 + max((run.round for run in results.runs), default=0)):
            correct &= run.correct
            results.add(run)
            results.save(path)  # each at once: a measurement takes minutes and may be ended
            path.with_suffix(".md").write_text(markdown(results))
    plot(results, path.with_suffix(".png"))
    sys.stdout.write(markdown(results) + "\n")
    return 0 if correct else 1


def _names() -> list[str]:
    return [contender.name for contender in CONTENDERS]


class Bench:
    """The rounds over one broker."""

    def __init__(self, broker: Broker, folder: Path, workload: str, count: int, contenders: list[Contender]) -> None:
        self._broker, self._folder, self._workload, self._contenders = broker, folder, workload, contenders
        self._inputs: dict[int, tuple[str, Oracle]] = {}
        self._counts = {contender.name: int(count * contender.share) for contender in contenders}
        for number in sorted(set(self._counts.values())):
            topic = f"bench.in.{number}"
            note(f"input of {number:,} records")
            broker.create(topic, dead_letter_topic(topic))
            broker.fill(topic, records(number))
            self._inputs[number] = (topic, oracle(workload, number))

    def all_rounds(self, rounds: int, first: int) -> Iterator[Run]:
        """Every contender in every round; each round begins with another one."""
        for number in range(first, first + rounds):
            start = number % len(self._contenders)
            for contender in self._contenders[start:] + self._contenders[:start]:
                yield self._one(contender, number)

    def _one(self, contender: Contender, number: int) -> Run:
        topic, expected = self._inputs[self._counts[contender.name]]
        name = f"{self._workload}-{contender.name}-{number}"
        output, state = f"bench.out.{name}", state_topic(name)
        self._broker.create(output, state)
        options = Options(
            bootstrap=self._broker.bootstrap,
            name=name,
            input=topic,
            output=output,
            data_dir=str(self._folder),
            workload=self._workload,
            transactions=contender.transactions,
            variant=contender.variant,
        )
        run = measure(self._broker, contender, options, number, expected, self._folder / f"{name}.log")
        self._broker.delete(output, state)
        note(
            f"round {number} {contender.name}: {run.cost:.1f} CPU-s per million, idle start "
            f"{run.idle_cpu_seconds:.1f}, {run.records_per_second:,}/s, "
            + ("outputs right" if run.correct else "OUTPUTS WRONG")
        )
        return run


if __name__ == "__main__":
    try:
        sys.exit(main())
    except DifferentMachine as error:
        note(str(error))
        sys.exit(2)
