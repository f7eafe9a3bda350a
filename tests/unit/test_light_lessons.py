"""What the models learn from besides the labelled sets: sentences of ours, and what a teacher said."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from bench.light.fit import Choice, TextCounter
from bench.light.held import HELD, Material, fitted, study
from bench.light.reports import reports
from bench.light.sets import Texts, taught
from bench.light.vectors import WordVectors
from streams.scoring.scorer import LABELS

VECTORS = WordVectors({"soars": 0, "sinks": 1}, np.array([[1.0, 0.0], [-1.0, 0.0]]))
CHOICE = Choice(penalty=1.0, vector_penalty=1.0)
WORDS = ("soars", "sinks", "meets")
_BURDEN = re.compile(r"loss|debt|costs|expenses", re.IGNORECASE)
_TWO = re.compile(r" (?:was|to|amounted to) \D*?([\d.]+)\D*, (?:compared with|compared to|against) \D*?([\d.]+)\D")


def test_made_up_reports_are_the_same_each_time_and_no_two_alike() -> None:
    """By their seed; all three labels are there."""
    first = reports(400, seed=3)
    assert first == reports(400, seed=3)
    assert first != reports(400, seed=4)
    assert len({text for text, _ in first}) == 400
    assert {label for _, label in first} == set(LABELS)


def test_the_label_of_a_comparison_is_that_of_its_figures() -> None:
    """A gain that is larger than before is good, a burden that is larger is bad."""
    checked = 0
    for text, label in reports(3000):
        two = _TWO.search(text)
        if two and label != "neutral":
            larger = float(two[1]) > float(two[2])
            assert label == ("positive" if larger != bool(_BURDEN.search(text)) else "negative"), text
            checked += 1
    assert checked > 200


def some(name: str, texts: list[str], labels: list[int], folds: list[int]) -> Texts:
    """A set."""
    return Texts(name, tuple(texts), np.eye(3)[labels], np.array(folds))


def world() -> tuple[TextCounter, list[Material]]:
    """Two sets of 60 texts each, of which every fifth is of the held-back fold."""
    sets = []
    for name in ("one", "two"):
        labels = [place % 3 for place in range(60)]
        texts = [f"{name} firm {WORDS[label]}" + (" https://a.example" if name == "one" else "") for label in labels]
        sets.append(some(name, texts, labels, [place % 5 for place in range(60)]))
    texts = [text for one in sets for text in one.texts]
    counter = TextCounter([*texts, *("shop opens", "shop closes") * 2], VECTORS, CHOICE)
    return counter, [Material(one, counter.rows(one.texts)) for one in sets]


def test_the_study_holds_a_fold_back_and_says_so() -> None:
    """Figures are of the fold that was held back, and each set is told by the other."""
    _, sets = world()
    found = study(sets, [], CHOICE)
    assert [len(one.held.texts.texts) for one in sets] == [12, 12]
    assert all((one.seen.texts.folds != HELD).all() for one in sets)
    lines = list(found.figures())
    assert [line.split("accuracy")[1].split()[0] for line in lines[:-1]] == ["1.0000"] * 6
    assert lines[-1].startswith("temperature ")


def test_what_a_teacher_said_is_learned(tmp_path: Path) -> None:
    """Of words that no label tells of; as much as its weight."""
    counter, sets = world()
    file = tmp_path / "taught.jsonl"
    rows = [["shop opens", [0.8, 0.1, 0.1]], ["shop closes", [0.1, 0.8, 0.1]]] * 10
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    told = taught(file)
    assert told.weight == pytest.approx(2.0)
    model = fitted([*sets, Material(told, counter.rows(told.texts))], CHOICE)
    opens, closes = model.logits(counter.rows(["shop opens", "shop closes"]))
    assert opens.argmax() == 0
    assert closes.argmax() == 1
    without = fitted(sets, CHOICE).logits(counter.rows(["shop opens"]))[0]
    assert opens[0] - opens[1] > without[0] - without[1] + 0.5
