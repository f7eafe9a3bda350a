"""Posts of the recordings that look like spam, and those that do not."""

from dataclasses import dataclass, field

from bench.recordings.posts import SHARED, recorded_posts
from streams.summary import SPAM_LIMIT
from streams.text import normalise, spam_score


@dataclass(slots=True)
class Judged:
    """Of one recording: posts, those kept out of moods, and the different texts of either kind."""

    posts: int = 0
    kept_out: int = 0
    texts: dict[bool, dict[str, str]] = field(default_factory=lambda: {True: {}, False: {}})


def judged(name: str) -> Judged:
    """Judge a recording's posts; texts that are equal once normalised are read once."""
    found = Judged()
    for post in recorded_posts(SHARED / "recordings" / name):
        text = normalise(post.text)
        spam = spam_score(text, post) >= SPAM_LIMIT
        found.posts += 1
        found.kept_out += spam
        found.texts[spam].setdefault(text, post.text)
    return found
