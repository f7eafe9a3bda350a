"""The posts of a recording, as its producer reads them."""

import gzip
import os
from collections.abc import Iterator
from pathlib import Path

from producers.recording import PARTS
from schemas.records import RawPost

SHARED = Path(os.environ.get("MOODTAPE_SHARED", "../shared"))
RECORDINGS = ("gme_2021_01", "tsla_2022_03", "stocknet_2014")
_POSTS = next(part for part in PARTS if part.name == "posts")


def recorded_posts(folder: Path) -> Iterator[RawPost]:
    """In order of their time.

    Raises:
        BadLine: one cannot be read.
    """
    with gzip.open(folder / _POSTS.file) as lines:
        for line in lines:
            record = _POSTS.parse(line)
            if isinstance(record, RawPost):
                yield record
