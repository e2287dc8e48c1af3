"""Write a network of ``compat.training.networks`` as an ONNX graph, layer by layer.

No tracing and no exporter: the same weights give the same bytes, and no file name or version of
the machine that trained ends up in the artifact.
"""

import onnx
from onnx import TensorProto, helper, numpy_helper
from torch import nn

OPSET = 18
IR_VERSION = 10


def onnx_bytes(network: nn.Sequential, sample_shape: tuple[int, ...], output: str) -> bytes:
    """Return the serialised graph: float32 ``input`` (batch, *sample_shape) to ``output``.

    Args:
        network: Conv2d, Linear, Flatten, ReLU and LeakyReLU layers in a row; the last is Linear.
        sample_shape: shape of one sample, without the batch axis.
        output: name of the graph's output.

    Raises:
        TypeError: a layer is of another kind.
    """
    nodes, weights, name = [], [], "input"
    for i, layer in enumerate(network):
        following = output if i == len(network) - 1 else f"h{i}"
        node, arrays = _node(layer, name, following, i)
        nodes.append(node)
        weights += arrays
        name = following
    graph = helper.make_graph(
        nodes,
        "network",
        [_tensor("input", sample_shape)],
        [_tensor(output, (network[-1].out_features,))],
        weights,
    )
    model = helper.make_model(
        graph,
        producer_name="graceful-registry-demo",
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)


def _node(layer: nn.Module, source: str, target: str, i: int):
    weights = [
        numpy_helper.from_array(p.detach().numpy(), f"{kind}{i}")
        for kind, p in layer.named_parameters()
    ]
    inputs = [source, *(w.name for w in weights)]
    if isinstance(layer, nn.Linear):
        return helper.make_node("Gemm", inputs, [target], transB=1), weights
    if isinstance(layer, nn.Conv2d):
        return helper.make_node(
            "Conv",
            inputs,
            [target],
            kernel_shape=list(layer.kernel_size),
            strides=list(layer.stride),
            pads=[*layer.padding, *layer.padding],
        ), weights
    if isinstance(layer, nn.LeakyReLU):
        return helper.make_node("LeakyRelu", inputs, [target], alpha=layer.negative_slope), []
    if isinstance(layer, nn.ReLU):
        return helper.make_node("Relu", inputs, [target]), []
    if isinstance(layer, nn.Flatten):
        return helper.make_node("Flatten", inputs, [target], axis=1), []
    raise TypeError(f"no ONNX form for a layer of type {type(layer).__name__}")


def _tensor(name: str, sample_shape: tuple[int, ...]):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *sample_shape])
