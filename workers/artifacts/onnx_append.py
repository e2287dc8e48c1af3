"""Write an adapter's operators: behind a graph's output, or as a graph of its own over vectors.

Behind a graph, what comes out is an encoder like any other. Only operators that every accepted
operator set has in one form are used, so that the graph keeps its own.
"""

import math
from collections.abc import Iterator

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from compat.adapters.vector_map import Hidden, VectorMap
from workers.artifacts.vector_graphs import REWRITTEN, VECTORS

GELU_CUBE, GELU_SLOPE = 0.044715, math.sqrt(2 / math.pi)
"""Of the tanh form of GELU (Hendrycks and Gimpel, arXiv 1606.08415)."""


OPSET, IR_VERSION = 17, 8
"""Of a graph over vectors (chosen: among those that every upload may have)."""


def append_adapter(
    data: bytes, output: str, adapter: VectorMap, *, unit_length: bool
) -> tuple[bytes, str]:
    """Return the graph with ``adapter`` behind its output, and the name of the new one output.

    Args:
        data: a graph that passed the static checks.
        output: the output that the adapter reads, (rows, D).
        adapter: what is appended.
        unit_length: whether the registry scales that output to length one: then the graph does.
    """
    model = onnx.load_model_from_string(data)
    prefix = _unused_prefix(data)
    graph = model.graph
    target = f"{prefix}vectors"
    nodes, weights = _operators(adapter, output, target, prefix, unit_length=unit_length)
    graph.node.extend(nodes)
    graph.initializer.extend(weights)
    _replace_outputs(model, output, target, adapter.linear.shape[1])
    return model.SerializeToString(deterministic=True), target


def vector_graph(adapter: VectorMap, *, unit_length: bool) -> bytes:
    """Return the adapter as a graph from (rows, D) stored vectors to (rows, E).

    Args:
        adapter: what it does.
        unit_length: whether vectors of that space have length one: those that were handed in may
            not.
    """
    nodes, weights = _operators(adapter, VECTORS, REWRITTEN, "adapter_", unit_length=unit_length)
    sides = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", size])
        for name, size in zip((VECTORS, REWRITTEN), adapter.linear.shape, strict=True)
    ]
    graph = helper.make_graph(nodes, "adapter", sides[:1], sides[1:], weights)
    opsets = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
    return model.SerializeToString(deterministic=True)


def _unused_prefix(data: bytes) -> str:
    """Return a prefix that no name in the graph can have: its bytes are nowhere in the file."""
    number = 1
    while f"adapter{number}_".encode() in data:
        number += 1
    return f"adapter{number}_"


def _operators(
    adapter: VectorMap, source: str, target: str, prefix: str, *, unit_length: bool
) -> tuple[list[NodeProto], list[TensorProto]]:
    nodes: list[NodeProto] = []
    vectors = source
    if unit_length:
        vectors = f"{prefix}unit"
        nodes.append(helper.make_node("LpNormalization", [source], [vectors], axis=1, p=2))
    weights = {"linear": adapter.linear, "bias": adapter.bias}
    turned = f"{prefix}turned" if adapter.hidden else target
    nodes += [
        helper.make_node("MatMul", [vectors, f"{prefix}linear"], [f"{prefix}product"]),
        helper.make_node("Add", [f"{prefix}product", f"{prefix}bias"], [turned]),
    ]
    if adapter.hidden:
        weights |= _hidden_weights(adapter.hidden)
        nodes += _hidden_operators(vectors, prefix)
        nodes.append(helper.make_node("Add", [turned, f"{prefix}bent"], [target]))
    return nodes, [
        numpy_helper.from_array(np.asarray(value, dtype=np.float32), f"{prefix}{name}")
        for name, value in weights.items()
    ]


def _hidden_weights(hidden: Hidden) -> dict[str, object]:
    numbers = {"cube": GELU_CUBE, "slope": GELU_SLOPE, "one": 1.0, "half": 0.5}
    tensors = {
        "inward": hidden.inward,
        "inward_bias": hidden.inward_bias,
        "outward": hidden.outward,
    }
    return tensors | numbers


def _hidden_operators(source: str, prefix: str) -> Iterator[NodeProto]:
    """Yield 0.5 u (1 + tanh(slope (u + cube u^3))) outward, u = x inward + inward_bias."""
    for operator, left, right, made in (
        ("MatMul", None, "inward", "inner"),
        ("Add", "inner", "inward_bias", "u"),
        ("Mul", "u", "u", "u2"),
        ("Mul", "u2", "u", "u3"),
        ("Mul", "u3", "cube", "cubic"),
        ("Add", "u", "cubic", "sum"),
        ("Mul", "sum", "slope", "slanted"),
        ("Tanh", "slanted", None, "tanh"),
        ("Add", "tanh", "one", "lifted"),
        ("Mul", "lifted", "u", "doubled"),
        ("Mul", "doubled", "half", "gelu"),
        ("MatMul", "gelu", "outward", "bent"),
    ):
        inputs = [prefix + left if left else source, *([prefix + right] if right else [])]
        yield helper.make_node(operator, inputs, [prefix + made])


def _replace_outputs(model: ModelProto, output: str, target: str, width: int) -> None:
    """Give the new vectors out and nothing else; the rows keep the name or number that they had."""
    graph = model.graph
    kept = next(value for value in graph.output if value.name == output)
    made = onnx.ValueInfoProto()
    made.CopyFrom(kept)
    made.name = target
    columns = made.type.tensor_type.shape.dim[1]
    columns.Clear()
    columns.dim_value = width
    del graph.output[:]
    graph.output.append(made)
