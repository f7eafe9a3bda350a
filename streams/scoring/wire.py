"""What the scorer and its clients agree on: bodies, limits, and the file that says where it listens."""

from pathlib import Path

import msgspec

from schemas.records import SentimentScore

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
    """Content of ``<data_dir>/score.json``."""

    url: str
    pid: int


def address_file(data_dir: Path) -> Path:
    """Where the scorer of a data folder says where it listens."""
    return data_dir / "score.json"
