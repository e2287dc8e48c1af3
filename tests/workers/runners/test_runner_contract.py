"""What every runner promises, asked of each in turn: ONNX, recorded, and the resident child."""

import numpy as np
import pytest

from tests.builders.onnx_models import a_linear_model, an_encoder_manifest
from tests.builders.samples import WEIGHTS, scores, some_samples, unit_vectors
from workers.errors import PermanentError
from workers.runners.limits import GIB, Limits
from workers.runners.onnx_runner import OnnxRunner
from workers.runners.recorded import RecordedRunner
from workers.runners.resident import ResidentChild

pytestmark = pytest.mark.process

LIMITS = Limits(memory_bytes=GIB, cpu_s=None, file_bytes=2**20)


@pytest.fixture(params=["onnx", "recorded", "resident"])
def make(request, tmp_path):
    """Make a runner of the linear model for a manifest; end it when the test ends."""
    made = []
    model = a_linear_model(WEIGHTS).SerializeToString()

    def onnx(manifest):
        return OnnxRunner(model, manifest)

    def recorded(manifest):
        return RecordedRunner(manifest, some_samples(50), scores(some_samples(50)))

    def resident(manifest):
        (tmp_path / "model.onnx").write_bytes(model)
        child = ResidentChild(tmp_path / "model.onnx", manifest, device="cpu", limits=LIMITS)
        made.append(child)
        return child

    yield locals()[request.param]
    for child in made:
        child.close()


@pytest.mark.parametrize("rows", [1, 6, 50])
def test_each_sample_has_its_output_in_its_place(make, rows):
    runner = make(an_encoder_manifest(normalisation="none"))

    outputs = runner.run(some_samples(rows))

    assert outputs.dtype == np.float32
    assert outputs.tolist() == scores(some_samples(rows)).tolist()


@pytest.mark.parametrize("rows", [1, 4, 5, 100])
def test_the_size_of_a_batch_changes_nothing(make, rows):
    runner = make(an_encoder_manifest(normalisation="none"))

    outputs = runner.run(some_samples(9), rows=rows)

    assert outputs.tolist() == scores(some_samples(9)).tolist()


def test_embeddings_are_scaled_as_the_manifest_says(make):
    runner = make(an_encoder_manifest(normalisation="l2"))

    outputs = runner.run(some_samples())

    np.testing.assert_allclose(outputs, unit_vectors(some_samples()), atol=1e-6)


def test_nothing_in_is_nothing_out(make):
    runner = make(an_encoder_manifest())

    assert runner.run(some_samples(6)[:0]).shape == (0, 3)


def test_progress_ends_with_all_of_them(make):
    runner = make(an_encoder_manifest())
    told = []

    runner.run(some_samples(6), rows=4, report=lambda done, total: told.append((done, total)))

    assert told[-1] == (6, 6)


def test_it_says_what_computes(make):
    runner = make(an_encoder_manifest())

    runner.run(some_samples())

    assert runner.provider in ("CPUExecutionProvider", "recorded")


def test_a_refusal_leaves_the_runner_usable(make):
    runner = make(an_encoder_manifest())

    with pytest.raises(PermanentError) as refused:
        runner.run(np.ones((2, 5), dtype=np.float32))

    assert refused.value.code in ("input_shape", "not_recorded")
    assert runner.run(some_samples()).shape == (6, 3)
