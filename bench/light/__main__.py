"""``python -m bench.light folds|train|speed``: choose by folds of the training sets alone, write the weights that ship.

``folds`` prints, for the given choice, accuracy and macro-F1 of each training set on its own held-back folds and on the
other set (trained on one, asked about the other): the two figures that choices are made by. ``train`` fits on all
rows and writes ``streams/scoring/light/weights.npz``, with the temperature that the held-back folds ask for.
``speed`` scores posts beside the lexicon and VADER, in alternating rounds, by CPU time.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import click
import numpy as np
from scipy.optimize import minimize_scalar

from infra.settings import load_settings
from streams.scoring.cache import plain_text
from streams.scoring.lexicon import LexiconScorer
from streams.scoring.light import LightScorer
from streams.scoring.light.weights import pack
from streams.scoring.sets import labelled
from streams.scoring.vader import vader_labels

from .fit import Choice, Counted, Floats, count, exported, fit, log_softmax
from .sets import FOLDS, Texts, training_sets

WEIGHTS = Path(__file__).resolve().parents[2] / "streams/scoring/light/weights.npz"
SPEED_TEXTS, SPEED_ROUNDS = 3000, 8


@click.group()
@click.option("--penalty", default=Choice().penalty)
@click.option("--rows", default=Choice().rows)
@click.option("--keep", default=Choice().keep)
@click.pass_context
def main(context: click.Context, penalty: float, rows: int, keep: int) -> None:
    """Train and choose the light model."""
    context.obj = Choice(penalty, rows, keep)


@main.command()
@click.pass_obj
def folds(choice: Choice) -> None:
    """Figures by held-back folds, and across the two sets."""
    sets = training_sets(load_settings().sets_dir)
    counted = [count(one.texts) for one in sets]
    held = held_back(sets, counted, choice)
    for one, logits in zip(sets, held, strict=True):
        click.echo(f"{one.name:<10} held back   {_figures(one, logits)}")
    for (home, seen), (away, asked) in (((0, 0), (1, 1)), ((1, 1), (0, 0))):
        model = fit(counted[home], sets[home].shares, np.ones(len(counted[home])), choice)
        click.echo(
            f"{sets[away].name:<10} from {sets[seen].name:<10}{_figures(sets[away], model.logits(counted[asked]))}"
        )
    click.echo(f"temperature {temperature(sets, held):.3f}")


@main.command()
@click.option("--out", type=click.Path(path_type=Path), default=WEIGHTS)
@click.pass_obj
def train(choice: Choice, out: Path) -> None:
    """Fit on all rows and write the weights."""
    sets = training_sets(load_settings().sets_dir)
    counted = [count(one.texts) for one in sets]
    warmth = temperature(sets, held_back(sets, counted, choice))
    rows = [row for one in counted for row in one]
    model = fit(rows, np.concatenate([one.shares for one in sets]), _balance(sets), choice)
    content = pack(exported(model, warmth, choice.keep))
    out.write_bytes(content)
    click.echo(f"{out}: {len(content)} bytes of {len(model.vocabulary)} keys, temperature {warmth:.3f}")


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


def held_back(sets: Sequence[Texts], counted: Sequence[Sequence[Counted]], choice: Choice) -> list[Floats]:
    """Logits of every row by the model that saw neither the row nor its like."""
    logits = [np.zeros((len(one.texts), 3)) for one in sets]
    for fold in range(FOLDS):
        seen = [one.rows(one.folds != fold) for one in sets]
        rows = [row for one, all_ in zip(sets, counted, strict=True)
                for row, f in zip(all_, one.folds, strict=True) if f != fold]  # fmt: skip
        model = fit(rows, np.concatenate([one.shares for one in seen]), _balance(seen), choice)
        for one, all_, into in zip(sets, counted, logits, strict=True):
            held = np.flatnonzero(one.folds == fold)
            into[held] = model.logits([all_[place] for place in held])
    return logits


def _balance(sets: Sequence[Texts]) -> Floats:
    """A weight for each row, such that each set weighs the same."""
    return np.concatenate([np.full(len(one.texts), 1 / len(one.texts)) for one in sets])


def temperature(sets: Sequence[Texts], logits: Sequence[Floats]) -> float:
    """What to divide logits by for the best log-likelihood of the held-back rows, each set weighing the same."""
    shares, weight, all_ = np.concatenate([one.shares for one in sets]), _balance(sets), np.concatenate(logits)

    def loss(log_temperature: float) -> float:
        return -float((weight[:, None] * shares * log_softmax(all_ / np.exp(log_temperature))).sum())

    return float(np.exp(minimize_scalar(loss, bounds=(-2, 2), method="bounded").x))


def _figures(one: Texts, logits: Floats) -> str:
    true, said = one.labels[one.single], logits[one.single].argmax(axis=1)
    f1 = [
        2 * int(((true == k) & (said == k)).sum()) / max(1, int((true == k).sum() + (said == k).sum()))
        for k in range(3)
    ]
    return f"accuracy {(true == said).mean():.4f}  macro-F1 {np.mean(f1):.4f}  n {len(true)}"


if __name__ == "__main__":
    main()
