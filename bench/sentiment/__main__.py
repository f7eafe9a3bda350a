"""``python -m bench.sentiment speed|cascade|several|languages|spam|copies|hostile``: cost of scores, what gates do.

``speed`` needs transformers, torch, onnx and onnxruntime (``requirements-finbert.lock``), the others nothing.
"""

import random
import time
from collections import defaultdict
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from bench.recordings.posts import RECORDINGS
from bench.report import RESULTS, Report
from infra.settings import load_settings
from streams.scoring.light import LightScorer
from streams.scoring.onnx import OnnxScorer
from streams.scoring.sets import labelled
from streams.text import is_scored_language, language_of, normalise

from .accuracy_cost import curve_of
from .boards import judged
from .contenders import contenders
from .copies import planted_copies
from .folding import folded
from .hostile import HOSTILE
from .other_languages import SENTENCES
from .several import different_texts, turn
from .workloads import workloads

BASE = "pipeline"


@click.group()
def main() -> None:
    """Measure the scorers."""


@main.command()
@click.option("--shared", default=Path("../shared"), envvar="MOODTAPE_SHARED", type=click.Path(path_type=Path))
@click.option("--texts", default=64, show_default=True, help="Texts of each length.")
@click.option("--mix", default=256, show_default=True, help="Posts of the real mix.")
@click.option("--rounds", default=3, show_default=True)
@click.option("--fp32/--no-fp32", default=True, help="Export the model in single precision and measure that, too.")
@click.option("--out", default=RESULTS, type=click.Path(path_type=Path))
def speed(shared: Path, texts: int, mix: int, rounds: int, fp32: bool, out: Path) -> None:
    """Posts a CPU-second, the contenders taking turns, beside the plain pipeline padded to maximum."""
    command = (
        f"python -m bench.sentiment speed --texts {texts} --mix {mix} --rounds {rounds}{'' if fp32 else ' --no-fp32'}"
    )
    packages = ("torch", "transformers", "onnxruntime", "tokenizers")
    report = Report("sentiment", "What a score of a transformer costs", command, packages)
    model = shared / "models" / "finminilm"
    chosen = workloads(shared, model / "tokenizer.json", texts, mix)
    runs = []
    with TemporaryDirectory() as room:
        ways = contenders(model, Path(room), fp32=fp32)
        for number in range(rounds):
            for load, asked in chosen.items():
                base: list[str] = []
                for name, labels in ways.items():
                    start = time.process_time()
                    said = labels(asked)
                    seconds = time.process_time() - start
                    base = base or said
                    same = sum(one == two for one, two in zip(said, base, strict=True))
                    runs.append({"round": number, "load": load, "name": name, "texts": len(asked),
                                 "different": len(set(asked)), "seconds": seconds, "agree": same})  # fmt: skip
    click.echo(report.write(out, runs, [_table(runs)]))


def _table(runs: list[dict[str, object]]) -> tuple[list[str], list[list[object]]]:
    """A line a workload and contender: the best round's texts a CPU-second, the worst round's agreement."""
    best: dict[tuple[object, object], float] = defaultdict(float)
    agree: dict[tuple[object, object], float] = defaultdict(lambda: 1.0)
    for run in runs:
        key = run["load"], run["name"]
        best[key] = max(best[key], run["texts"] / run["seconds"])  # type: ignore[operator]
        agree[key] = min(agree[key], run["agree"] / run["texts"])  # type: ignore[operator]
    heads = ["workload", "scorer", "texts a CPU-second", "of the pipeline", "same label"]
    return heads, [
        [
            load,
            name,
            f"{best[load, name]:.1f}",
            f"{best[load, name] / best[load, BASE]:.1f}",
            f"{agree[load, name]:.1%}",
        ]
        for load, name in best
    ]


@main.command()
@click.option("--model", required=True, type=click.Path(path_type=Path, exists=True, file_okay=False), help="ONNX.")
@click.option("--sets", default="phrasebank,fiqa-headlines,fiqa-posts,stockemotions", show_default=True)
@click.option("--texts", default=2000, show_default=True, help="Of each set, at most, drawn by chance.")
def cascade(model: Path, sets: str, texts: int) -> None:
    """Accuracy and cost of the light model, of a larger one, and of both in a cascade, by the confidence asked for."""
    first, second = LightScorer(), OnnxScorer(model)
    for name in sets.split(","):
        rows = labelled(name, load_settings().sets_dir)
        rows = random.Random(7).sample(rows, min(texts, len(rows)))
        curve = curve_of(rows, first, second)
        for point in curve:
            click.echo(
                f"{name:<15} {point.confidence:4.2f}  asked {point.asked:6.1%}  accuracy {point.accuracy:.3f}"
                f"  macro-F1 {point.macro_f1:.3f}  {1e6 * point.cost:7.0f} CPU-us a text"
            )


