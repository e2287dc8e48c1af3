"""What the compare pipeline refuses: outputs, files and jobs."""

import numpy as np
import pytest
import torch

from tests.builders.comparisons import ROWS, a_classifier, a_set, compared
from workers.errors import PermanentError


def broken_ids(arrays):
    arrays["ids"] = np.char.add(arrays["ids"], "x")


def fewer_ids(arrays):
    arrays["ids"] = arrays["ids"][:-1]


def repeated_id(arrays):
    arrays["ids"][1] = arrays["ids"][0]


def not_a_number(arrays):
    arrays["outputs"][7, 1] = np.nan


def infinite_repeat(arrays):
    arrays["repeat_outputs"][0, 0] = np.inf


def no_predictions(arrays):
    del arrays["predicted"]


def no_outputs(arrays):
    del arrays["outputs"]


def row_out_of_range(arrays):
    arrays["repeat_rows"][0] = ROWS


def repeats_of_another_width(arrays):
    arrays["repeat_outputs"] = arrays["repeat_outputs"][:, :1]


def objects(arrays):
    arrays["outputs"] = np.array([{}] * ROWS, dtype=object)


@pytest.mark.parametrize("which", ["old", "new"])
@pytest.mark.parametrize(
    ("break_it", "code"),
    [
        (broken_ids, "outputs_misaligned"),
        (fewer_ids, "outputs_misaligned"),
        (repeated_id, "outputs_misaligned"),
        (not_a_number, "outputs_not_finite"),
        (infinite_repeat, "outputs_not_finite"),
        (no_predictions, "outputs_unreadable"),
        (no_outputs, "outputs_unreadable"),
        (row_out_of_range, "outputs_unreadable"),
        (repeats_of_another_width, "outputs_unreadable"),
        (objects, "outputs_unreadable"),
    ],
)
def test_outputs_that_cannot_be_compared_are_refused(tmp_path, which, break_it, code):
    judged = a_set(tmp_path)
    for name in ("old", "new"):
        a_classifier(tmp_path, name, judged, repeat_rows=[3, 9])
    with np.load(tmp_path / f"{which}.npz") as kept:
        arrays = dict(kept)
    break_it(arrays)
    np.savez(tmp_path / f"{which}.npz", **arrays)

    with pytest.raises(PermanentError) as refused:
        compared(tmp_path)

    assert refused.value.code == code
    assert which in refused.value.detail


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04broken", b"not an archive"])
@pytest.mark.parametrize(
    ("file", "code"), [("set.npz", "set_unreadable"), ("old.npz", "outputs_unreadable")]
)
def test_files_that_are_no_archive_are_refused(tmp_path, content, file, code):
    judged = a_set(tmp_path)
    for name in ("old", "new"):
        a_classifier(tmp_path, name, judged)
    (tmp_path / file).write_bytes(content)

    with pytest.raises(PermanentError) as refused:
        compared(tmp_path)

    assert refused.value.code == code


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"task": "speech"}, "unknown_task"),
        ({"task": "embedding", "distance": "hamming"}, "unknown_distance"),
        pytest.param(
            {"task": "embedding", "distance": "cosine", "device": "cuda"},
            "device_unavailable",
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="CUDA is there"),
        ),
    ],
)
def test_jobs_that_cannot_be_done_are_refused(tmp_path, changes, code):
    judged = a_set(tmp_path)
    for name in ("old", "new"):
        a_classifier(tmp_path, name, judged)

    with pytest.raises(PermanentError) as refused:
        compared(tmp_path, **changes)

    assert refused.value.code == code
