"""The appended operators say what the fitted map says, in every operator set that is accepted."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
import torch.nn.functional as F
from onnx import numpy_helper

from compat.adapters.vector_map import Hidden, VectorMap
from tests.builders.onnx_models import OPSET, a_linear_model, an_encoder_manifest
from workers.artifacts.onnx_append import append_adapter
from workers.artifacts.onnx_checks import OPSETS, read_model

ROWS = torch.randn(9, 4, generator=torch.Generator().manual_seed(1))
WEIGHTS = np.random.default_rng(2).normal(size=(4, 3)).astype(np.float32)


def a_map(d: int = 3, e: int = 5, h: int | None = 8) -> VectorMap:
    generator = torch.Generator().manual_seed(0)

    def some(*shape):
        return torch.randn(*shape, generator=generator)

    hidden = Hidden(some(d, h), some(h), some(h, e)) if h else None
    return VectorMap(some(d, e), some(e), hidden)


def run(data: bytes, output: str) -> np.ndarray:
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    assert [value.name for value in session.get_outputs()] == [output]
    return session.run([output], {"input": ROWS.numpy()})[0]


def a_graph(opset: int = OPSET, **changes) -> bytes:
    model = a_linear_model(WEIGHTS, **changes)
    model.opset_import[0].version = opset
    return model.SerializeToString()


@pytest.mark.parametrize("hidden", [None, 8])
@pytest.mark.parametrize("unit_length", [True, False])
def test_the_graph_puts_out_what_the_map_makes_of_the_encoder_s_vectors(hidden, unit_length):
    adapter = a_map(h=hidden)

    data, output = append_adapter(a_graph(), "logits", adapter, unit_length=unit_length)

    vectors = ROWS @ torch.from_numpy(WEIGHTS)
    expected = adapter(F.normalize(vectors) if unit_length else vectors)
    assert run(data, output) == pytest.approx(expected.numpy(), abs=1e-5)


@pytest.mark.parametrize("opset", [OPSETS[0], 12, 18, OPSETS[-1]])
def test_every_accepted_operator_set_has_the_operators(opset, tmp_path):
    adapter = a_map()
    data, output = append_adapter(a_graph(opset), "logits", adapter, unit_length=True)
    (tmp_path / "model").write_bytes(data)
    manifest = an_encoder_manifest(5)
    manifest["output"]["name"] = output

    _, facts = read_model(tmp_path / "model", manifest)

    expected = adapter(F.normalize(ROWS @ torch.from_numpy(WEIGHTS)))
    assert facts["opset"] == opset
    assert run(data, output) == pytest.approx(expected.numpy(), abs=1e-5)


def test_an_adapted_graph_can_be_adapted_again():
    first, second = a_map(), a_map(5, 2, None)
    data, output = append_adapter(a_graph(), "logits", first, unit_length=True)

    data, output = append_adapter(data, output, second, unit_length=False)

    expected = second(first(F.normalize(ROWS @ torch.from_numpy(WEIGHTS))))
    assert run(data, output) == pytest.approx(expected.numpy(), abs=1e-5)


def test_the_encoder_s_own_weights_are_left_as_they_were():
    data, _ = append_adapter(a_graph(), "logits", a_map(), unit_length=True)

    kept = {t.name: t for t in onnx.load_model_from_string(data).graph.initializer}

    assert (numpy_helper.to_array(kept["weights"]) == WEIGHTS).all()


def test_a_graph_with_a_fixed_number_of_rows_keeps_it():
    data, _ = append_adapter(a_graph(batch=9), "logits", a_map(), unit_length=True)

    (made,) = onnx.load_model_from_string(data).graph.output

    assert [axis.dim_value for axis in made.type.tensor_type.shape.dim] == [9, 5]


def test_the_same_graph_and_map_make_the_same_bytes():
    first, second = (
        append_adapter(a_graph(), "logits", a_map(), unit_length=True) for _ in range(2)
    )

    assert first == second
