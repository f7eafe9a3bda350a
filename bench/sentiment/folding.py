"""The stage of posts without Kafka: texts in, scored posts and mentions out."""

import time
from collections.abc import Sequence

from infra.instruments import shipped_table
from schemas.records import RawPost, ScoredPost
from schemas.topics import RAW_POSTS
from streams.matching import Matcher
from streams.posts import PostsFold
from streams.scoring.cache import plain_text
from streams.scoring.light import LightScorer

BEGIN = 1_700_000_000_000_000


def folded(texts: Sequence[str]) -> tuple[float, ScoredPost]:
    """CPU-seconds for matching, scoring and folding posts one by one, nothing remembered; and the last one's record."""
    matcher, scorer = Matcher(shipped_table(), remembered=1), LightScorer()
    fold = PostsFold(matcher)
    posts = [RawPost(source="x", post_id=str(n), event_time=BEGIN, text=text) for n, text in enumerate(texts)]
    start = time.process_time()
    for post in posts:
        answers = {question: scorer.score(plain_text(question)) for question in fold.questions([post])}
        out = fold.fact(RAW_POSTS, post, None, answers)
    seconds = time.process_time() - start
    record = out[0].record
    assert isinstance(record, ScoredPost)
    return seconds, record
