"""Static checks of an uploaded graph: what is refused before any runtime sees it."""

import io
import zipfile

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.builders.onnx_models import (
    IR_VERSION,
    OPSET,
    a_classifier_manifest,
    a_linear_model,
    a_model,
    a_model_that_never_ends,
    a_model_with_nested_branches,
    with_tensors_outside,
)
from workers.artifacts import onnx_checks
from workers.artifacts.onnx_checks import read_model
from workers.errors import PermanentError

THREE = a_classifier_manifest(shape=(3,))


def written(tmp_path, model):
    path = tmp_path / "upload"
    path.write_bytes(model if isinstance(model, bytes) else model.SerializeToString())
    return path


def refusal(tmp_path, model, manifest=None):
    with pytest.raises(PermanentError) as refused:
        read_model(written(tmp_path, model), manifest or a_classifier_manifest())
    return refused.value


def a_tensor(name="values"):
    return numpy_helper.from_array(np.ones(3, dtype=np.float32), name)


def test_a_good_model_is_returned_with_what_it_says_of_itself(tmp_path):
    model = a_linear_model()

    data, facts = read_model(written(tmp_path, model), a_classifier_manifest())

    assert data == model.SerializeToString()
    assert facts == {
        "opset": OPSET,
        "producer": "tests",
        "parameters": 12,
        "inputs": [{"name": "input", "dtype": "float32", "shape": ["rows", 4]}],
        "outputs": [{"name": "logits", "dtype": "float32", "shape": ["rows", 3]}],
    }


def a_constant(**attribute):
    nodes = [
        helper.make_node("Constant", [], ["values"], **attribute),
        helper.make_node("Add", ["input", "values"], ["logits"]),
    ]
    return a_model(nodes, shape=(3,))


def outside_in_an_initialiser():
    model = a_linear_model()
    return with_tensors_outside(model, model.graph.initializer[0])


def outside_in_an_attribute():
    model = a_constant(value=a_tensor())
    return with_tensors_outside(model, model.graph.node[0].attribute[0].t)


def outside_in_a_subgraph():
    model = a_model_with_nested_branches(2)
    branch = model.graph.node[-1].attribute[0].g.node[0].attribute[1].g
    branch.initializer.append(a_tensor())
    return with_tensors_outside(model, branch.initializer[0])


def outside_in_a_sparse_initialiser(part):
    def make():
        model = a_linear_model()
        indices = numpy_helper.from_array(np.array([0, 1, 2], dtype=np.int64), "i")
        model.graph.sparse_initializer.append(
            helper.make_sparse_tensor(a_tensor("sparse"), indices, [5])
        )
        return with_tensors_outside(model, getattr(model.graph.sparse_initializer[0], part))

    return make


def outside_in_a_function():
    model = a_linear_model()
    node = helper.make_node("Constant", [], ["y"], value=a_tensor())
    function = helper.make_function("", "F", [], ["y"], [node], model.opset_import)
    model.functions.append(function)
    return with_tensors_outside(model, model.functions[0].node[0].attribute[0].t)


def outside_in_training_info():
    model = a_linear_model()
    info = model.training_info.add()
    info.initialization.initializer.append(a_tensor())
    return with_tensors_outside(model, info.initialization.initializer[0])


@pytest.mark.parametrize(
    "make",
    [
        outside_in_an_initialiser,
        outside_in_an_attribute,
        outside_in_a_subgraph,
        outside_in_a_sparse_initialiser("values"),
        outside_in_a_sparse_initialiser("indices"),
        outside_in_a_function,
        outside_in_training_info,
    ],
)
def test_data_in_another_file_is_refused_wherever_it_is_named(tmp_path, make):
    assert refusal(tmp_path, make()).code == "external_data"


def test_a_path_without_the_mark_of_external_data_is_refused_too(tmp_path):
    model = a_linear_model()
    tensor = model.graph.initializer[0]
    tensor.external_data.add(key="location", value="*/_ORT_MEM_ADDR_/*")

    assert refusal(tmp_path, model).code == "external_data"


def a_foreign_node():
    return a_model(
        [helper.make_node("Steal", ["input"], ["logits"], domain="com.evil")],
        shape=(3,),
        domains=["com.evil"],
    )


def a_foreign_node_in_a_subgraph():
    model = a_model_with_nested_branches(2)
    model.graph.node[-1].attribute[0].g.node[0].attribute[1].g.node[0].domain = "com.microsoft"
    return model


def a_compiled_context():
    return a_model(
        [helper.make_node("EPContext", ["input"], ["logits"], embed_mode=0, domain="")], shape=(3,)
    )


def a_function_of_its_own(domain):
    def make():
        model = a_linear_model()
        node = helper.make_node("Identity", ["x"], ["y"])
        function = helper.make_function(domain, "MatMul", ["x"], ["y"], [node], model.opset_import)
        model.functions.append(function)
        return model

    return make