@main.command()
@click.option("--scorer", default="light", show_default=True)
@click.option("--texts", default=20_000, show_default=True, help="Different posts of the recording `stocknet_2014`.")
@click.option("--processes", default=2, show_default=True, type=click.IntRange(2))
@click.option("--rounds", default=3, show_default=True)
def several(scorer: str, texts: int, processes: int, rounds: int) -> None:
    """Texts a second of one scorer process and of several, taking turns; all must say the same."""
    asked = different_texts("stocknet_2014", texts)
    first = None
    for number in range(rounds):
        for count in (1, processes) if number % 2 == 0 else (processes, 1):
            done = turn(asked, scorer, count)
            first = first or done.answers
            if done.answers != first:
                raise click.ClickException(f"{count} processes say something else")
            busiest = len(asked) / max(*done.scorers, done.client)
            scorers, client = (1e6 * seconds / len(asked) for seconds in (sum(done.scorers), done.client))
            click.echo(
                f"{count} processes: {len(asked) / done.seconds:,.0f} texts/s, {busiest:,.0f} a CPU-second of the "
                f"busiest; CPU-us a text: {scorers:.0f} of the scorers, {client:.0f} of who asks"
            )


@main.command()
def languages() -> None:
    """How many English posts the gate keeps from the scorer, and how many of other languages it lets through."""
    english = [text for text, _ in labelled("twitter", load_settings().sets_dir)]
    kept_out = sum(not is_scored_language(language_of(normalise(text), None)) for text in english)
    click.echo(f"English posts not scored: {kept_out} of {len(english)} ({kept_out / len(english):.2%})")
    missed = total = 0
    for language, sentences in SENTENCES.items():
        said = [language_of(normalise(sentence), None) for sentence in sentences]
        through = sum(map(is_scored_language, said))
        click.echo(f"{language}: {through} of {len(said)} scored, {said.count(language)} named rightly")
        missed, total = missed + through, total + len(said)
    click.echo(f"posts of other languages scored: {missed} of {total} ({missed / total:.1%})")


@main.command()
@click.option("--show", default=0, metavar="N", help="Print N different texts of either kind, for reading.")
def spam(show: int) -> None:
    """How many posts of the recordings look like spam and are kept out of moods."""
    for name in RECORDINGS:
        found = judged(name)
        click.echo(f"{name}: {found.kept_out} of {found.posts} posts ({found.kept_out / found.posts:.1%})")
        for looks_like_it, texts in found.texts.items():
            chosen = random.Random(11).sample(list(texts.values()), min(show, len(texts)))
            for text in chosen:
                click.echo(f"  {'spam' if looks_like_it else 'talk'} | {' '.join(text.split())[:200]}")


@main.command()
def hostile() -> None:
    """What texts made to cost much cost: matching, scoring by the light model and folding, beside plain posts."""
    plain = [text for text, _ in labelled("twitter", load_settings().sets_dir, 1000)]
    for name, texts in {"plain posts": plain, **{name: [text] for name, text in HOSTILE.items()}}.items():
        cost, out = folded(texts)
        flags = ", ".join(out.flags) or "-"
        click.echo(f"{name:<24} {1e3 * cost / len(texts):8.2f} CPU-ms a post; {len(out.mentions)} mentions; {flags}")


@main.command()
@click.option("--crowd", default=200_000, show_default=True, help="Different fingerprints of one bucket.")
@click.option("--planted", default=5000, show_default=True, help="Copies planted at each distance.")
def copies(crowd: int, planted: int) -> None:
    """Near copies planted at a known distance among fingerprints that are none: how many are found."""
    for distance in range(7):
        found, seconds = planted_copies(crowd, planted, distance)
        click.echo(
            f"{distance} bits: {found} of {planted} dropped; {crowd + planted} fingerprints in {seconds:.1f} CPU-s"
        )


if __name__ == "__main__":
    main()
