"""Tweets whose cashtags tell what they speak of, and posts without."""

import csv
import gzip
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from infra.names import name_words

CASHTAG = re.compile(r"\$[A-Za-z][A-Za-z0-9._-]*")


@dataclass(frozen=True, slots=True)
class Labelled:
    """A tweet without its cashtags, and the symbols that they named."""

    text: str
    symbols: frozenset[str]


def stocknet(folder: Path) -> Iterator[Labelled]:
    """Each tweet once; a tweet that names two stocks stands twice in the file."""
    seen = set()
    csv.field_size_limit(10**9)
    with gzip.open(folder / "tweets.csv.gz", "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["id"] not in seen:
                seen.add(row["id"])
                tags = (tag[1:].upper().rstrip(".-_").replace(".", "-") for tag in CASHTAG.findall(row["text"]))
                yield Labelled(CASHTAG.sub(" ", row["text"]), frozenset(tags))


def companies(folder: Path) -> dict[str, str]:
    """Symbol -> first word of the company's name, of the stocks that the tweets were collected for."""
    lines = (folder / "StockTable.tsv").read_text("utf-8").splitlines()[1:]
    rows = [line.split("\t") for line in lines if line.count("\t") >= 2]
    return {row[1].lstrip("$"): next(w for w in name_words(row[2]) if w != "the") for row in rows}


def decided(post: Labelled, names: dict[str, str]) -> frozenset[str]:
    """The symbols whose company's first word, or whose symbol in capitals, is still in the text."""
    words = frozenset(name_words(post.text))
    return frozenset(
        symbol
        for symbol in post.symbols & names.keys()
        if (len(names[symbol]) > 3 and names[symbol] in words)
        or (len(symbol) >= 3 and re.search(rf"\b{re.escape(symbol)}\b", post.text))
    )


def recorded(folder: Path) -> list[str]:
    """The texts of a recording."""
    with gzip.open(folder / "posts.jsonl.gz", "rt", encoding="utf-8") as file:
        return [json.loads(line)["text"] for line in file]


def forum_posts(folder: Path) -> Iterator[str]:
    """Title and body of each submission to a forum, of which nothing is known but their text."""
    with gzip.open(folder / "wallstreetbets.ndjson.gz", "rt", encoding="utf-8") as file:
        for line in file:
            post = json.loads(line)
            yield f"{post.get('title') or ''}\n{post.get('selftext') or ''}".strip()
