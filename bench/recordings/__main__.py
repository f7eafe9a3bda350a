"""``python -m bench.recordings --before DIR``: mentions, moods and correlations of the recordings, by two checkouts."""

import argparse
import json
from pathlib import Path

from .changes import changes
from .posts import RECORDINGS, SHARED
from .rows import side

HERE = Path(__file__).resolve().parents[2]


def main() -> None:
    """Play each recording twice, print what differs and keep it."""
    parser = argparse.ArgumentParser(prog="python -m bench.recordings", description=__doc__)
    parser.add_argument("--before", type=Path, required=True, metavar="DIR", help="the other checkout")
    parser.add_argument("--recordings", default=",".join(RECORDINGS), help="names, separated by commas")
    parser.add_argument("--out", type=Path, default=Path("bench/results/recordings.json"))
    given = parser.parse_args()
    folders = [SHARED / "recordings" / name for name in given.recordings.split(",")]
    for folder in (given.before, *folders):
        if not folder.is_dir():
            parser.error(f"{folder} is not there; the recordings are looked for in MOODTAPE_SHARED")
    told = json.loads(given.out.read_text()) if given.out.exists() else {}
    for folder in folders:
        told[folder.name] = changes(side(given.before, folder), side(HERE, folder))
        given.out.write_text(json.dumps(told, indent=1) + "\n")
    print(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
