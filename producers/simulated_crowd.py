"""The simulated crowd: who writes, when, in which mood, and what is repeated."""

import hashlib
from collections.abc import Sequence

import numpy as np

from schemas.records import RawPost

from .simulated_market import BLOCK, Plant
from .simulated_texts import STYLES, Choose, Mood, about, chatter

SOURCE = "simulator"
_WRITERS = 400


class Crowd:
    """Writes the posts of one block.

    Args:
        seed: of the simulation, part of every post's id.
        writers: the hashes that stand for the writers.
        random: of this block's posts.
        block: its number.
        start: of the block, microseconds UTC.
    """

    def __init__(self, seed: int, writers: Sequence[str], random: np.random.Generator, block: int, start: int) -> None:
        self._seed = seed
        self._writers = writers
        self._random = random
        self._block = block
        self._start = start
        self._count = 0
        self._choose: Choose = lambda below: int(random.integers(below))

    def about(self, plant: Plant, mood: float) -> RawPost:
        """A post about one instrument in its hidden mood, or nearly so."""
        felt = 1.6 * mood + 0.6 * float(self._random.standard_normal())
        label: Mood = "positive" if felt > 0.35 else "negative" if felt < -0.35 else "neutral"
        writer = self._choose(len(self._writers))
        style = STYLES[writer % len(STYLES)]
        text = about(style, label, plant.symbol, plant.name, self._choose)
        symbols = (plant.symbol,) if style.tags else ()
        return self._post(self._moment(1), text, writer, style.community, symbols)

    def chatter(self) -> RawPost:
        """A post about nothing."""
        writer = self._choose(len(self._writers))
        return self._post(self._moment(1), chatter(self._choose), writer, STYLES[writer % len(STYLES)].community, ())

    def repost(self, post: RawPost) -> RawPost:
        """Somebody else's copy of a post, later in the same block."""
        after = post.event_time - self._start
        text = f"RT: {post.text}"
        return self._post(
            self._moment(after),
            text,
            self._choose(len(self._writers)),
            post.community,
            post.symbols,
            repost_of=post.post_id,
        )

    def _moment(self, after: int) -> int:
        return self._start + after + int(self._random.integers(0, BLOCK - after + 1))

    def _post(
        self,
        moment: int,
        text: str,
        writer: int,
        community: str | None,
        symbols: tuple[str, ...],
        repost_of: str | None = None,
    ) -> RawPost:
        self._count += 1
        return RawPost(
            source=SOURCE,
            post_id=f"{self._seed}-{self._block}-{self._count}",
            event_time=moment,
            ingest_time=moment,
            author=self._writers[writer],
            text=text,
            community=community,
            language="en",
            repost_of=repost_of,
            likes=self._choose(40),
            symbols=symbols,
        )


def writer_hashes(seed: int) -> tuple[str, ...]:
    """The hashes that stand for the writers of a simulation, as a service's salted author ids would."""
    return tuple(hashlib.sha256(f"{SOURCE}:{seed}:{number}".encode()).hexdigest()[:16] for number in range(_WRITERS))
