"""The ONNX runner: what it does to batches, what it refuses, what it never does."""

import os
import subprocess
import sys

import numpy as np
import pytest

from tests.builders.onnx_models import (
    a_classifier_manifest,
    a_linear_model,
    a_model_that_divides_by_zero,
    a_model_that_drops_a_row,
    an_encoder_manifest,
)
from tests.builders.samples import WEIGHTS, scores, some_samples
from workers import onnx_session
from workers.errors import PermanentError
from workers.onnx_session import OutOfMemoryError, Session
from workers.runners import onnx_runner
from workers.runners.onnx_runner import OnnxRunner, planned_rows
from workers.signature import Signature


def a_runner(model=None, manifest=None):
    model = model or a_linear_model(WEIGHTS)
    return OnnxRunner(model.SerializeToString(), manifest or a_classifier_manifest())


def refusal(runner, samples):
    with pytest.raises(PermanentError) as refused:
        runner.run(samples)
    return refused.value


def test_telemetry_is_off_before_the_library_is_loaded():
    code = """
import os, sys
class Watch:
    def find_spec(self, name, path=None, target=None):
        if name == "onnxruntime":
            print(os.environ.get("ORT_DISABLE_TELEMETRY"))
        return None
sys.meta_path.insert(0, Watch())
import workers.onnx_session
"""
    environment = {k: v for k, v in os.environ.items() if k != "ORT_DISABLE_TELEMETRY"}

    seen = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )

    assert seen.stdout.split() == ["1"]


def test_nothing_else_imports_onnx_runtime():
    root = onnx_session.__file__.removesuffix("onnx_session.py")
    importing = subprocess.run(
        ["grep", "-rlE", r"^\s*(import|from) onnxruntime", "--include=*.py", root],
        capture_output=True,
        text=True,
        check=True,
    )

    assert importing.stdout.split() == [onnx_session.__file__]


def test_outputs_that_are_not_finite_are_refused_with_their_row():
    manifest = a_classifier_manifest(shape=(3,))
    samples = np.ones((600, 3), dtype=np.float32)
    samples[431, 1] = 0

    refused = refusal(a_runner(a_model_that_divides_by_zero(), manifest), samples)

    assert refused.code == "outputs_not_finite"
    assert "row 431" in refused.detail


def test_a_lost_row_is_refused():
    runner = a_runner(a_model_that_drops_a_row(), a_classifier_manifest(shape=(3,)))

    assert refusal(runner, np.ones((4, 3), dtype=np.float32)).code == "output_rows"


def test_a_wrong_number_of_columns_is_refused():
    runner = a_runner(manifest=a_classifier_manifest(["a", "b"]))

    assert refusal(runner, some_samples()).code == "output_shape"


def test_a_vector_of_zeros_has_no_direction():
    samples = some_samples()
    samples[4] = 0

    refused = refusal(a_runner(manifest=an_encoder_manifest(normalisation="l2")), samples)

    assert refused.code == "zero_embedding"
    assert "row 4" in refused.detail
    a_runner(manifest=an_encoder_manifest(normalisation="none")).run(samples)


@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("rows", [1, 3, 4, 9])
def test_a_graph_with_a_fixed_batch_gets_it_filled(batch, rows):
    runner = a_runner(a_linear_model(WEIGHTS, batch=batch))

    outputs = runner.run(some_samples(rows), rows=7)

    assert outputs.tolist() == scores(some_samples(rows)).tolist()


def test_samples_of_another_shape_are_refused():
    assert refusal(a_runner(), np.ones((2, 5), dtype=np.float32)).code == "input_shape"


def test_bytes_may_become_floats_and_floats_bytes_only_without_loss():
    as_floats = a_runner()
    as_bytes = a_runner(a_linear_model(WEIGHTS, dtype=2), a_classifier_manifest(dtype="uint8"))
    whole = np.arange(8, dtype=np.uint8).reshape(2, 4)

    assert as_floats.run(whole).tolist() == scores(whole).tolist()
    assert as_bytes.run(whole.astype(np.float32)).tolist() == scores(whole).tolist()
    assert refusal(as_bytes, some_samples()).code == "input_dtype"
    assert refusal(as_bytes, np.full((1, 4), 256, dtype=np.float32)).code == "input_dtype"


def test_a_batch_that_does_not_fit_is_halved_until_it_does(monkeypatch):
    sizes = []

    def run(self, inputs):
        sizes.append(len(inputs))
        if len(inputs) > 3:
            raise OutOfMemoryError(len(inputs))
        return inputs @ WEIGHTS

    monkeypatch.setattr(Session, "run", run)

    outputs = a_runner().run(some_samples(14), rows=14)

    assert outputs.tolist() == scores(some_samples(14)).tolist()
    assert sizes == [14, 7, 3, 3, 3, 3, 2]


def test_one_sample_that_does_not_fit_is_out_of_memory(monkeypatch):
    def run(self, inputs):
        raise OutOfMemoryError(len(inputs))

    monkeypatch.setattr(Session, "run", run)

    assert refusal(a_runner(), some_samples()).code == "out_of_memory"


@pytest.mark.parametrize(("shape", "rows"), [((4,), 256), ((3, 224, 224), 6), ((3, 4096, 4096), 1)])
def test_the_size_of_a_batch_follows_the_bytes_of_a_sample(shape, rows):
    planned = planned_rows(Signature.of(a_classifier_manifest(shape=shape)))

    assert planned == rows
    sample_bytes = int(np.prod(shape)) * 4
    assert rows == 1 or planned * sample_bytes * onnx_runner.ACTIVATIONS <= onnx_runner.BATCH_BYTES


@pytest.mark.skipif(onnx_session.cuda_is_available(), reason="there is a CUDA device here")
def test_cuda_is_refused_where_there_is_none_and_auto_does_without():
    model = a_linear_model(WEIGHTS).SerializeToString()

    with pytest.raises(PermanentError) as refused:
        OnnxRunner(model, a_classifier_manifest(), device="cuda")

    assert refused.value.code == "no_cuda"
    runner = OnnxRunner(model, a_classifier_manifest(), device="auto")
    assert runner.provider == "CPUExecutionProvider"


@pytest.mark.gpu
@pytest.mark.skipif(not onnx_session.cuda_is_available(), reason="no CUDA device")
def test_cuda_gives_what_the_processor_gives():
    model = a_linear_model(WEIGHTS).SerializeToString()
    runner = OnnxRunner(model, a_classifier_manifest(), device="cuda")

    np.testing.assert_allclose(runner.run(some_samples()), scores(some_samples()), rtol=1e-5)
    assert runner.provider == "CUDAExecutionProvider"
