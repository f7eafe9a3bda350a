"""``python -m bench.mentions --before DIR``: which mentions of the recordings another checkout sees otherwise.

``--before-confidence`` and ``--confidence`` compare two settings instead, of this checkout. ``--show N`` prints N of
the posts whose mentions differ, over all recordings, reposts once, for reading.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.matching.posts import recorded
from bench.recordings.posts import RECORDINGS, SHARED

HERE = Path(__file__).resolve().parents[2]
Mentions = dict[str, str]


@dataclass(slots=True)
class Change:
    """Of one recording: mentions on either side, and those that came, went, or are seen by another rule."""

    posts: int = 0
    before: int = 0
    after: int = 0
    posts_changed: int = 0
    came: Counter[str] = field(default_factory=Counter)
    went: Counter[str] = field(default_factory=Counter)
    other_rule: Counter[str] = field(default_factory=Counter)
    shown: list[str] = field(default_factory=list)

    def add(self, text: str, before: Mentions, after: Mentions) -> None:
        """Count one post."""
        self.posts += 1
        self.before += len(before)
        self.after += len(after)
        came, went = after.keys() - before.keys(), before.keys() - after.keys()
        self.came.update(after[symbol] for symbol in came)
        self.went.update(before[symbol] for symbol in went)
        both = before.keys() & after.keys()
        self.other_rule.update(f"{before[s]} -> {after[s]}" for s in both if before[s] != after[s])
        if came or went:
            self.posts_changed += 1
            added = [f"+{symbol} ({after[symbol]})" for symbol in sorted(came)]
            gone = [f"-{symbol} ({before[symbol]})" for symbol in sorted(went)]
            self.shown.append(f"{' '.join(added + gone)} | {text!r}")

    def told(self) -> dict[str, object]:
        """In numbers."""
        names = ("posts", "before", "after", "posts_changed")
        counters = ("came", "went", "other_rule")
        return {n: getattr(self, n) for n in names} | {n: dict(getattr(self, n).most_common()) for n in counters}


def main(arguments: Sequence[str] | None = None) -> None:
    """Compare, print and keep the result."""
    parser = argparse.ArgumentParser(prog="python -m bench.mentions", description=__doc__)
    parser.add_argument("--before", type=Path, default=HERE, metavar="DIR", help="the other checkout")
    parser.add_argument("--before-confidence", metavar="C", help="setting on the side before")
    parser.add_argument("--confidence", metavar="C", help="setting on the side after")
    parser.add_argument("--show", type=int, default=0, metavar="N", help="print N posts whose mentions differ")
    parser.add_argument("--out", type=Path, default=Path("bench/results/mentions.json"))
    given = parser.parse_args(arguments)
    if not (SHARED / "recordings").exists():
        parser.error(f"{SHARED / 'recordings'} is not there; set MOODTAPE_SHARED")
    changes = {}
    for name in RECORDINGS:
        folder = SHARED / "recordings" / name
        sides = (mentions(given.before, folder, given.before_confidence), mentions(HERE, folder, given.confidence))
        changes[name] = Change()
        for text, before, after in zip(recorded(folder), *sides, strict=True):
            changes[name].add(text, before, after)
    seen = {line[-60:]: f"{name} {line}" for name, change in changes.items() for line in change.shown}
    everything = list(seen.values())
    for line in random.Random(7).sample(everything, min(given.show, len(everything))):
        print(line)
    result = {name: change.told() for name, change in changes.items()}
    print(json.dumps(result, indent=1))
    given.out.write_text(json.dumps(result, indent=1) + "\n")


def mentions(code: Path, recording: Path, least: str | None) -> list[Mentions]:
    """Symbol -> rule of each post, by the code of a checkout."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "mentions"
        command = [sys.executable, str(Path(__file__).with_name("snapshot.py")), str(recording.resolve()), str(out)]
        environ = {**os.environ, "PYTHONPATH": str(code.resolve())}
        subprocess.run([*command, *([least] if least else [])], check=True, env=environ, cwd=folder)
        return [dict(json.loads(line)) for line in out.read_text("utf-8").splitlines()]


if __name__ == "__main__":
    main()
