"""Cuts some hours out of a real recording, into a folder of the test."""

import json
from pathlib import Path

from tests.helpers import recordings
from tests.helpers.bar_oracle import lines_of, micros


def cut(shared: Path, folder: Path, start: str, end: str, name: str = "cut") -> Path:
    """The lines of ``tsla_2022_03`` with event_time in (start, end], RFC 3339, as a recording of their own."""
    source = shared / "recordings" / "tsla_2022_03"
    lines = {
        part: [
            json.dumps(line).encode()
            for line in lines_of(source / f"{part}.jsonl.gz")
            if micros(start) < micros(line["event_time"]) <= micros(end)
        ]
        for part in ("quotes", "posts")
    }
    return recordings.write_folder(folder, lines["quotes"], lines["posts"], name)
