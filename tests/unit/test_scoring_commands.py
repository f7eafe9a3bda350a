"""The commands about models."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from infra.errors import UserError
from moodtape.commands.models import models
from moodtape.commands.score import score


def test_models_list_says_which_scorer_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """It shows all kinds, what a missing one needs, and what the settings choose."""
    monkeypatch.setenv("MOODTAPE_SCORER", "lexicon")
    answer = json.loads(CliRunner().invoke(models, ["list", "--json"]).stdout)
    assert answer["chosen"] == "lexicon"
    assert [row["scorer"] for row in answer["scorers"]] == [
        "light",
        "lexicon",
        "compact",
        "onnx:FOLDER",
        "transformers:MODEL",
    ]
    assert "-> lexicon" in CliRunner().invoke(models, ["list"]).stdout


def test_models_evaluate_prints_figures_and_the_table_of_labels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Accuracy and macro-F1 stand beside those of the commonest label."""
    monkeypatch.setenv("MOODTAPE_SCORER", "lexicon")
    path = tmp_path / "set.csv"
    path.write_text("text,label\nshares surge,positive\nshares plunge,negative\nthe sky,neutral\nthe sea,neutral\n")
    text = CliRunner().invoke(models, ["evaluate", "--set", str(path)]).stdout
    assert "4 rows               accuracy 1.000  macro-F1 1.000" in text
    assert "always neutral       accuracy 0.500  macro-F1 0.222" in text
    assert "VADER                accuracy 0.750" in text
    answer = json.loads(CliRunner().invoke(models, ["evaluate", "--set", str(path), "--limit", "2", "--json"]).stdout)
    assert (answer["rows"], answer["model"]) == (2, "lexicon")


def test_models_evaluate_measures_the_scorer_that_it_is_told(tmp_path: Path) -> None:
    """``--scorer`` goes before the settings; an unknown one and an unknown set are told in one sentence."""
    path = tmp_path / "set.csv"
    path.write_text("text,label\nshares surge,positive\n")
    run = CliRunner().invoke(models, ["evaluate", "--set", str(path), "--scorer", "light", "--json"])
    assert json.loads(run.stdout)["model"] == "light"
    wrong = CliRunner().invoke(models, ["evaluate", "--set", str(path), "--scorer", "heavy"])
    assert isinstance(wrong.exception, UserError)
    absent = CliRunner().invoke(models, ["evaluate", "--set", "phrasebnk"])
    assert isinstance(absent.exception, UserError)
    assert "phrasebank" in str(absent.exception)


def test_a_scorer_that_cannot_run_ends_before_it_listens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong setting is a user's mistake, told at once."""
    monkeypatch.setenv("MOODTAPE_SCORER", "magic")
    result = CliRunner().invoke(score, ["--data-dir", str(tmp_path)])
    assert isinstance(result.exception, UserError)
    assert not (tmp_path / "score.json").exists()


def test_a_scorer_that_nobody_would_ask_does_not_start(tmp_path: Path) -> None:
    """Its number is one of the setting's; the message names the setting."""
    result = CliRunner().invoke(score, ["--number", "2", "--data-dir", str(tmp_path)])
    assert isinstance(result.exception, UserError)
    assert "MOODTAPE_SCORER_PROCESSES" in str(result.exception)
