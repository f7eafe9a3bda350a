"""What scorers and their clients agree on: bodies, limits, who scores which text, where each says where it listens."""

from pathlib import Path
from zlib import crc32

import msgspec

from schemas.records import SentimentScore

from .cache import plain_text

KEY_HEADER = "X-API-Key"
MOST_TEXTS = 256
MOST_CHARACTERS = 10_000


class Question(msgspec.Struct, forbid_unknown_fields=True):
    """Body of ``POST /score``: at most 256 texts of at most 10,000 characters."""

    texts: list[str]


class Answer(msgspec.Struct):
    """What comes back: a score for each text in order, None where the model failed on it."""

    items: list[SentimentScore | None]
    model: str
    model_version: str


class Address(msgspec.Struct):
    """Content of a file that :func:`address_file` names."""

    url: str
    pid: int


def address_file(data_dir: Path, number: int = 1) -> Path:
    """Where a scorer of a data folder, of those numbered from 1, says where it listens."""
    return data_dir / ("score.json" if number == 1 else f"score-{number}.json")


def scorer_of(text: str, scorers: int) -> int:
    """Number of the one of so many scorers that is asked about a text: the same each time, so that it has it cached."""
    if scorers == 1:
        return 1
    return crc32(plain_text(text).encode("utf-8", "surrogatepass")) % scorers + 1
