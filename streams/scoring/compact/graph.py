"""Base and part as one ONNX graph with int8 weights: ids of one text without padding in, three logits out.

Matrices keep seven bits and a scale for each output, so that no processor's 16-bit sums saturate and all give the same
integers; activations are quantised while scoring, each text alone. Tables keep eight bits and a scale for each row.
Weights are rounded from double precision: the same base and part give the same graph.
"""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .base import Base, Floats
from .part import MATRICES, Part

OPSET, FORMAT = 17, 8
MATRIX_STEPS, TABLE_STEPS = 63, 127
LINKS = ("http", "https")
"""The tokens that a link begins with."""


class Graph:
    """Nodes and constants, collected in the order of the calculation."""

    def __init__(self) -> None:
        from onnx import helper, numpy_helper

        self._helper, self._constant = helper, numpy_helper.from_array
        self.single = helper.TensorProto.FLOAT
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def constant(self, values: npt.ArrayLike, kind: npt.DTypeLike = np.float32) -> str:
        """A constant's name."""
        name = f"c{len(self._constants)}"
        self._constants.append(self._constant(np.ascontiguousarray(values, dtype=kind), name))
        return name

    def all_of(self, operator: str, inputs: Sequence[str], outputs: int, **attributes: Any) -> list[str]:
        """Names of a node's outputs."""
        names = [f"v{len(self._nodes)}_{place}" for place in range(outputs)]
        self._nodes.append(self._helper.make_node(operator, list(inputs), names, **attributes))
        return names

    def __call__(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Name of the one output of a node."""
        return self.all_of(operator, inputs, 1, **attributes)[0]

    def table(self, rows: Floats, places: str) -> str:
        """Rows of a table of which each keeps its own scale."""
        steps, scales = quantised(rows, TABLE_STEPS)
        chosen = self("Cast", self("Gather", self.constant(steps, np.int8), places), to=self.single)
        return self("Mul", chosen, self("Gather", self.constant(scales[:, None]), places))

    def linear(self, rows: str, weights: Floats, bias: Floats) -> str:
        """``rows @ weights.T + bias`` for weights (outputs, inputs)."""
        steps, scales = quantised(weights, MATRIX_STEPS)
        values, scale, zero = self.all_of("DynamicQuantizeLinear", [rows], 3)
        whole = self("MatMulInteger", values, self.constant(steps.T, np.int8), zero)
        product = self("Cast", whole, to=self.single)
        return self("Add", self("Mul", product, self("Mul", scale, self.constant(scales))), self.constant(bias))

    def normalised(self, rows: str, weight: Floats, bias: Floats, epsilon: float) -> str:
        """Rows with mean and deviation taken out, then scaled and moved."""
        given = (rows, self.constant(weight), self.constant(bias))
        return self("LayerNormalization", *given, axis=-1, epsilon=epsilon)

    def finish(self, logits: str) -> bytes:
        """The whole as a file's content."""
        make, kinds = self._helper, self._helper.TensorProto
        self._nodes.append(make.make_node("Identity", [logits], ["logits"]))
        takes = [make.make_tensor_value_info("input_ids", kinds.INT64, [1, "tokens"])]
        gives = [make.make_tensor_value_info("logits", kinds.FLOAT, [1, 3])]
        graph = make.make_graph(self._nodes, "compact", takes, gives, self._constants)
        model = make.make_model(graph, opset_imports=[make.make_opsetid("", OPSET)], ir_version=FORMAT)
        content: bytes = model.SerializeToString(deterministic=True)
        return content


def quantised(rows: Floats, steps: int) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """Rows as whole numbers in [-steps, steps], and what one is worth in each row."""
    scales = np.maximum(np.abs(rows).max(axis=1), 1e-12) / steps
    return np.rint(rows / scales[:, None]).astype(np.int8), scales.astype(np.float32)


def build(base: Base, part: Part) -> bytes:
    """The graph as the content of an ONNX file."""
    graph = Graph()
    rows = _embedded(graph, base)
    for layer in range(base.config["num_hidden_layers"]):
        rows = _layer(graph, base, part, layer, rows)
    mean = graph("ReduceMean", rows, axes=[0], keepdims=1)
    logits = graph("Gemm", mean, graph.constant(part.head), graph.constant(part.bias), transB=1)
    return graph.finish(graph("Add", logits, _of_links(graph, base, part)))


def _of_links(graph: Graph, base: Base, part: Part) -> str:
    """What a text gets that has a link among its tokens (1, 3), zeros where it has none."""
    words: Mapping[str, int] = json.loads(base.tokenizer)["model"]["vocab"]
    marks = graph.constant([[words[name]] for name in LINKS], np.int64)
    found = graph("Cast", graph("Equal", "input_ids", marks), to=graph.single)
    return graph("Mul", graph("ReduceMax", found, keepdims=1), graph.constant(part.linked))


def _embedded(graph: Graph, base: Base) -> str:
    """Sum of the tables' rows, for the tokens of a text (tokens, width)."""
    places = graph("Squeeze", "input_ids", graph.constant([0], np.int64))
    words = graph.table(base.tensor("embeddings.word_embeddings.weight"), places)
    order = base.tensor("embeddings.position_embeddings.weight")
    order = order + base.tensor("embeddings.token_type_embeddings.weight")[0]
    zero, one = graph.constant(0, np.int64), graph.constant(1, np.int64)
    length = graph("Squeeze", graph("Shape", places))
    where = graph.table(order, graph("Range", zero, length, one))
    return _normalised(graph, base, "embeddings.LayerNorm", graph("Add", words, where))


def _layer(graph: Graph, base: Base, part: Part, layer: int, rows: str) -> str:
    """One layer: attention over the text's tokens, then two matrices for each token."""
    where = f"encoder.layer.{layer}"
    given: Mapping[str, tuple[Floats, Floats]] = {
        name: (
            part.changed(layer, name, base.tensor(f"{where}.{theirs}.weight")),
            base.tensor(f"{where}.{theirs}.bias"),
        )
        for name, theirs in MATRICES.items()
    }
    mixed = graph.linear(_attended(graph, base, rows, given), *given["mix"])
    rows = _normalised(graph, base, f"{where}.attention.output.LayerNorm", graph("Add", mixed, rows))
    wide = _gelu(graph, graph.linear(rows, *given["widen"]))
    narrow = graph.linear(wide, *given["narrow"])
    return _normalised(graph, base, f"{where}.output.LayerNorm", graph("Add", narrow, rows))


def _attended(graph: Graph, base: Base, rows: str, given: Mapping[str, tuple[Floats, Floats]]) -> str:
    """What each token takes from the others (tokens, width), all heads side by side."""
    heads, width = base.config["num_attention_heads"], base.config["hidden_size"]
    shrink = 1 / math.sqrt(width // heads)
    weights = np.concatenate([given["query"][0] * shrink, given["key"][0], given["value"][0]])
    biases = np.concatenate([given["query"][1] * shrink, given["key"][1], given["value"][1]])
    apart = graph.constant([-1, 3, heads, width // heads], np.int64)
    split = graph("Transpose", graph("Reshape", graph.linear(rows, weights, biases), apart), perm=[1, 2, 0, 3])
    query, key, value = (
        graph("Squeeze", piece, graph.constant([0], np.int64)) for piece in graph.all_of("Split", [split], 3, axis=0)
    )
    share = graph("Softmax", graph("MatMul", query, graph("Transpose", key, perm=[0, 2, 1])), axis=-1)
    taken = graph("Transpose", graph("MatMul", share, value), perm=[1, 0, 2])
    return graph("Reshape", taken, graph.constant([-1, width], np.int64))


def _gelu(graph: Graph, rows: str) -> str:
    part = graph("Erf", graph("Div", rows, graph.constant(math.sqrt(2))))
    return graph("Mul", graph("Mul", rows, graph("Add", part, graph.constant(1))), graph.constant(0.5))


def _normalised(graph: Graph, base: Base, name: str, rows: str) -> str:
    given = base.tensor(f"{name}.weight"), base.tensor(f"{name}.bias")
    return graph.normalised(rows, *given, base.config["layer_norm_eps"])
