"""Ways to score texts by one and the same model: the plain pipeline, and ours."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from streams.scoring.cache import ScoreCache, plain_text
from streams.scoring.export import export
from streams.scoring.invented import invented_posts
from streams.scoring.onnx import OnnxScorer
from streams.scoring.scorer import MAX_TOKENS, Scorer
from streams.scoring.torch_classifier import TorchScorer

BATCH = 32

Contender = Callable[[Sequence[str]], list[str]]
"""Labels of texts in order."""


def contenders(model: Path, room: Path, *, fp32: bool) -> Mapping[str, Contender]:
    """All, by name; the first is what the others are measured against.

    Args:
        model: folder of a sequence classifier with weights of torch.
        room: an empty folder for the ONNX files, exported as `moodtape models export` does, without its gate.
        fp32: whether the one in single precision takes part.
    """
    ways = {"pipeline": pipeline(model), "torch": ours(TorchScorer(str(model)))}
    for name, int8 in {"onnx fp32": False, "onnx int8": True}.items():
        if int8 or fp32:
            export(str(model), room / name, invented_posts(), int8=int8, least=0)
            ways[name] = ours(OnnxScorer(room / name))
    return ways


def pipeline(model: Path) -> Contender:
    """The pipeline of transformers, one thread, batches of 32, every text padded to the 64 tokens that ours end at."""
    import torch
    from transformers import pipeline as make

    torch.set_num_threads(1)
    classify = make("text-classification", model=str(model), device="cpu", dtype=torch.float32)
    options = {"padding": "max_length", "truncation": True, "max_length": MAX_TOKENS, "batch_size": BATCH}

    def labels(texts: Sequence[str]) -> list[str]:
        return [answer["label"].lower() for answer in classify(list(texts), **options)]

    return labels


def ours(scorer: Scorer) -> Contender:
    """As the scorer's process does it: single spaces, a cache that starts empty, each text alone at its own length."""

    def labels(texts: Sequence[str]) -> list[str]:
        cache, found = ScoreCache(), []
        for text in texts:
            plain = plain_text(text)
            score = cache.get(plain)
            if score is None:
                score = scorer.score(plain)
                cache.put(plain, score)
            found.append(score.label)
        return found

    return labels
