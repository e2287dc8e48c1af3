"""From recorded predictions and embeddings to outputs of a set."""

import numpy as np
import pytest

from tests.builders.onnx_models import (
    a_classifier_manifest,
    a_recorded_manifest,
    an_encoder_manifest,
)
from tests.builders.tables import columns, npz, parquet
from workers.artifacts import inspect_recording, inspect_set
from workers.errors import PermanentError
from workers.runners.limits import GIB, Limits
from workers.runners.process import run_child

KINDS = pytest.mark.parametrize("write", [npz, parquet])
CLASSIFIER = a_recorded_manifest(a_classifier_manifest(["c", "a", "x"]))
ENCODER = a_recorded_manifest(an_encoder_manifest(dimension=2))
PLAIN = a_recorded_manifest(an_encoder_manifest(dimension=2, normalisation="none"))
IDS = columns()["id"]


def silent(done, total):
    pass


@pytest.fixture
def folder(tmp_path):
    """A folder with a canonical set of six samples, labelled a, b, c in turn."""
    npz(tmp_path, columns(input=None), name="set-upload")
    inspect_set.main({"artifact": "set-upload", "task": "embedding"}, tmp_path, silent)
    return tmp_path


def record(folder, manifest, *, write=npz, **arrays):
    write(folder, {"id": IDS} | arrays)
    job = {"artifact": "upload", "manifest": manifest, "set": "set.npz"}
    result = inspect_recording.main(job, folder, silent)
    with np.load(folder / "outputs.npz", allow_pickle=False) as kept:
        return result, dict(kept)


def refusal(folder, manifest, **options):
    with pytest.raises(PermanentError) as refused:
        record(folder, manifest, **options)
    return refused.value


def some_scores():
    scores = np.zeros((6, 3), dtype=np.float32)
    scores[range(6), [1, 0, 2, 1, 0, 1]] = 1
    return scores


@KINDS
def test_scores_are_kept_and_classes_matched_by_name(folder, write):
    result, kept = record(folder, CLASSIFIER, write=write, output=some_scores())

    assert result == {"rows": 6, "dimension": 3}
    assert kept["ids"].tolist() == IDS
    assert kept["outputs"].tolist() == some_scores().tolist()
    # The columns are c, a, x; the set's classes are a, b, c; x is none of them.
    assert kept["predicted"].tolist() == [0, 2, -1, 0, 2, 0]
    assert kept["repeat_rows"].shape == (0,)
    assert kept["repeat_outputs"].shape == (0, 3)


@KINDS
def test_rows_are_put_into_the_order_of_the_set(folder, write):
    order = [3, 5, 0, 2, 1, 4]

    _, kept = record(
        folder,
        CLASSIFIER,
        write=write,
        id=[IDS[row] for row in order],
        output=some_scores()[order],
    )

    assert kept["ids"].tolist() == IDS
    assert kept["outputs"].tolist() == some_scores().tolist()


@KINDS
def test_class_names_alone_are_enough_for_a_classifier(folder, write):
    ids, names = IDS[::-1], list("acxaca")[::-1]

    result, kept = record(folder, CLASSIFIER, write=write, id=ids, prediction=names)

    assert result == {"rows": 6, "dimension": 0}
    assert kept["predicted"].tolist() == [0, 2, -1, 0, 2, 0]
    assert kept["outputs"].shape == (6, 0)


def test_embeddings_are_scaled_as_the_manifest_says(folder):
    vectors = np.array([[3, 4]] * 6, dtype=np.float32)

    _, scaled = record(folder, ENCODER, output=vectors)
    _, plain = record(folder, PLAIN, output=vectors)

    np.testing.assert_allclose(scaled["outputs"], [[0.6, 0.8]] * 6, rtol=1e-6)
    assert plain["outputs"].tolist() == vectors.tolist()
    assert "predicted" not in scaled


def vectors_with(value, row):
    vectors = np.ones((6, 2), dtype=np.float32)
    vectors[row] = value
    return vectors


@pytest.mark.parametrize(
    ("manifest", "arrays", "code", "words"),
    [
        (CLASSIFIER, {"id": IDS[:5], "output": some_scores()[:5]}, "ids_missing", "'m-5'"),
        (CLASSIFIER, {"id": [*IDS[:5], "new"], "output": some_scores()}, "ids_missing", "'m-5'"),
        (
            CLASSIFIER,
            {"id": [*IDS, "new"], "output": np.ones((7, 3), np.float32)},
            "ids_extra",
            "'new'",
        ),
        (CLASSIFIER, {"id": [*IDS[:5], "m-0"], "output": some_scores()}, "duplicate_id", "row 5"),
        (CLASSIFIER, {"prediction": list("acxacq")}, "label_outside_classes", "row 5"),
        (CLASSIFIER, {"prediction": ["a"] * 5 + [""]}, "missing_label", "row 5"),
        (CLASSIFIER, {"output": some_scores()[:, :2]}, "output_shape", "3"),
        (CLASSIFIER, {"output": some_scores()[:, 0]}, "output_shape", "[6]"),
        (CLASSIFIER, {}, "missing_column", "'output' or 'prediction'"),
        (CLASSIFIER, {"output": some_scores(), "prediction": list("acxaca")}, "two_outputs", ""),
        (ENCODER, {"prediction": list("acxaca")}, "missing_column", "'output'"),
        (ENCODER, {"output": vectors_with(np.nan, 4)}, "outputs_not_finite", "row 4"),
        (ENCODER, {"output": vectors_with(np.inf, 0)}, "outputs_not_finite", "row 0"),
        (ENCODER, {"output": vectors_with(0, 3)}, "zero_embedding", "row 3"),
        (ENCODER, {"output": np.ones((6, 3), np.float32)}, "output_shape", "2"),
    ],
)
def test_a_recording_that_does_not_fit_is_refused(folder, manifest, arrays, code, words):
    refused = refusal(folder, manifest, **arrays)

    assert refused.code == code
    assert words in refused.detail
    assert not (folder / "outputs.npz").exists()


@pytest.mark.process
def test_the_job_runs_in_a_child(folder):
    npz(folder, {"id": IDS, "output": some_scores()})
    job = {"artifact": "upload", "manifest": CLASSIFIER, "set": "set.npz"}
    limits = Limits(memory_bytes=GIB, cpu_s=30)

    result = run_child("workers.artifacts.inspect_recording", job, folder=folder, limits=limits)

    assert result == {"rows": 6, "dimension": 3}
