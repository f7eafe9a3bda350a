"""The texts that are scored: of three lengths, and posts as they came, with their reposts."""

import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

LENGTHS = {"16 tokens": (14, 16), "32 tokens": (29, 32), "64 tokens": (50, 64)}
MIX = "real mix"


def workloads(shared: Path, tokenizer: Path, texts: int, mix: int) -> Mapping[str, Sequence[str]]:
    """Texts by workload: ``texts`` different ones of each length, and the first ``mix`` posts of a day.

    Args:
        shared: folder with the recording ``stocknet_2014``, whose tweets are the texts.
        tokenizer: ``tokenizer.json`` by which lengths are told, begin and end marks counted.
        texts: of each length.
        mix: posts of the real mix.
    """
    from tokenizers import Tokenizer

    lengths = Tokenizer.from_file(str(tokenizer))
    lengths.no_padding()
    lengths.no_truncation()
    posts = list(islice(_posts(shared / "recordings" / "stocknet_2014"), 20_000))
    measured = [(text, len(lengths.encode(text).ids)) for text in dict.fromkeys(posts)]
    found = {
        name: [text for text, length in measured if low <= length <= high][:texts]
        for name, (low, high) in LENGTHS.items()
    }
    return {**found, MIX: posts[:mix]}


def _posts(folder: Path) -> Iterator[str]:
    with gzip.open(folder / "posts.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)["text"]
