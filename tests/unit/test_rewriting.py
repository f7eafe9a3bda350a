"""Rewrites of ONNX graphs: the same function of the text, with fewer rows, and with rows that eight bits keep."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper
from onnx.numpy_helper import from_array
from onnxruntime.quantization import QuantType, quantize_dynamic

from streams.scoring.rewriting import by_token, first_token_only, matrices

Floats = npt.NDArray[np.float32]
WIDTH, WORDS, INSIDE = 16, 40, 32
TEXTS = [[3, 7, 7, 21, 9], [0], [39, 2, 5, 5, 5, 1, 8, 30]]


def classifier(*, reads_all: bool = False, tied: bool = False) -> onnx.ModelProto:
    """A layer of attention, two matrices for each token, and a head on the first token, or on the mean of all.

    One column of what the last matrix reads is a hundred times as large as the others, and counts as much as they do;
    one word is ten times as large.
    """
    random = np.random.default_rng(5)

    def weights(*shape: int) -> Floats:
        return (random.standard_normal(shape) / np.sqrt(shape[0])).astype(np.float32)

    table, widen, narrow = weights(WORDS, WIDTH), weights(WIDTH, INSIDE), weights(INSIDE, WIDTH)
    table[7] *= 10
    widen[:, 3] *= 100
    narrow[3] /= 100
    constants = {
        "table": table, "query": weights(WIDTH, WIDTH), "key": weights(WIDTH, WIDTH), "widen": widen,
        "narrow": narrow, "bias": weights(WIDTH), "scale": np.ones(WIDTH, np.float32),
        "head": weights(WIDTH, 3), **({"one": np.array([1])} if reads_all else {"first": np.array(0)}),
    }  # fmt: skip
    make = helper.make_node
    nodes = [
        make("Gather", ["table", "input_ids"], ["rows"], "words"),
        make("MatMul", ["rows", "query"], ["queries"], "to_queries"),
        make("MatMul", ["rows", "query" if tied else "key"], ["keys"], "to_keys"),
        make("Transpose", ["keys"], ["turned"], "turn", perm=[0, 2, 1]),
        make("MatMul", ["queries", "turned"], ["likeness"], "to_likeness"),
        make("Softmax", ["likeness"], ["shares"], "to_shares", axis=-1),
        make("MatMul", ["shares", "rows"], ["taken"], "to_taken"),
        make("Add", ["taken", "rows"], ["mixed"], "mix"),
        make("LayerNormalization", ["mixed", "scale", "bias"], ["even"], "to_even", axis=-1),
        make("MatMul", ["even", "widen"], ["wide"], "to_wide"),
        make("Gelu", ["wide"], ["bent"], "bend"),
        make("MatMul", ["bent", "narrow"], ["narrowed"], "to_narrow"),
        make("Add", ["narrowed", "even"], ["last"], "to_last"),
        make("ReduceMean", ["last", "one"], ["read"], "to_mean", keepdims=0)
        if reads_all
        else make("Gather", ["last", "first"], ["read"], "to_first", axis=1),
        make("MatMul", ["read", "head"], ["logits"], "to_logits"),
    ]
    graph = helper.make_graph(
        nodes,
        "classifier",
        [helper.make_tensor_value_info("input_ids", TensorProto.INT64, [1, "tokens"])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 3])],
        [from_array(values, name) for name, values in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


def run(model: onnx.ModelProto | str, names: Sequence[str] = ("logits",)) -> list[list[Any]]:
    """The tensors of these names, by text."""
    if not isinstance(model, str):
        more = [helper.make_empty_tensor_value_info(name) for name in names if name != "logits"]
        copied = onnx.ModelProto.FromString(model.SerializeToString())
        copied.graph.output.extend(more)
    given = model if isinstance(model, str) else copied.SerializeToString()
    session = onnxruntime.InferenceSession(given, providers=["CPUExecutionProvider"])
    return [session.run(list(names), {"input_ids": np.array([ids])}) for ids in TEXTS]


def logits(model: onnx.ModelProto | str) -> Floats:
    """The logits of all texts."""
    return np.concatenate([found[0] for found in run(model)])


def largest(model: onnx.ModelProto) -> dict[str, Floats]:
    """The largest absolute value of each column that a matrix is applied to."""
    names, found = list(matrices(model.graph)), dict[str, Floats]()
    for tensors in run(model, names):
        for name, values in zip(names, tensors, strict=True):
            columns = np.abs(values).reshape(-1, values.shape[-1]).max(axis=0)
            found[name] = np.maximum(found.get(name, columns), columns)
    return found


def test_where_the_first_token_alone_is_read_the_others_are_left_out() -> None:
    """Behind the attention there is one row, whatever the length; the logits are the same."""
    plain, short = classifier(), classifier()
    first_token_only(short.graph)
    assert logits(short) == pytest.approx(logits(plain), abs=1e-5)
    assert [wide.shape[1] for (wide,) in run(plain, ["wide"])] == [len(ids) for ids in TEXTS]
    assert [wide.shape[1] for (wide,) in run(short, ["wide"])] == [1, 1, 1]
    assert [keys.shape[1] for (keys,) in run(short, ["keys"])] == [len(ids) for ids in TEXTS]


def test_where_all_tokens_are_read_all_are_worked_out() -> None:
    """A head on the mean of all tokens leaves the graph as it was."""
    whole = classifier(reads_all=True)
    before = whole.SerializeToString()
    first_token_only(whole.graph)
    assert whole.SerializeToString() == before


def test_rows_of_one_size_say_the_same() -> None:
    """What matrices are applied to has 1 for the largest value of each row; the logits are the same."""
    plain, even = classifier(), classifier()
    by_token(even.graph, largest(plain))
    assert logits(even) == pytest.approx(logits(plain), abs=1e-4)
    for (kept,) in run(even, ["bent_kept"]):
        assert np.abs(kept).max(axis=-1) == pytest.approx(1, abs=1e-4)


def test_rows_of_one_size_keep_better_in_eight_bits(tmp_path: Path) -> None:
    """With a column and a word that stick out, int8 errs several times less."""
    plain, even = classifier(), classifier()
    by_token(even.graph, largest(plain))
    wrong = [np.abs(logits(quantised(model, tmp_path)) - logits(plain)).max() for model in (plain, even)]
    assert wrong[1] < wrong[0] / 3


def quantised(model: onnx.ModelProto, folder: Path) -> str:
    """The path of the same with int8 matrices, as an export has them."""
    onnx.save(model, folder / "given.onnx")
    quantize_dynamic(
        folder / "given.onnx",
        folder / "made.onnx",
        op_types_to_quantize=["MatMul"],
        per_channel=True,
        reduce_range=True,
        weight_type=QuantType.QInt8,
    )
    return str(folder / "made.onnx")


def test_weights_that_two_matrices_share_are_left_alone() -> None:
    """They cannot be multiplied for one of them."""
    tied = classifier(tied=True)
    assert "rows" not in matrices(tied.graph)
    by_token(tied.graph, largest(tied))
    assert logits(tied) == pytest.approx(logits(classifier(tied=True)), abs=1e-4)
