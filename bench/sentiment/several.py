"""What several scorers of one machine answer in a second, asked as a stage asks."""

import asyncio
import os
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.processes import Watched
from bench.recordings.posts import SHARED, recorded_posts
from infra.settings import Settings
from schemas.records import SentimentScore
from streams.scoring.cache import plain_text
from streams.scoring.client import ScoreClient

TOGETHER = 100


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn: wall seconds, CPU-seconds of each scorer and of who asks, and what was answered."""

    seconds: float
    scorers: Sequence[float]
    client: float
    answers: Mapping[str, SentimentScore]


def different_texts(recording: str, count: int) -> Sequence[str]:
    """The first so many texts of a recording that are not one another's copies: no cache has an answer."""
    plains = (plain_text(post.text) for post in recorded_posts(SHARED / "recordings" / recording))
    return list(islice(dict.fromkeys(plain for plain in plains if plain), count))


def turn(texts: Sequence[str], scorer: str, processes: int) -> Turn:
    """Start so many scorers and ask them about all texts, a hundred at a time."""
    environment = {**os.environ, "MOODTAPE_SCORER": scorer, "MOODTAPE_SCORER_PROCESSES": str(processes)}
    with TemporaryDirectory() as room, ExitStack() as stack:
        folder = Path(room)
        started = []
        for number in range(1, processes + 1):
            command = [sys.executable, "-m", "moodtape", "score", "--number", str(number), "--data-dir", room]
            started.append(stack.enter_context(Watched(command, folder / f"{number}.log", environment)))
        client = ScoreClient(Settings(data_dir=folder, scorer=scorer, scorer_processes=processes))
        return asyncio.run(_asked(client, texts, started))


async def _asked(client: ScoreClient, texts: Sequence[str], scorers: Sequence[Watched]) -> Turn:
    await client.ask([f"warm up {number}" for number in range(2 * TOGETHER)])
    before, own, start = [one.cpu() for one in scorers], time.process_time(), time.monotonic()
    answers: dict[str, SentimentScore] = {}
    for place in range(0, len(texts), TOGETHER):
        answers |= await client.ask(texts[place : place + TOGETHER])
    seconds, own = time.monotonic() - start, time.process_time() - own
    used = [one.cpu() - earlier for one, earlier in zip(scorers, before, strict=True)]
    await client.close()
    return Turn(seconds, used, own, answers)
