"""The compact model for real: its base from the package index, our part, and what both say together."""

import json
from hashlib import sha256
from pathlib import Path

import pytest
from click.testing import CliRunner

from infra.settings import Settings
from moodtape.commands.models import models
from streams.scoring.choose import make_scorer
from streams.scoring.compact import compact_folder
from streams.scoring.evaluate import evaluate_scorer
from streams.scoring.sets import labelled

ROWS = 600
GRAPH = "99326d724effb52d49942043541455512707e5aaa28c9c408de6848525d33e7b"
"""Of base and part on every machine; another part, graph or serialisation is another model version."""


@pytest.fixture(scope="module", autouse=True)
def pulled() -> Path:
    """The model's folder, made by the command; the base stays in the user's cache."""
    run = CliRunner().invoke(models, ["pull", "compact", "--json"])
    assert run.exit_code == 0, run.output
    return Path(json.loads(run.stdout)["folder"])


def test_it_is_where_the_scorer_looks(pulled: Path) -> None:
    """Pulling again makes the same files, and ``models list`` says that it runs."""
    assert pulled == compact_folder(Settings())
    before = {path.name: path.read_bytes() for path in pulled.iterdir()}
    assert CliRunner().invoke(models, ["pull", "compact"]).exit_code == 0
    assert {path.name: path.read_bytes() for path in pulled.iterdir()} == before
    assert sha256(before["model.int8.onnx"]).hexdigest() == GRAPH
    listed = json.loads(CliRunner().invoke(models, ["list", "--json"]).stdout)["scorers"]
    assert [row["runs"] for row in listed if row["scorer"] == "compact"] == [True]


def test_it_tells_plain_moods() -> None:
    """What anyone can tell, with its name, and the same twice."""
    scorer = make_scorer(Settings(scorer="compact"))
    found = {
        text: scorer.score(text)
        for text in (
            "Operating profit rose to 13 million from 9 million a year earlier",
            "The carrier cut its forecast and shares fell to a two year low",
            "The annual meeting will be held in the town hall on 4 May",
        )
    }
    assert [score.label for score in found.values()] == ["positive", "negative", "neutral"]
    assert {score.model for score in found.values()} == {"compact"}
    assert {text: scorer.score(text) for text in found} == found


@pytest.mark.shared
def test_it_keeps_its_figures_on_texts_it_never_saw(shared: Path) -> None:
    """Sentences of company news: better than the light model, and where its card says it is."""
    rows = labelled("phrasebank", shared / "data")
    some = rows[:: len(rows) // ROWS]
    compact = evaluate_scorer(make_scorer(Settings(scorer="compact")), some)
    light = evaluate_scorer(make_scorer(Settings(scorer="light")), some)
    assert compact.accuracy > light.accuracy
    assert compact.accuracy >= 0.75
