"""Outputs of a version on a set: right rows, right classes, and a second run of a few."""

import numpy as np
import pytest

from tests.builders.onnx_models import (
    a_classifier_manifest,
    a_linear_model,
    a_model_that_divides_by_zero,
    an_encoder_manifest,
)
from tests.builders.samples import WEIGHTS, scores, some_samples, unit_vectors
from tests.builders.tables import columns, npz
from workers.artifacts import inspect_set
from workers.errors import PermanentError
from workers.pipelines.compute_outputs import REPEAT_BATCH, repeated_rows, run_set
from workers.runners.limits import GIB, Limits
from workers.runners.process import run_child
from workers.runners.recorded import RecordedRunner
from workers.signature import Signature

LIMITS = Limits(memory_bytes=GIB, cpu_s=30, wall_s=60)


def silent(done, total):
    pass


def a_set(folder, rows=100, **changes):
    changed = {"input": some_samples(rows)} | changes
    npz(folder, columns(rows, **changed), name="set-upload")
    inspect_set.main({"artifact": "set-upload", "task": "embedding"}, folder, silent)


def compute(folder, manifest, model=None, on_progress=None):
    (folder / "model").write_bytes((model or a_linear_model(WEIGHTS)).SerializeToString())
    job = {"artifact": "model", "manifest": manifest, "set": "set.npz", "device": "cpu"}
    result = run_child(
        "workers.pipelines.compute_outputs",
        job,
        folder=folder,
        limits=LIMITS,
        on_progress=on_progress,
    )
    with np.load(folder / "outputs.npz", allow_pickle=False) as kept:
        return result, dict(kept)


@pytest.mark.process
def test_a_classifier_s_outputs_are_stored_with_its_classes_matched_by_name(tmp_path):
    a_set(tmp_path)
    told = []

    result, kept = compute(
        tmp_path,
        a_classifier_manifest(["c", "x", "a"]),
        on_progress=lambda done, total: told.append((done, total)),
    )

    wanted = scores(some_samples(100))
    assert result["rows"] == 100
    assert result["dimension"] == 3
    assert result["provider"] == "CPUExecutionProvider"
    assert result["duration_s"] > 0
    assert kept["ids"].tolist() == [f"m-{row}" for row in range(100)]
    assert kept["outputs"].tolist() == wanted.tolist()
    # The set knows a, b, c; the columns are c, x, a.
    assert kept["predicted"].tolist() == [[2, -1, 0][best] for best in wanted.argmax(axis=1)]
    assert told[-1] == (100, 100)


@pytest.mark.process
def test_some_rows_are_run_twice_and_kept_in_their_places(tmp_path):
    a_set(tmp_path)

    _, kept = compute(tmp_path, an_encoder_manifest())

    rows = kept["repeat_rows"]
    assert len(rows) == 64
    assert rows[0] == 0
    assert rows[-1] == 99
    assert (np.diff(rows) > 0).all()
    np.testing.assert_allclose(kept["repeat_outputs"], kept["outputs"][rows], atol=1e-6)
    np.testing.assert_allclose(kept["outputs"], unit_vectors(some_samples(100)), atol=1e-6)
    assert "predicted" not in kept


class OrderMindingRunner(RecordedRunner):
    """A cheat: it answers by place in the batch, and remembers how it was asked."""

    def __init__(self, manifest):
        super().__init__(manifest, some_samples(1), scores(some_samples(1)))
        self.asked = []

    def run(self, inputs, *, rows=None, report=silent):
        self.asked.append((inputs.copy(), rows))
        return np.repeat(np.arange(len(inputs), dtype=np.float32)[:, None] + 1, 3, axis=1)


def test_a_version_that_minds_the_order_gives_another_answer_the_second_time(tmp_path):
    a_set(tmp_path)
    judged = inspect_set.CanonicalSet.read(tmp_path / "set.npz")
    manifest = an_encoder_manifest(normalisation="none")
    runner = OrderMindingRunner(manifest)

    outputs = run_set(runner, Signature.of(manifest), judged, silent)

    (first, _), (second, rows) = runner.asked
    assert first.tolist() == some_samples(100).tolist()
    assert second.tolist() == some_samples(100)[outputs.repeat_rows[::-1]].tolist()
    assert rows == REPEAT_BATCH
    assert (outputs.repeat_outputs != outputs.outputs[outputs.repeat_rows]).any()


@pytest.mark.parametrize(("rows", "count"), [(1, 1), (2, 2), (64, 64), (65, 64), (10_000, 64)])
def test_repeated_rows_spread_from_the_first_to_the_last(rows, count):
    chosen = repeated_rows(rows)

    assert len(set(chosen.tolist())) == count
    assert chosen[0] == 0
    assert chosen[-1] == rows - 1
    assert np.diff(chosen).max(initial=0) <= rows / max(count - 1, 1) + 1


@pytest.mark.process
@pytest.mark.parametrize(
    ("changes", "manifest", "model", "code"),
    [
        ({"input": None}, a_classifier_manifest(), None, "set_without_inputs"),
        ({"input": np.ones((100, 5), np.float32)}, a_classifier_manifest(), None, "input_shape"),
        ({}, a_classifier_manifest(["a", "b"]), None, "manifest_mismatch"),
        (
            {"input": np.zeros((100, 3), np.float32)},
            a_classifier_manifest(shape=(3,)),
            a_model_that_divides_by_zero(),
            "outputs_not_finite",
        ),
    ],
)
def test_what_cannot_be_computed_is_refused_and_nothing_is_left(
    tmp_path, changes, manifest, model, code
):
    a_set(tmp_path, **changes)

    with pytest.raises(PermanentError) as refused:
        compute(tmp_path, manifest, model)

    assert refused.value.code == code
    assert not (tmp_path / "outputs.npz").exists()
