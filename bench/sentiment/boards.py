"""Posts of the recordings that look like spam, and those that do not."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from bench.recordings.posts import recorded_posts
from streams.summary import SPAM_LIMIT
from streams.text import normalise, spam_score

RECORDINGS = ("stocknet_2014", "gme_2021_01", "tsla_2022_03")


@dataclass(slots=True)
class Judged:
    """Of one recording: posts, those kept out of moods, and the different texts of either kind."""

    posts: int = 0
    kept_out: int = 0
    texts: dict[bool, dict[str, str]] = field(default_factory=lambda: {True: {}, False: {}})


def judged(name: str) -> Judged:
    """Judge a recording's posts; texts that are equal once normalised are read once."""
    found = Judged()
    for post in recorded_posts(Path(os.environ.get("MOODTAPE_SHARED", "../shared")) / "recordings" / name):
        text = normalise(post.text)
        spam = spam_score(text, post) >= SPAM_LIMIT
        found.posts += 1
        found.kept_out += spam
        found.texts[spam].setdefault(text, post.text)
    return found
