"""Small ONNX models and their manifests, made with ``onnx.helper``; every default is valid."""

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

OPSET = 17
IR_VERSION = 8


def a_linear_model(
    weights: np.ndarray | None = None,
    *,
    shape: Sequence[int] = (4,),
    columns: int = 3,
    batch: int | str = "rows",
    input_name: str = "input",
    output_name: str = "logits",
    dtype: int = TensorProto.FLOAT,
) -> ModelProto:
    """Return a graph that flattens a sample and multiplies it by ``weights`` (inputs, columns)."""
    size = int(np.prod(shape))
    if weights is None:
        weights = np.random.default_rng(0).normal(size=(size, columns))
    weights = np.asarray(weights, dtype=np.float32)
    nodes = [
        helper.make_node("Cast", [input_name], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("Flatten", ["numbers"], ["flat"], axis=1),
        helper.make_node("MatMul", ["flat", "weights"], [output_name]),
    ]
    return a_model(
        nodes,
        shape=shape,
        columns=weights.shape[1],
        batch=batch,
        input_name=input_name,
        output_name=output_name,
        dtype=dtype,
        initialisers=[numpy_helper.from_array(weights, "weights")],
    )


def a_model(
    nodes: Sequence[NodeProto],
    *,
    shape: Sequence[int] = (4,),
    columns: int | None = 3,
    batch: int | str = "rows",
    input_name: str = "input",
    output_name: str = "logits",
    dtype: int = TensorProto.FLOAT,
    output_shape: Sequence[int | str] | None = None,
    initialisers: Sequence[TensorProto] = (),
    domains: Sequence[str] = (),
) -> ModelProto:
    """Return a graph of ``nodes`` from one input to one float output."""
    if output_shape is None and columns is not None:
        output_shape = [batch, columns]
    graph = helper.make_graph(
        list(nodes),
        "graph",
        [helper.make_tensor_value_info(input_name, dtype, [batch, *shape])],
        [helper.make_tensor_value_info(output_name, TensorProto.FLOAT, output_shape)],
        list(initialisers),
    )
    opsets = [helper.make_opsetid("", OPSET), *(helper.make_opsetid(name, 1) for name in domains)]
    return helper.make_model(
        graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="tests"
    )


def a_classifier_manifest(
    classes: Sequence[str] = ("a", "b", "c"),
    *,
    shape: Sequence[int] = (4,),
    dtype: str = "float32",
    preprocessing: dict[str, object] | None = None,
) -> dict[str, object]:
    """Return the manifest of ``a_linear_model()``."""
    manifest: dict[str, object] = {
        "schema": 1,
        "format": "onnx",
        "task": "classification",
        "input": {"name": "input", "dtype": dtype, "shape": list(shape)},
        "output": {"name": "logits", "kind": "logits", "classes": list(classes)},
    }
    return manifest if preprocessing is None else manifest | {"preprocessing": preprocessing}


def an_encoder_manifest(
    dimension: int = 3,
    *,
    shape: Sequence[int] = (4,),
    dtype: str = "float32",
    normalisation: str = "l2",
    distance: str = "cosine",
    preprocessing: dict[str, object] | None = None,
) -> dict[str, object]:
    """Return the manifest of ``a_linear_model()`` read as an encoder."""
    output = {
        "name": "logits",
        "kind": "embedding",
        "dimension": dimension,
        "normalisation": normalisation,
        "distance": distance,
    }
    manifest = a_classifier_manifest(shape=shape, dtype=dtype, preprocessing=preprocessing)
    return manifest | {"task": "embedding", "output": output}


def a_recorded_manifest(manifest: dict[str, object]) -> dict[str, object]:
    """Return ``manifest`` as one of outputs without weights."""
    kept = {key: manifest[key] for key in ("schema", "task", "output")}
    return kept | {"format": "recorded"}


def a_model_that_divides_by_zero() -> ModelProto:
    """Return a graph that puts out NaN for a sample of zeros and 1 for others."""
    return a_model([helper.make_node("Div", ["input", "input"], ["logits"])], shape=(3,))


def a_model_that_drops_a_row() -> ModelProto:
    """Return a graph that puts out one row less than it takes."""
    limits = [
        numpy_helper.from_array(np.array([0], dtype=np.int64), "start"),
        numpy_helper.from_array(np.array([-1], dtype=np.int64), "end"),
    ]
    nodes = [helper.make_node("Slice", ["input", "start", "end"], ["logits"])]
    return a_model(nodes, shape=(3,), output_shape=["fewer", 3], initialisers=limits)


def a_model_that_never_ends() -> ModelProto:
    """Return a graph whose loop has no last round."""
    true = numpy_helper.from_array(np.array(True), "true")
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go_in"], ["go_out"]),
            helper.make_node("Identity", ["state_in"], ["state_out"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("round", TensorProto.INT64, []),
            helper.make_tensor_value_info("go_in", TensorProto.BOOL, []),
            helper.make_tensor_value_info("state_in", TensorProto.FLOAT, ["rows", 3]),
        ],
        [
            helper.make_tensor_value_info("go_out", TensorProto.BOOL, []),
            helper.make_tensor_value_info("state_out", TensorProto.FLOAT, ["rows", 3]),
        ],
    )
    loop = helper.make_node("Loop", ["", "true", "input"], ["logits"], body=body)
    return a_model([loop], shape=(3,), initialisers=[true])


def a_model_that_needs_memory(numbers: int = 2**40) -> ModelProto:
    """Return a graph that fills ``numbers`` floats for each run, whatever it is given."""
    wanted = numpy_helper.from_array(np.array([numbers], dtype=np.int64), "wanted")
    nodes = [
        helper.make_node("Shape", ["input"], ["sizes"]),
        helper.make_node("ReduceMax", ["sizes"], ["one_size"], keepdims=1),
        helper.make_node("Mul", ["one_size", "wanted"], ["many"]),
        helper.make_node("ConstantOfShape", ["many"], ["filled"]),
        helper.make_node("ReduceSum", ["filled"], ["sum"], keepdims=0),
        helper.make_node("Add", ["input", "sum"], ["logits"]),
    ]
    return a_model(nodes, shape=(3,), initialisers=[wanted])


def a_model_with_nested_branches(depth: int) -> ModelProto:
    """Return a graph of ``If`` inside ``If``: 2 ** depth branches."""

    def branch(left: int, name: str) -> onnx.GraphProto:
        output = helper.make_tensor_value_info(f"out_{name}", TensorProto.FLOAT, None)
        if left == 0:
            nodes = [helper.make_node("Identity", ["input"], [output.name])]
        else:
            nodes = [choice(left, name, output.name)]
        return helper.make_graph(nodes, name, [], [output])

    def choice(left: int, name: str, output: str) -> NodeProto:
        return helper.make_node(
            "If",
            ["positive"],
            [output],
            then_branch=branch(left - 1, f"{name}t"),
            else_branch=branch(left - 1, f"{name}e"),
        )

    nodes = [
        helper.make_node("ReduceSum", ["input"], ["sum"], keepdims=0),
        helper.make_node("Greater", ["sum", "zero"], ["positive"]),
        choice(depth, "b", "logits"),
    ]
    zero = numpy_helper.from_array(np.array(0, dtype=np.float32), "zero")
    return a_model(nodes, shape=(3,), initialisers=[zero])


def with_tensors_outside(model: ModelProto, tensor: TensorProto) -> ModelProto:
    """Mark ``tensor``, a part of ``model``, as lying in another file; return the model."""
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")
    return model
