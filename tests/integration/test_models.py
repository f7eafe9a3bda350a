"""Real models: ONNX and, where it is installed, torch."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.errors import UserError
from infra.settings import Settings
from moodtape.commands.models import models
from streams.scoring.choose import chosen, make_scorer
from streams.scoring.evaluate import evaluate_scorer
from streams.scoring.export import export
from streams.scoring.hub import PULLED
from streams.scoring.invented import invented_posts
from streams.scoring.onnx import OnnxScorer
from streams.scoring.scorer import Label
from streams.scoring.torch_classifier import TorchScorer, torch_installed
from tests.helpers.model_hub import SHA, Hub, serve

pytestmark = pytest.mark.shared

LABELLED: Sequence[tuple[str, Label]] = [
    ("Operating profit rose to 13 million from 9 million a year earlier", "positive"),
    ("Shares of the chip maker jumped 9 percent after it raised its outlook", "positive"),
    ("The group won an order worth 40 million and will hire in spring", "positive"),
    ("$ZOT to the moon, best quarter ever", "positive"),
    ("The carrier cut its forecast and shares fell to a two year low", "negative"),
    ("Net sales decreased and the loss widened to 4 million", "negative"),
    ("The plant will be closed and 300 people will lose their jobs", "negative"),
    ("The company filed for bankruptcy on Monday", "negative"),
    ("The company is based in the north and makes paper machines", "neutral"),
    ("The annual meeting will be held in the town hall on 4 May", "neutral"),
    ("The shop opens at nine", "neutral"),
    ("The board has nine members", "neutral"),
]
TEXTS = [text for text, _ in LABELLED]


@pytest.fixture(scope="module")
def folder(shared: Path) -> Path:
    """A small BERT for sentiment of finance, as safetensors and as ONNX."""
    return shared / "models" / "finminilm"


@pytest.fixture(scope="module")
def onnx(folder: Path) -> OnnxScorer:
    """The model by onnxruntime."""
    pytest.importorskip("onnxruntime")
    return OnnxScorer(folder)


@pytest.fixture(scope="module")
def torch(folder: Path) -> TorchScorer:
    """The same model by transformers and torch; must be there where MOODTAPE_REQUIRE_TORCH=1."""
    if not torch_installed():
        if os.environ.get("MOODTAPE_REQUIRE_TORCH") == "1":
            pytest.fail("transformers and torch are not installed, and MOODTAPE_REQUIRE_TORCH=1")
        pytest.skip("transformers and torch are not installed: pip install moodtape[finbert]")
    return TorchScorer(str(folder))


def test_onnx_understands_plain_sentences(onnx: OnnxScorer) -> None:
    """At least ten of twelve sentences that we wrote get the label that anyone would give."""
    assert evaluate_scorer(onnx, LABELLED).accuracy >= 10 / 12


def test_auto_finds_the_onnx_model_of_a_folder(folder: Path, onnx: OnnxScorer) -> None:
    """With the setting ``model`` naming the folder, auto runs it, and its records say so."""
    settings_ = Settings(model=str(folder))
    assert chosen(settings_) == f"onnx:{folder}"
    score = make_scorer(settings_).score(TEXTS[0])
    assert score == onnx.score(TEXTS[0])
    assert score.model == "finminilm"
    assert score.model_version == onnx.version
    assert score.model_version.endswith("-onnx2")


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.permutations(TEXTS))
def test_a_score_does_not_depend_on_what_is_scored_beside_it(onnx: OnnxScorer, order: list[str]) -> None:
    """In any order, and with others at the same time in other threads, a text has bit-equal scores."""
    alone = {text: onnx.score(text) for text in TEXTS[:4]}
    with ThreadPoolExecutor(4) as pool:
        together = dict(zip(order, pool.map(onnx.score, order), strict=True))
    assert {text: together[text] for text in alone} == alone


@pytest.mark.parametrize("text", ["", " ", "\x00", "🚀" * 100, "word " * 50_000, "\u202e\ufeff", "a" * 10_000])
def test_onnx_answers_any_text(onnx: OnnxScorer, text: str) -> None:
    """No text breaks it; only the first 64 tokens count."""
    score = onnx.score(text)
    assert score.positive + score.negative + score.neutral == pytest.approx(1.0)
    assert onnx.score("word " * 70) == onnx.score("word " * 700)


@pytest.mark.torch
def test_torch_scores_as_well_as_onnx(torch: TorchScorer, onnx: OnnxScorer) -> None:
    """Both agree on at least ten of twelve labels (int8 differs a little from single precision) and do as well."""
    same = sum(torch.score(text).label == onnx.score(text).label for text in TEXTS)
    assert same >= 10
    assert evaluate_scorer(torch, LABELLED).accuracy >= 10 / 12
    score = torch.score(TEXTS[0])
    assert score.model == "finminilm"
    assert score.model_version.endswith("-torch")
    assert score.model_version != onnx.version


@pytest.mark.torch
def test_torch_scores_the_same_again(torch: TorchScorer) -> None:
    """A text has bit-equal scores whatever was scored before it."""
    first = [torch.score(text) for text in TEXTS]
    assert [torch.score(text) for text in reversed(TEXTS)] == first[::-1]


@pytest.mark.torch
def test_a_model_that_torch_cannot_load_is_a_users_mistake(torch: TorchScorer, tmp_path: Path) -> None:
    """An empty folder gives one sentence that names it."""
    with pytest.raises(UserError, match="cannot load"):
        TorchScorer(str(tmp_path))


def copied(folder: Path, into: Path, **changed: Callable[[str], str]) -> Path:
    """A copy of a model, with other contents of some files by their name without ``.json``; weights are linked."""
    into.mkdir(parents=True)
    (into / "model.safetensors").symlink_to(folder / "model.safetensors")
    for path in folder.glob("*.json"):
        change = changed.get(path.stem, str)
        (into / path.name).write_text(change(path.read_text("utf-8")), "utf-8")
    return into


def turned(config: str) -> str:
    """The configuration of a model whose outputs mean something else."""
    told = json.loads(config)
    labels = list(told["id2label"].values())
    return json.dumps(told | {"id2label": dict(enumerate(labels[::-1])), "label2id": {}})


@pytest.mark.torch
def test_all_that_decides_a_score_is_in_the_version(torch: TorchScorer, folder: Path, tmp_path: Path) -> None:
    """Other meanings of the outputs and another tokenizer are other versions; a copy elsewhere is the same one."""
    same = copied(folder, tmp_path / "finminilm")
    (same / "README.md").write_text("not a part of the model")
    labels = copied(folder, tmp_path / "labels", config=turned)
    tokens = copied(
        folder, tmp_path / "tokens", tokenizer=lambda text: text.replace('"lowercase": true', '"lowercase": false')
    )
    versions = [TorchScorer(str(path)).version for path in (same, labels, tokens)]
    assert versions[0] == torch.version
    assert len({torch.version, *versions}) == 3


@pytest.mark.torch
def test_a_model_that_was_pulled_is_loaded_without_the_hub(torch: TorchScorer, folder: Path, tmp_path: Path) -> None:
    """Where the hub has a newer revision, too, which says the opposite: it is not even asked."""
    kept = tmp_path / "cache" / "hub" / "models--someone--classifier"
    copied(folder, kept / "snapshots" / SHA)
    (kept / "refs").mkdir()
    for name in (PULLED, "main"):
        (kept / "refs" / name).write_text(SHA)
    newer = copied(folder, tmp_path / "newer", config=turned)
    program = "from streams.scoring.torch_classifier import TorchScorer as T; s = T('someone/classifier')"
    program += f"; print(s.name, s.version, s.score({TEXTS[0]!r}).score)"
    with serve(Hub("someone/classifier", newer, sha="f" * 40)) as hub:
        environment = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "cache")}
        command = [sys.executable, "-c", program]
        said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    assert said.split() == ["someone/classifier", torch.version, repr(torch.score(TEXTS[0]).score)]
    assert hub.asked == 0


@pytest.mark.torch
@pytest.mark.parametrize("int8", [False, True])
def test_an_exported_model_says_the_same(torch: TorchScorer, folder: Path, tmp_path: Path, int8: bool) -> None:
    """Both precisions pass the gate, and the folder is one that the ONNX scorer reads; a second export is refused."""
    done = export(str(folder), tmp_path / "made", TEXTS, int8=int8)
    assert done.agreement >= 0.99
    assert done.largest_deviation < (0.3 if int8 else 1e-4)
    assert [OnnxScorer(tmp_path / "made").score(text).label for text in TEXTS] == [torch.score(t).label for t in TEXTS]
    with pytest.raises(UserError, match="there already"):
        export(str(folder), tmp_path / "made", TEXTS, int8=int8)


@pytest.mark.torch
def test_a_copy_is_judged_by_posts_that_we_made_up(torch: TorchScorer, folder: Path, tmp_path: Path) -> None:
    """Where the user gives none; in single precision all of them keep their label."""
    done = CliRunner().invoke(models, ["export", str(folder), str(tmp_path / "made"), "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["texts"], told["agreement"]) == (len(invented_posts()), 1.0)


@pytest.mark.torch
def test_a_model_that_says_something_else_is_not_exported(
    torch: TorchScorer, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Below the agreement that is asked for nothing is written."""
    monkeypatch.setattr("streams.scoring.export.compare", lambda *_: (0.98, 0.5))
    with pytest.raises(UserError, match=r"98\.00%"):
        export(str(folder), tmp_path / "made", TEXTS, int8=False)
    assert not (tmp_path / "made").exists()
