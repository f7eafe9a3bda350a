"""``moodtape models``: what scorers there are, and how well one does."""

import click

from streams.scoring.choose import chosen, make_scorer
from streams.scoring.compact import compact_folder
from streams.scoring.evaluate import Agreement, Evaluation, evaluate_scorer
from streams.scoring.onnx import onnx_file, onnx_installed
from streams.scoring.sets import PUBLIC, labelled
from streams.scoring.torch_classifier import torch_installed
from streams.scoring.vader import MISSING, vader_labels

from ..options import Invocation, common
from .model_files import export_model, pull_model


@click.group()
def models() -> None:
    """List models, measure one, fetch one, turn one into ONNX."""


models.add_command(pull_model)
models.add_command(export_model)


@models.command(name="list")
@common
def list_models(call: Invocation) -> None:
    """Show the scorers, whether they can run here, and which one the settings choose."""
    compact = onnx_installed() and onnx_file(compact_folder(call.settings)) is not None
    pull = "moodtape models pull compact" if onnx_installed() else "pip install moodtape[compact]"
    rows = [
        {"scorer": "light", "runs": True, "needs": None},
        {"scorer": "lexicon", "runs": True, "needs": None},
        {"scorer": "compact", "runs": compact, "needs": pull},
        {"scorer": "onnx:FOLDER", "runs": onnx_installed(), "needs": "pip install moodtape[onnx]"},
        {"scorer": "transformers:MODEL", "runs": torch_installed(), "needs": "pip install moodtape[finbert]"},
    ]
    choice = chosen(call.settings)
    lines = [f"{row['scorer']:<20} {'runs here' if row['runs'] else row['needs']}" for row in rows]
    lines.append(f"\nscorer={call.settings.scorer} model={call.settings.model} -> {choice}")
    call.show({"scorers": rows, "chosen": choice, "model": call.settings.model}, "\n".join(lines))


@models.command()
@click.option(
    "--set",
    "name",
    required=True,
    metavar="NAME|FILE.csv",
    help=f"A CSV file with a text and a label column, or one of {', '.join(PUBLIC)} in the folder MOODTAPE_SETS_DIR.",
)
@click.option("--scorer", help="Measure this one, named as in MOODTAPE_SCORER; unset = what the settings choose.")
@click.option("--limit", type=click.IntRange(1), help="Only the first so many rows.")
@common
def evaluate(call: Invocation, name: str, scorer: str | None, limit: int | None) -> None:
    """Measure a scorer on labelled texts, beside always saying the commonest label and beside VADER."""
    settings = call.settings if scorer is None else call.settings.model_copy(update={"scorer": scorer})
    rows = labelled(name, settings.sets_dir, limit)
    measured = make_scorer(settings)
    vader = vader_labels()
    if vader is None:
        call.note(MISSING)
    result = evaluate_scorer(measured, rows, vader)
    heading = {"set": name, "model": measured.name, "model_version": measured.version}
    call.show({**heading, **result.as_dict()}, f"{measured.name} ({measured.version}) on {name}\n{_table(result)}")


def _table(result: Evaluation) -> str:
    lines = [_line(f"{result.rows} rows", Agreement(result.accuracy, result.macro_f1))]
    if result.of_its_labels is not None:
        lines.append(_line("of the set's labels", result.of_its_labels))
    lines.append(_line(f"always {result.majority_label}", result.majority))
    if result.vader is not None:
        lines.append(_line("VADER", result.vader))
    lines.append(f"calibration error {result.calibration_error:.3f}  Brier {result.brier:.3f}")
    lines.append("label \\ said  " + "".join(f"{label:>10}" for label in result.labels))
    for label in result.labels:
        counts = "".join(f"{result.confusion[label][said]:>10}" for said in result.labels)
        lines.append(f"{label:<14}{counts}")
    return "\n".join(lines)


def _line(name: str, figures: Agreement) -> str:
    return f"{name:<20} accuracy {figures.accuracy:.3f}  macro-F1 {figures.macro_f1:.3f}"
