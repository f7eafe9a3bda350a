"""``moodtape models``: what scorers there are, and how well one does."""

from pathlib import Path

import click

from streams.scoring.choose import chosen, make_scorer
from streams.scoring.evaluate import Evaluation, evaluate_scorer, read_labelled
from streams.scoring.onnx import onnx_installed
from streams.scoring.torch_classifier import torch_installed

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
    rows = [
        {"scorer": "lexicon", "runs": True, "needs": None},
        {"scorer": "onnx:FOLDER", "runs": onnx_installed(), "needs": "pip install moodtape[onnx]"},
        {"scorer": "transformers:MODEL", "runs": torch_installed(), "needs": "pip install moodtape[finbert]"},
    ]
    choice = chosen(call.settings)
    lines = [f"{row['scorer']:<20} {'runs here' if row['runs'] else row['needs']}" for row in rows]
    lines.append(f"\nscorer={call.settings.scorer} model={call.settings.model} -> {choice}")
    call.show({"scorers": rows, "chosen": choice, "model": call.settings.model}, "\n".join(lines))


@models.command()
@click.option(
    "--set", "file", required=True, type=click.Path(path_type=Path), help="CSV with a text and a label column."
)
@click.option("--limit", type=click.IntRange(1), help="Only the first so many rows.")
@common
def evaluate(call: Invocation, file: Path, limit: int | None) -> None:
    """Measure the chosen scorer on labelled texts: accuracy and macro-F1, beside always saying the commonest label."""
    rows = read_labelled(file, limit)
    scorer = make_scorer(call.settings)
    result = evaluate_scorer(scorer, rows)
    heading = {"set": str(file), "model": scorer.name, "model_version": scorer.version}
    call.show({**heading, **result.as_dict()}, f"{scorer.name} ({scorer.version}) on {file.name}\n{_table(result)}")


def _table(result: Evaluation) -> str:
    lines = [
        f"rows {result.rows}  accuracy {result.accuracy:.3f}  macro-F1 {result.macro_f1:.3f}",
        f"always {result.majority_label!r}: accuracy {result.majority_accuracy:.3f}  macro-F1 {result.majority_f1:.3f}",
        "label \\ said  " + "".join(f"{label:>10}" for label in result.labels),
    ]
    for label in result.labels:
        counts = "".join(f"{result.confusion[label][said]:>10}" for said in result.labels)
        lines.append(f"{label:<14}{counts}")
    return "\n".join(lines)
