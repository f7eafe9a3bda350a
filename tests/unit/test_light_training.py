"""How the light model is made: what is learned is free of the labels' shares, and what ships says what was learned."""

from random import Random

import numpy as np
import pytest

from bench.light.fit import CLASSES, Choice, Model, Rows, TextCounter, exported, fit
from bench.light.vectors import WordVectors
from streams.scoring.light import LightScorer
from streams.scoring.light.weights import pack

VECTORS = WordVectors({"soars": 0, "climbs": 1, "sinks": 2}, np.array([[1.0, 0.0], [0.8, 0.6], [-1.0, 0.0]]))
CHOICE = Choice(penalty=1.0, vector_penalty=1.0)
SAID = (("alpha soars", 0), ("alpha sinks", 1), ("alpha reports", 2))


def world(shares: tuple[float, ...], seed: int) -> tuple[list[str], list[int]]:
    """Texts and labels, labels as common as told; one in five texts has the words of another label."""
    choose = Random(seed)
    labels = choose.choices(range(CLASSES), shares, k=900)
    words = [choose.randrange(CLASSES) if choose.random() < 0.2 else label for label in labels]
    return [SAID[word][0] for word in words], labels


def learned(shares: tuple[float, ...], *, told: bool) -> tuple[Model, TextCounter, Rows]:
    """A model of a world, which was told how common the labels are in it, or was not."""
    texts, labels = world(shares, 1)
    counter = TextCounter(texts, VECTORS, CHOICE)
    rows = counter.rows(texts)
    truth = np.eye(CLASSES)[labels]
    common = np.log(truth.mean(axis=0)) if told else np.zeros(CLASSES)
    model = fit(rows, truth, np.tile(common, (len(texts), 1)), np.ones(len(texts)), CHOICE)
    return model, counter, rows


def test_what_is_learned_is_free_of_how_common_labels_are() -> None:
    """Where eight of ten are neutral, unknown words are neutral to a model that was not told, not to one that was."""
    shares = (0.1, 0.1, 0.8)
    leaning = {}
    for told in (True, False):
        model, counter, _ = learned(shares, told=told)
        logits = model.logits(counter.rows(["zebra"]))[0]
        leaning[told] = float(logits[2] - logits[:2].mean())
    assert leaning[False] > leaning[True] + 1.0


def test_a_word_of_no_labelled_text_speaks_by_its_vector() -> None:
    """``climbs`` was never seen, and points where ``soars`` does."""
    model, counter, _ = learned((0.3, 0.3, 0.4), told=True)
    known, unknown = model.logits(counter.rows(["alpha climbs", "alpha zebras"]))
    assert known[0] - known[1] > unknown[0] - unknown[1] + 0.1


def test_what_ships_says_what_was_learned() -> None:
    """Logits of the file are those of the model over the temperature, with what is taken as common added."""
    model, counter, _ = learned((0.2, 0.2, 0.6), told=True)
    common = {False: np.log([0.3, 0.3, 0.4]), True: np.log([0.1, 0.2, 0.7])}
    scorer = LightScorer(pack(exported(model, counter.vocabulary, VECTORS, 1.25, common, CHOICE.keep)))
    for text in ("alpha soars", "alpha climbs 5%", "alpha sinks https://a.example/b", "", "not one word of it!"):
        rows = counter.rows([text])
        full = model.logits(rows)[0] / 1.25 + common["https" in text]
        assert scorer.logits(text) == pytest.approx((full[0] - full[2], full[1] - full[2]), abs=0.02)
