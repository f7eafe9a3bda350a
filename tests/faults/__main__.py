"""``python -m tests.faults``: every case with its seeds, one table. A run that was broken off goes on."""

import argparse
import signal
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from .case import Case, carry_out
from .cases import CASES
from .result import Result, checked_out, load, markdown, save
from .same import finish
from .world import World


def main() -> None:
    """Carry out what the results do not have yet."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--seeds", default=",".join(map(str, SEEDS)), help="numbers, separated by commas")
    parser.add_argument("--cases", default="", help="names or parts of names, separated by commas; none = all")
    parser.add_argument("--out", type=Path, default=Path("bench/results/faults.json"))
    parser.add_argument("--page", type=Path, help="write the table to this file, too")
    parser.add_argument("--short", action="store_true", help="long outages last eight seconds only")
    parser.add_argument("--again", action="store_true", help="carry out what was done before, too")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    words = [word for word in given.cases.split(",") if word]
    chosen = list(dict.fromkeys(case for word in words or [""] for name, case in CASES.items() if word in name))
    for seed in map(int, given.seeds.split(",")):
        done = {(r.case, r.seed) for r in load(given.out)} if not given.again else set()
        left = [case for case in chosen if (case.name, seed) not in done]
        for group in grouped(left):
            rest = group
            while rest:
                rest = session(rest, seed, given.out, short=given.short, again=given.again)
    results = load(given.out)
    print(markdown(results))
    if given.page is not None:
        given.page.write_text(page(results), "utf-8")


SEEDS = (1, 2, 3)
PAGE = """\
# Faults

Written by `make faults-all`. Each case is done to a running pipeline: servers of its own, the real processes under the
real supervisor, and a generator that notes what the broker acknowledged. Whatever is random follows from the seed. A
case that says how long an outage was in other words than its name was run with `--short`. Cases that missed a goal, or
that a change of the engine touches, are carried out again (`--again`): a line tells of its case's last run.

- **lost**: acknowledged facts that are neither in their topic nor in the dead letters, records of a topic that are not
  in its table, mentions that a post names and that are not there; **twice**: any of these more than once, or from
  nowhere.
- **recovery s**: from the fault's end until every group had done all that stood in the logs two seconds later, and
  once more all that stood there then; an undisturbed flow shows some four seconds. **goal s** is the most it should be.
  It is wall time, most of it the start of a process: where other work shares the cores, it is longer.
- **largest lag**: of the group that was furthest behind, in offsets, clocks and markers counted.
- **verdict**: `ok`; `slow` where only the goal of recovery was missed; `LOST`, `TWICE`, `STUCK` (not whole again
  within five minutes), `FAILED` (something else that must hold did not).
- Lines `end of ...`: after the cases before it on one pipeline `moodtape verify` found nothing, and the tables are
  those that an undisturbed pipeline makes of the same log. Cases that were carried out again have a pipeline and such a
  line of their own; a pipeline that had to be left behind and was brought to its end later is a *part*.

{summary}

{table}
"""


def page(results: Sequence[Result]) -> str:
    """The page for people."""
    kept = sum(result.kept for result in results)
    slow = sum(result.verdict == "slow" for result in results)
    done = sum(result.case in CASES for result in results)
    commits = ", ".join(f"`{commit}`" for commit in sorted({result.commit for result in results} - {""}))
    summary = (
        f"{done} of {len(CASES) * len(SEEDS)} pairs of case and seed are here. Of {len(results)} lines {kept} kept "
        f"every promise; {slow} of these missed the goal of recovery. Commit: {commits or 'unknown'}."
    )
    return PAGE.format(summary=summary, table=markdown(results))


def grouped(cases: Iterable[Case]) -> list[list[Case]]:
    """Cases that can share a world."""
    groups: dict[object, list[Case]] = {}
    for case in cases:
        groups.setdefault(case.name if case.alone else case.setting, []).append(case)
    return list(groups.values())


def session(cases: Sequence[Case], seed: int, out: Path, *, short: bool, again: bool) -> list[Case]:
    """Carry cases out on one world until one goes wrong, which is left behind; returns those that are left."""
    folder = Path(tempfile.mkdtemp(prefix="moodtape-faults-"))
    setting = cases[0].setting
    print(f"seed {seed}: {len(cases)} cases, {setting.value}, in {folder}", flush=True)
    with World(folder / "data", seed, setting) as world:
        for number, case in enumerate(cases, 1):
            result = attempt(case, world, seed, short=short)
            note(out, result)
            if not result.kept:
                return list(cases[number:])
        problems = finish(world, alone=cases[0].alone)
    name = f"end of {cases[0].name if cases[0].alone else setting.name.lower().replace('_', ' ')}"
    name += ", carried out again" if again else ""
    done = f"verify, and the tables of an undisturbed run, after {len(cases)} cases"
    note(out, Result(case=name, seed=seed, recovery=0.0, done=done, problem="; ".join(problems)))
    if not problems:
        world.remove()
    return []


def note(out: Path, result: Result) -> None:
    """Say a result and keep it."""
    result = replace(result, commit=checked_out())
    print("  ".join(result.cells()), flush=True)
    save(out, [*(r for r in load(out) if (r.case, r.seed) != (result.case, result.seed)), result])


def attempt(case: Case, world: World, seed: int, *, short: bool) -> Result:
    """Carry a case out; what it expects and does not find is its problem."""
    try:
        return carry_out(case, world, seed, short=short)
    except AssertionError as error:
        return Result(case=case.name, seed=seed, goal=case.goal, problem=str(error).partition("\n")[0])


if __name__ == "__main__":
    main()