@pytest.mark.parametrize(
    "make",
    [
        a_foreign_node,
        a_foreign_node_in_a_subgraph,
        a_compiled_context,
        a_function_of_its_own("com.evil"),
        a_function_of_its_own(""),
    ],
)
def test_only_standard_operators_are_accepted(tmp_path, make):
    assert refusal(tmp_path, make(), THREE).code == "operator_domain"


def test_the_operators_for_trees_and_linear_models_are_accepted(tmp_path):
    node = helper.make_node("Normalizer", ["input"], ["logits"], domain="ai.onnx.ml", norm="L2")
    model = a_model([node], shape=(3,), domains=["ai.onnx.ml"])

    read_model(written(tmp_path, model), THREE)


def a_zip(*names):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(zipfile.ZipInfo(name), b"x")
    return file.getvalue()


def a_torch_checkpoint():
    import torch

    file = io.BytesIO()
    torch.save({"weight": torch.zeros(2)}, file)
    return file.getvalue()


def a_torchscript_module():
    import torch

    file = io.BytesIO()
    torch.jit.save(torch.jit.trace(torch.nn.Identity(), torch.zeros(1)), file)
    return file.getvalue()


def safetensors():
    header = b'{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
    return len(header).to_bytes(8, "little") + header + bytes(4)


OTHER_FORMATS = [
    (b"\x80\x04\x95\x05\x00\x00\x00\x00\x00\x00\x00]\x94K\x01a.", "pickle"),
    (b"\x80\x02}q\x00X\x07\x00\x00\x00weightsq\x01K\x01s.", "pickle"),
    (a_torch_checkpoint, "PyTorch checkpoint"),
    (a_zip("m/code/__torch__.py", "m/constants.pkl", "m/data.pkl"), "TorchScript"),
    (a_zip("m/models/model.json", "m/archive_format", "m/data/weights/w.pt"), ".pt2"),
    (a_zip("config.json", "model.weights.h5"), "Keras"),
    (a_zip("README"), "zip archive"),
    (a_zip("a")[:30], "damaged zip"),
    (b"\x89HDF\r\n\x1a\n" + bytes(100), "HDF5"),
    (b"\x1c\0\0\0TFL3" + bytes(100), "TensorFlow Lite"),
    (b"\x1c\0\0\0ORTM" + bytes(100), ".ort"),
    (safetensors(), "safetensors"),
    (b"import os\nos.system('true')\n", "text"),
    (b"\x1f\x8b\x08" + bytes(20), "gzip"),
]


@pytest.mark.parametrize(("content", "named"), OTHER_FORMATS)
def test_other_formats_are_refused_by_name(tmp_path, content, named):
    refused = refusal(tmp_path, content() if callable(content) else content)

    assert refused.code == "format_not_supported"
    assert named in refused.detail


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_real_torchscript_module_is_recognised(tmp_path):
    assert "TorchScript" in refusal(tmp_path, a_torchscript_module()).detail


@pytest.mark.parametrize("content", [b"", bytes(100), b"\x08", b"\xff" * 64])
def test_what_is_nothing_is_not_a_model(tmp_path, content):
    assert refusal(tmp_path, content).code == "not_a_model"


