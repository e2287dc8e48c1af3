"""What is asked of an ONNX file before any runtime sees it: nothing here runs the graph."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import onnx
from google.protobuf.message import DecodeError, Message
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto

from workers.artifacts.content import looks_like, read_capped
from workers.errors import PermanentError
from workers.signature import Signature

MAX_BYTES = 2**30
"""Size of a model (chosen): a protobuf may not exceed 2 GiB, and it is held three times."""

MAX_NODES = 50_000
"""Nodes in all graphs and subgraphs (chosen): a ViT-L has about 3,000."""

MAX_DEPTH = 6
"""Graphs inside graphs (chosen): loading doubles its work with every level."""

DOMAINS = ("", "ai.onnx", "ai.onnx.ml")

OPSETS = range(7, 27)
"""Versions of the standard operators that this ONNX Runtime (1.31) runs as released."""

MAX_IR_VERSION = 13
"""The newest file format that this ONNX Runtime (1.31) reads."""

CHECKER_ERRORS = (
    onnx.checker.ValidationError,
    onnx.shape_inference.InferenceError,
    ValueError,  # names that are not UTF-8, numbers of unknown types
    RuntimeError,
)

DTYPES = {TensorProto.FLOAT: "float32", TensorProto.UINT8: "uint8"}


def read_model(path: Path, manifest: Mapping[str, Any]) -> tuple[bytes, dict[str, Any]]:
    """Return the bytes of an upload that passed every check, and what it says of itself.

    The bytes returned are the bytes checked: load these, never the file again.

    Raises:
        PermanentError: ``too_large``, ``format_not_supported``, ``not_a_model``,
            ``external_data``, ``operator_domain``, ``opset``, ``too_complex``,
            ``manifest_mismatch``.
    """
    data = read_capped(path, MAX_BYTES)
    model = _parsed(data, path)
    try:
        _require_self_contained(model)
        _require_known_operators(model)
        _require_modest(model)
        _require_known_versions(model)
        _require_manifest(model.graph, Signature.of(manifest))
        _require_valid(data)
        return data, _facts(model)
    except UnicodeDecodeError as exc:
        raise PermanentError("not_a_model", f"a name in the file is not UTF-8: {exc}") from None


def _parsed(data: bytes, path: Path) -> ModelProto:
    model = ModelProto()
    try:
        model.ParseFromString(data)
    except DecodeError:
        raise _not_onnx(path) from None
    if not model.HasField("graph") or not model.graph.output:
        raise _not_onnx(path)
    return model


def _not_onnx(path: Path) -> PermanentError:
    known = looks_like(path)
    if known:
        return PermanentError(
            "format_not_supported",
            f"this looks like {known}; a model is uploaded as ONNX, and nothing that can carry "
            "code is opened",
        )
    return PermanentError("not_a_model", "this is not an ONNX file, or only a part of one")


def messages(root: Message) -> Iterator[tuple[Message, int]]:
    """Yield every message inside ``root`` with the number of graphs around it.

    All fields are followed, whatever they are called, so that no place of a file format that
    grows can be forgotten. The inside of tensors is not: it holds only numbers.
    """
    waiting: list[tuple[Message, int]] = [(root, 0)]
    while waiting:
        message, depth = waiting.pop()
        yield message, depth
        if isinstance(message, TensorProto):
            continue
        inner = depth + isinstance(message, GraphProto)
        for field, value in message.ListFields():
            if field.message_type is not None:
                several = value if field.is_repeated else (value,)
                waiting.extend((part, inner) for part in several)


def _require_self_contained(model: ModelProto) -> None:
    for message, _ in messages(model):
        if isinstance(message, TensorProto) and (
            message.data_location != TensorProto.DEFAULT or message.external_data
        ):
            raise PermanentError(
                "external_data",
                f"tensor {message.name!r} lies in another file; save the model with its data "
                "inside",
            )


def _require_known_operators(model: ModelProto) -> None:
    if model.functions:
        function = model.functions[0]
        raise PermanentError(
            "operator_domain",
            f"the model defines the function {function.name!r} in domain {function.domain!r}; "
            "inline its functions before the upload",
        )
    for message, _ in messages(model):
        if not isinstance(message, NodeProto):
            continue
        if message.domain not in DOMAINS or message.op_type == "EPContext":
            raise PermanentError(
                "operator_domain",
                f"node {message.name!r} uses the operator {message.op_type!r} of domain "
                f"{message.domain!r}; only standard operators are run",
            )


def _require_modest(model: ModelProto) -> None:
    nodes = 0
    for message, depth in messages(model):
        nodes += isinstance(message, NodeProto)
        if nodes > MAX_NODES:
            raise PermanentError("too_complex", f"the model has more than {MAX_NODES} nodes")
        if depth > MAX_DEPTH:
            raise PermanentError("too_complex", f"graphs are nested deeper than {MAX_DEPTH} levels")


def _require_known_versions(model: ModelProto) -> None:
    opset = _opset(model)
    if opset not in OPSETS or model.ir_version > MAX_IR_VERSION:
        raise PermanentError(
            "opset",
            f"the model asks for operator set {opset} in file format {model.ir_version}; "
            f"operator sets {OPSETS[0]} to {OPSETS[-1]} and file formats up to "
            f"{MAX_IR_VERSION} are run",
        )


def _opset(model: ModelProto) -> int:
    """Return the version of the standard operators; a file that names two is ambiguous."""
    versions = [entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")]
    if len(versions) != 1:
        raise PermanentError(
            "opset", f"the model names {len(versions)} versions of the standard operators"
        )
    return versions[0]


def _require_manifest(graph: GraphProto, signature: Signature) -> None:
    names = Counter(value.name for value in (*graph.input, *graph.output))
    initialisers = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in initialisers]
    if [value.name for value in inputs] != [signature.input_name]:
        raise _mismatch(
            f"the graph takes {_listed(inputs)}; the manifest says one input, "
            f"{signature.input_name!r}"
        )
    outputs = [value for value in graph.output if value.name == signature.output_name]
    if len(outputs) != 1 or names[signature.output_name] != 1:
        raise _mismatch(
            f"the graph gives {_listed(graph.output)}; the manifest says {signature.output_name!r}"
        )
    _require_dtype(inputs[0], signature.input_dtype)
    _require_dtype(outputs[0], "float32")
    _require_shape(inputs[0], signature.input_shape)
    _require_shape(outputs[0], (signature.width,))


def _require_dtype(value: ValueInfoProto, dtype: str) -> None:
    """A value that is no tensor has no element type, and so is none of ours."""
    found = value.type.tensor_type.elem_type
    if DTYPES.get(found) != dtype:
        raise _mismatch(f"{value.name!r} holds {_dtype(value)}; it must hold {dtype}")


def _require_shape(value: ValueInfoProto, sample: tuple[int, ...]) -> None:
    """Compare what the graph fixes with one sample behind a batch axis; names match any size."""
    found = _shape(value)
    agrees = len(found) == 1 + len(sample) and all(
        not isinstance(size, int) or size == wanted
        for size, wanted in zip(found[1:], sample, strict=True)
    )
    if not agrees or found[0] == 0:
        raise _mismatch(
            f"{value.name!r} has shape {found}; the manifest makes it {['rows', *sample]}"
        )


def _require_valid(data: bytes) -> None:
    try:
        onnx.checker.check_model(data, full_check=True)
    except CHECKER_ERRORS as exc:
        raise PermanentError(
            "not_a_model", f"the ONNX checker refuses it: {str(exc).strip()[:300]}"
        ) from None


def _facts(model: ModelProto) -> dict[str, Any]:
    tensors = (message for message, _ in messages(model) if isinstance(message, TensorProto))
    return {
        "opset": _opset(model),
        "producer": f"{model.producer_name} {model.producer_version}".strip()[:200],
        "parameters": sum(math.prod(tensor.dims) for tensor in tensors),
        "inputs": [_described(value) for value in model.graph.input],
        "outputs": [_described(value) for value in model.graph.output],
    }


def _described(value: ValueInfoProto) -> dict[str, Any]:
    return {"name": value.name, "dtype": _dtype(value), "shape": _shape(value)}


def _dtype(value: ValueInfoProto) -> str:
    """Return the name of the element type; ``undefined`` for what is no tensor."""
    number = value.type.tensor_type.elem_type
    names = {number: name.lower() for name, number in TensorProto.DataType.items()}
    return DTYPES.get(number) or names.get(number, "other")


def _shape(value: ValueInfoProto) -> list[int | str]:
    """Return sizes, with a name, or ``?``, for an axis of any size."""
    return [
        axis.dim_value if axis.HasField("dim_value") else axis.dim_param or "?"
        for axis in value.type.tensor_type.shape.dim
    ]


def _listed(values: Any) -> str:
    return ", ".join(repr(value.name) for value in values)[:300] or "nothing"


def _mismatch(detail: str) -> PermanentError:
    return PermanentError("manifest_mismatch", detail)
