"""Mentions of the recordings' posts by the code on the path; run as a program, so that it may be another checkout's.

``python bench/mentions/snapshot.py FOLDER OUT [LEAST]``: one JSON line a post, ``[symbol, rule]`` of each mention.
"""

import gzip
import inspect
import json
import sys
from pathlib import Path

from infra.clock import from_rfc3339
from infra.instruments import shipped_table
from streams.matching import Matcher


def snapshot(folder: Path, out: Path, least: str | None) -> None:
    """Write the mentions of every post in ``folder``, in order."""
    matcher = Matcher(shipped_table()) if least is None else Matcher(shipped_table(), float(least))
    # Checkouts from before communities counted have no such argument.
    knows = "community" in inspect.signature(matcher.find).parameters
    with gzip.open(folder / "posts.jsonl.gz", "rt", encoding="utf-8") as posts, out.open("w", encoding="utf-8") as file:
        for line in posts:
            post = json.loads(line)
            where = (post.get("community"),) if knows else ()
            found = matcher.find(post["text"], post["symbols"], from_rfc3339(post["event_time"]), *where)
            file.write(json.dumps([[mention.symbol, mention.rule] for mention in found]) + "\n")


if __name__ == "__main__":
    snapshot(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else None)
