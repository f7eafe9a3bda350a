"""``python -m bench.throughput``: recorded posts to stored moods, scored by the light model and by a constant."""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from statistics import median

import psycopg

from bench.pipeline import MOODTAPE, Pipeline, Spent, Step, fill
from bench.recordings.posts import recorded_posts
from bench.report import RESULTS, Report
from bench.servers import note, servers
from infra.endpoints import Endpoints
from schemas.records import RawPost
from schemas.topics import MENTIONS, POSTS, RAW_POSTS, SENTIMENT

STEPS = (
    Step(("score",), "", ()),
    Step(("stream", "posts"), "moodtape.posts", [RAW_POSTS]),
    Step(("stream", "moods"), "moodtape.moods", [MENTIONS]),
    Step(("sink", "timescale"), "moodtape.sink.timescale", [POSTS, MENTIONS, SENTIMENT]),
)
PROGRAMS = {"light": MOODTAPE, "constant": ("-m", "bench.throughput.constant")}
STORED = "SELECT (SELECT count(*) FROM post), (SELECT count(*) FROM mention), (SELECT count(*) FROM sentiment)"
HEADS = (
    *(
        "scorer",
        "posts",
        "posts/s: median",
        "each round",
        "of the constant",
        "CPU-us a post: median",
        "of the constant",
    ),
    *("scorer", "posts stage", "moods stage", "sink", "rows of post, mention, sentiment"),
)


@dataclass(frozen=True, slots=True)
class Run:
    """One run: CPU-seconds by process, less those of an idle start; seconds, start and all; rows that came of it."""

    scorer: str
    round: int
    posts: int
    cpu_seconds: list[float]
    wall_seconds: float
    rows: tuple[int, ...]

    @property
    def rate(self) -> float:
        """Posts a second, from the start of the processes to the last commit."""
        return self.posts / self.wall_seconds

    @property
    def cost(self) -> float:
        """Microseconds of CPU a post, all processes together."""
        return sum(self.cpu_seconds) / self.posts * 1e6


def main() -> int:
    """Parse the command line, measure, report; exit code 1 if the flows differ in what they store."""
    parser = argparse.ArgumentParser(prog="python -m bench.throughput", description=__doc__)
    parser.add_argument("--recording", default="stocknet_2014")
    parser.add_argument("--posts", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("MOODTAPE_SHARED", "../shared")))
    parser.add_argument("--results", type=Path, default=RESULTS)
    args = parser.parse_args()
    command = f"python -m bench.throughput --posts {args.posts} --rounds {args.rounds}"
    report = Report("throughput", "What the light model costs the flow of posts", command)
    folder = args.shared / "recordings" / args.recording
    if not folder.is_dir():
        parser.error(f"{folder} is not there; set MOODTAPE_SHARED")
    runs: list[Run] = []
    text = ""
    for number in range(1, args.rounds + 1):
        for scorer in ("light", "constant") if number % 2 else ("constant", "light"):
            runs.append(measure(scorer, number, islice(recorded_posts(folder), args.posts)))
            text = report.write(args.results, [asdict(run) for run in runs], [(HEADS, _rows(runs))])
    sys.stdout.write(text + "\n")
    return 0 if all(run.rows == runs[0].rows for run in runs) else 1


def measure(scorer: str, number: int, posts: Iterator[RawPost]) -> Run:
    """One flow in servers of its own."""
    with servers() as (settings, endpoints):
        environment = {"MOODTAPE_SCORER": "light"}
        pipeline = Pipeline(settings, endpoints, STEPS, PROGRAMS[scorer], environment)
        idle = pipeline.idle()
        count = fill(endpoints.kafka, posts, topic=RAW_POSTS)
        spent = pipeline.run()
        run = _run(scorer, number, count, spent, idle, _stored(endpoints))
    note(f"round {number} {scorer}: {run.rate:,.0f} posts/s, {run.cost:.0f} CPU-us a post, rows {run.rows}")
    return run


def _run(scorer: str, number: int, count: int, spent: Spent, idle: Spent, rows: tuple[int, ...]) -> Run:
    net = [round(used, 2) for used in (spent - idle).cpu.values()]
    return Run(scorer, number, count, net, round(spent.wall_seconds, 2), rows)


def _stored(endpoints: Endpoints) -> tuple[int, ...]:
    with psycopg.connect(endpoints.database) as connection:
        found = connection.execute(STORED).fetchone()
    assert found is not None
    return tuple(found)


def _rows(runs: Sequence[Run]) -> list[Sequence[str]]:
    by_name = {name: [run for run in runs if run.scorer == name] for name in PROGRAMS}
    return [_row(name, some, by_name["constant"]) for name, some in by_name.items() if some]


def _row(name: str, some: Sequence[Run], constant: Sequence[Run]) -> Sequence[str]:
    rate, cost = median(run.rate for run in some), median(run.cost for run in some)
    columns = zip(*(run.cpu_seconds for run in some), strict=True)
    return (
        name,
        f"{some[0].posts:,}",
        f"{rate:,.0f}",
        ", ".join(f"{run.rate:,.0f}" for run in some),
        f"{rate / median(run.rate for run in constant):.2f}" if constant else "-",
        f"{cost:.0f}",
        f"{cost / median(run.cost for run in constant):.2f}" if constant else "-",
        *(f"{median(column) / some[0].posts * 1e6:.0f}" for column in columns),
        ", ".join(f"{count:,}" for count in some[0].rows),
    )


if __name__ == "__main__":
    sys.exit(main())