def test_a_truncated_model_is_not_a_model_wherever_it_is_cut(tmp_path):
    data = a_linear_model().SerializeToString()
    codes = {refusal(tmp_path, data[:length]).code for length in range(1, len(data))}

    # The last field says which operator set is meant; without it the graph has no meaning.
    assert codes == {"not_a_model", "opset"}
    assert refusal(tmp_path, data[: len(data) // 2]).code == "not_a_model"


@pytest.mark.parametrize(
    ("opset", "ir_version", "accepted"),
    [
        (OPSET, IR_VERSION, True),
        (onnx_checks.OPSETS[-1], IR_VERSION, True),
        (onnx_checks.OPSETS[-1] + 1, IR_VERSION, False),
        (6, IR_VERSION, False),
        (OPSET, onnx_checks.MAX_IR_VERSION, True),
        (OPSET, onnx_checks.MAX_IR_VERSION + 1, False),
    ],
)
def test_only_versions_that_the_runtime_knows_are_accepted(tmp_path, opset, ir_version, accepted):
    model = a_model([helper.make_node("Relu", ["input"], ["logits"])], shape=(3,))
    model.opset_import[0].version = opset
    model.ir_version = ir_version

    if accepted:
        read_model(written(tmp_path, model), THREE)
    else:
        assert refusal(tmp_path, model, THREE).code == "opset"


def test_two_versions_of_the_standard_operators_are_ambiguous(tmp_path):
    model = a_linear_model()
    model.opset_import.add(domain="ai.onnx", version=9)

    assert refusal(tmp_path, model).code == "opset"


def test_graphs_nested_too_deep_are_refused(tmp_path):
    assert refusal(tmp_path, a_model_with_nested_branches(6), THREE).code == "too_complex"
    read_model(written(tmp_path, a_model_with_nested_branches(5)), THREE)


def test_too_many_nodes_are_refused_subgraphs_included(tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_checks, "MAX_NODES", 40)

    assert refusal(tmp_path, a_model_with_nested_branches(5), THREE).code == "too_complex"
    read_model(written(tmp_path, a_model_with_nested_branches(3)), THREE)


def test_a_file_above_the_cap_is_refused_unread(tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_checks, "MAX_BYTES", 10)

    assert refusal(tmp_path, a_linear_model()).code == "too_large"


def manifest_with(place, **changes):
    manifest = a_classifier_manifest()
    manifest[place] = manifest[place] | changes
    return manifest


def two_inputs():
    model = a_linear_model()
    extra = helper.make_tensor_value_info("mask", TensorProto.FLOAT, ["rows"])
    model.graph.input.append(extra)
    return model


def an_output_of_sequences():
    model = a_linear_model()
    sequence = helper.make_tensor_sequence_value_info("logits", TensorProto.FLOAT, None)
    model.graph.output[0].CopyFrom(sequence)
    return model


MISMATCHES = [
    (a_linear_model, manifest_with("input", name="image"), "image"),
    (a_linear_model, manifest_with("input", dtype="uint8"), "float32"),
    (a_linear_model, manifest_with("input", shape=[5]), "[4]"),
    (a_linear_model, manifest_with("input", shape=[4, 1]), "'input'"),
    (a_linear_model, manifest_with("output", name="scores"), "scores"),
    (a_linear_model, manifest_with("output", classes=["a", "b"]), "'logits'"),
    (lambda: a_linear_model(dtype=TensorProto.DOUBLE), a_classifier_manifest(), "double"),
    (two_inputs, a_classifier_manifest(), "mask"),
    (an_output_of_sequences, a_classifier_manifest(), "undefined"),
    (lambda: a_linear_model(batch=0), a_classifier_manifest(), "rows"),
]


@pytest.mark.parametrize(("make", "manifest", "named"), MISMATCHES)
def test_what_the_manifest_says_and_the_graph_does_not_is_refused(tmp_path, make, manifest, named):
    refused = refusal(tmp_path, make(), manifest)

    assert refused.code == "manifest_mismatch"
    assert named.strip("[]") in refused.detail


def test_a_graph_that_leaves_sizes_open_agrees_with_any_manifest(tmp_path):
    node = helper.make_node("Relu", ["input"], ["logits"])
    model = a_model([node], shape=("width",), output_shape=["rows", "width"])

    read_model(written(tmp_path, model), THREE)


def test_further_outputs_do_not_matter(tmp_path):
    model = a_linear_model()
    model.graph.output.append(helper.make_tensor_value_info("flat", TensorProto.FLOAT, ["rows", 4]))

    read_model(written(tmp_path, model), a_classifier_manifest())


def test_weights_that_are_listed_as_inputs_are_no_inputs(tmp_path):
    model = a_linear_model()
    model.graph.input.append(helper.make_tensor_value_info("weights", TensorProto.FLOAT, [4, 3]))

    read_model(written(tmp_path, model), a_classifier_manifest())


def an_unknown_operator():
    return a_model([helper.make_node("Guess", ["input"], ["logits"])], shape=(3,))


def a_missing_tensor():
    return a_model([helper.make_node("Add", ["input", "nowhere"], ["logits"])], shape=(3,))


def a_cycle():
    nodes = [
        helper.make_node("Add", ["input", "b"], ["a"]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Relu", ["b"], ["logits"]),
    ]
    return a_model(nodes, shape=(3,))


def shapes_that_cannot_be():
    return a_model(
        [helper.make_node("MatMul", ["input", "weights"], ["logits"])],
        shape=(3,),
        initialisers=[numpy_helper.from_array(np.ones((7, 3), dtype=np.float32), "weights")],
    )


def a_name_that_is_no_text():
    return a_missing_tensor().SerializeToString().replace(b"nowhere", b"n\xffwhere")


@pytest.mark.parametrize(
    "make",
    [
        an_unknown_operator,
        a_missing_tensor,
        a_cycle,
        shapes_that_cannot_be,
        a_name_that_is_no_text,
    ],
)
def test_an_invalid_graph_is_not_a_model(tmp_path, make):
    assert refusal(tmp_path, make(), THREE).code == "not_a_model"


def test_a_loop_without_end_is_a_valid_graph_that_only_limits_can_stop(tmp_path):
    read_model(written(tmp_path, a_model_that_never_ends()), THREE)


def test_every_place_for_a_message_is_walked():
    """A field that a later ONNX adds is walked as well, since none is named in the code."""
    model = outside_in_a_subgraph()

    kinds = {type(message).__name__ for message, _ in onnx_checks.messages(model)}

    assert {"ModelProto", "GraphProto", "NodeProto", "AttributeProto", "TensorProto"} <= kinds
    assert onnx.TensorProto in {type(message) for message, _ in onnx_checks.messages(model)}
