"""Rewrites of a text classifier's ONNX graph: the same function of the text, cheaper, or fit to be kept in int8.

Tensors are (1, tokens, width). A *matrix* is a MatMul by constant weights (width, outputs), which works row by row.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Graph = Any

_ROW_BY_ROW = frozenset({"Add", "Sub", "Mul", "Div", "Gelu", "Erf", "Tanh", "Relu", "LayerNormalization"})
_TINY = np.float32(1e-6)
_EVEN = 0.5
"""How the range of a column is shared between activations and weights: SmoothQuant's alpha."""


def constants_of(graph: Graph) -> dict[str, Any]:
    """The graph's constants by name."""
    return {constant.name: constant for constant in graph.initializer}


def matrices(graph: Graph) -> dict[str, list[Any]]:
    """The matrices with weights of their own, by the tensor that they are applied to."""
    constants, found = constants_of(graph), defaultdict(list)
    uses = Counter(name for node in graph.node for name in node.input)
    for node in graph.node:
        weights = constants.get(node.input[1]) if node.op_type == "MatMul" else None
        if weights is not None and len(weights.dims) == 2 and uses[weights.name] == 1:
            found[node.input[0]].append(node)
    return dict(found)


def first_token_only(graph: Graph) -> None:
    """Let what comes after the last attention work for the first token alone, where the classifier reads no other."""
    constants = constants_of(graph)
    chosen = next((node for node in reversed(graph.node) if _is_first(node, constants)), None)
    if chosen is None:
        return
    made = {name: node for node in graph.node for name in node.output}
    inside = [chosen, *_read_by_it_alone(graph, chosen, made, constants)]
    own = {name for node in inside for name in node.output}
    wanted = {name for node in inside for name in node.input if name in made and name not in own}
    for node in inside:
        _rename(node, {name: f"{name}_first" for name in wanted})
    _put_behind(graph, wanted, _first_rows(graph))
    del graph.value_info[:]


def _is_first(node: Any, constants: Mapping[str, Any]) -> bool:
    from onnx.numpy_helper import to_array

    axis = next((attribute.i for attribute in node.attribute if attribute.name == "axis"), 0)
    return (
        node.op_type == "Gather"
        and axis == 1
        and node.input[1] in constants
        and not to_array(constants[node.input[1]]).any()
    )


def _read_by_it_alone(
    graph: Graph, chosen: Any, made: Mapping[str, Any], constants: Mapping[str, Any]
) -> Sequence[Any]:
    """The nodes that work row by row, and whose rows nothing reads but, by way of each other, the one that chooses."""
    readers: dict[str, set[str]] = defaultdict(set)
    for node in graph.node:
        for name in node.input:
            readers[name].add(node.name)
    inside, waiting = {chosen.name: chosen}, [chosen.input[0]]
    while waiting:
        node = made.get(waiting.pop())
        if node is None or node.name in inside or not _is_row_by_row(node, constants):
            continue
        if readers[node.output[0]] <= inside.keys():
            inside[node.name] = node
            waiting += node.input
    del inside[chosen.name]
    return list(inside.values())


def _is_row_by_row(node: Any, constants: Mapping[str, Any]) -> bool:
    if node.op_type == "MatMul":
        return node.input[1] in constants
    given = (constants[name] for name in node.input if name in constants)
    return node.op_type in _ROW_BY_ROW and all(len(constant.dims) < 2 for constant in given)


def _first_rows(graph: Graph) -> Mapping[str, Any]:
    """The constants of a Slice that takes the first token."""
    from onnx.numpy_helper import from_array

    values = {"first_begin": 0, "first_end": 1, "first_axis": 1}
    graph.initializer.extend(from_array(np.array([value]), name) for name, value in values.items())
    return values


def _put_behind(graph: Graph, tensors: set[str], bounds: Mapping[str, Any]) -> None:
    from onnx.helper import make_node

    nodes: list[Any] = []
    for node in graph.node:
        nodes.append(node)
        nodes += (
            make_node("Slice", [name, *bounds], [f"{name}_first"], name=f"{name}_take_first")
            for name in node.output
            if name in tensors
        )
    _replace_nodes(graph, nodes)


def by_token(graph: Graph, largest: Mapping[str, Floats]) -> None:
    """Give every matrix rows that keep well in eight bits: each row's largest value is 1, and no column sticks out.

    A column's range is shared between activations and weights (SmoothQuant); what a row was divided by, its results are
    multiplied by. So one scale for all rows, as int8 has it, is one for each.

    Args:
        graph: changed.
        largest: by the tensor that matrices are applied to, the largest absolute value of each column (width).
    """
    from onnx.numpy_helper import from_array

    graph.initializer.extend([from_array(_TINY, "row_least"), from_array(np.array([-1]), "row_axis")])
    shared = matrices(graph)
    given = {node.name: name for name, nodes in shared.items() for node in nodes}
    nodes: list[Any] = []
    ready: set[str] = set()
    for node in graph.node:
        name = given.get(node.name)
        if name is None:
            nodes.append(node)
            continue
        if name not in ready:
            ready.add(name)
            nodes += _evened_rows(graph, name, _evened_weights(graph, shared[name], largest[name]))
        nodes += _scaled_back(node, name)
    _replace_nodes(graph, nodes)


def _evened_weights(graph: Graph, nodes: Sequence[Any], largest: Floats) -> Floats:
    """Multiply the weights' rows by what the activations' columns are divided by; returns that (width)."""
    from onnx.numpy_helper import from_array, to_array

    constants = constants_of(graph)
    weights = {node.input[1]: to_array(constants[node.input[1]]) for node in nodes}
    rows = np.max([np.abs(values).max(axis=1) for values in weights.values()], axis=0)
    shares = np.maximum(largest, _TINY) ** _EVEN / np.maximum(rows, _TINY) ** (1 - _EVEN)
    for name, values in weights.items():
        constants[name].CopyFrom(from_array((values * shares[:, None]).astype(np.float32), name))
    return np.asarray(shares, dtype=np.float32)


def _evened_rows(graph: Graph, name: str, shares: Floats) -> Iterator[Any]:
    from onnx.helper import make_node
    from onnx.numpy_helper import from_array

    graph.initializer.append(from_array(1 / shares, f"{name}_shares"))
    yield make_node("Mul", [name, f"{name}_shares"], [f"{name}_even"], name=f"{name}_to_even")
    yield make_node("Abs", [f"{name}_even"], [f"{name}_sizes"], name=f"{name}_to_sizes")
    yield make_node("ReduceMax", [f"{name}_sizes", "row_axis"], [f"{name}_most"], name=f"{name}_to_most", keepdims=1)
    yield make_node("Add", [f"{name}_most", "row_least"], [f"{name}_row"], name=f"{name}_to_row")
    yield make_node("Div", [f"{name}_even", f"{name}_row"], [f"{name}_kept"], name=f"{name}_to_kept")


def _scaled_back(node: Any, name: str) -> Iterator[Any]:
    from onnx.helper import make_node

    result = node.output[0]
    node.input[0], node.output[0] = f"{name}_kept", f"{result}_kept"
    yield node
    yield make_node("Mul", [f"{result}_kept", f"{name}_row"], [result], name=f"{result}_to_back")


def _rename(node: Any, names: Mapping[str, str]) -> None:
    for place, name in enumerate(node.input):
        node.input[place] = names.get(name, name)


def _replace_nodes(graph: Graph, nodes: Sequence[Any]) -> None:
    """The graph gets copies: whoever holds one of the nodes holds what was."""
    del graph.node[:]
    graph.node.extend(nodes)
