"""Vectors of a batch of items."""

import json

import numpy as np
import pytest

from tests.builders.onnx_models import a_classifier_manifest, a_linear_model, an_encoder_manifest
from tests.builders.samples import WEIGHTS, some_samples, unit_vectors
from tests.builders.tables import npz, parquet
from workers.errors import PermanentError
from workers.pipelines.embed_batch import main
from workers.runners.limits import GIB, Limits
from workers.runners.process import run_child

IDS = ["é", "b", "a", "4", "5", "6"]


def silent(done, total):
    pass


def a_job(folder, manifest=None, *, write=npz, **changes):
    arrays = {"id": IDS, "input": some_samples(6), "title": ["t"] * 6} | changes
    write(folder, {name: values for name, values in arrays.items() if values is not None})
    (folder / "model").write_bytes(a_linear_model(WEIGHTS).SerializeToString())
    return {
        "artifact": "model",
        "manifest": manifest or an_encoder_manifest(),
        "batch": "upload",
        "device": "cpu",
    }


@pytest.mark.process
@pytest.mark.parametrize("write", [npz, parquet])
def test_vectors_and_ids_are_left_row_by_row_alike(tmp_path, write):
    job = a_job(tmp_path, write=write)
    limits = Limits(memory_bytes=GIB, cpu_s=30)

    result = run_child("workers.pipelines.embed_batch", job, folder=tmp_path, limits=limits)

    assert result == {"rows": 6, "dimension": 3, "provider": "CPUExecutionProvider"}
    assert json.loads((tmp_path / "ids.json").read_text(encoding="utf-8")) == IDS
    vectors = np.fromfile(tmp_path / "vectors.f32", dtype=np.float32).reshape(6, 3)
    np.testing.assert_allclose(vectors, unit_vectors(some_samples(6)), atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"input": None}, "missing_column"),
        ({"id": None}, "missing_column"),
        ({"id": ["a"] * 6}, "duplicate_id"),
        ({"input": np.ones((6, 5), np.float32)}, "input_shape"),
        ({"input": np.zeros((6, 4), np.float32)}, "zero_embedding"),
        ({"input": np.full((6, 4), np.nan, np.float32)}, "not_finite"),
        ({"input": None, "text": ["hello"] * 6}, "text_not_supported"),
        ({"manifest": a_classifier_manifest()}, "not_an_encoder"),
    ],
)
def test_a_batch_that_cannot_be_embedded_is_refused_and_nothing_is_left(tmp_path, changes, code):
    job = a_job(tmp_path, **changes)

    with pytest.raises(PermanentError) as refused:
        main(job, tmp_path, silent)

    assert refused.value.code == code
    assert not (tmp_path / "vectors.f32").exists()
